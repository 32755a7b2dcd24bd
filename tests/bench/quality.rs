//! Error of each deterministic method for a given number of network evaluations, on the closed-form
//! mixture (variance-preserving, Stable Diffusion's table, default step list), to a clean end.
//!
//! `cargo bench --bench quality` prints the table; nothing is timed.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "../closed_form.rs"]
mod closed_form;

use closed_form::{Data, Model, denoise};
use edrun::sampling::config::Value;
use edrun::sampling::solver::{METHODS, Method, Tuning};
use edrun::sampling::steps::StepList;
use edrun::sampling::{Noise, Seen, Want};

const SIZE: usize = 256;
const BUDGETS: [usize; 5] = [6, 10, 15, 20, 40];

fn main() {
    println!("root mean square error at a clean end, by network evaluations (karras steps; ddim and pndm: their own)");
    print!("{:14}", "");
    BUDGETS.iter().for_each(|budget| print!("{budget:>10}"));
    println!();
    for method in METHODS.iter().filter(|m| !m.stochastic) {
        print!("{:14}", method.name);
        for budget in BUDGETS {
            match best(method, budget) {
                Some(error) => print!("{error:10.2e}"),
                None => print!("{:>10}", "-"),
            }
        }
        println!();
    }
}

/// The most steps that stay within the budget of evaluations.
fn best(method: &Method, budget: usize) -> Option<f64> {
    (1..=budget)
        .rev()
        .find_map(|steps| run(method, steps).filter(|(_, evaluations)| *evaluations <= budget))
        .map(|(error, _)| error)
}

/// Error and evaluations of a run.
fn run(method: &Method, steps: usize) -> Option<(f64, usize)> {
    let schedule = method.free_steps.then(|| StepList::find("karras").unwrap());
    let tuning = Tuning { schedule, ..Tuning::default() };
    let mut solver = method
        .prepare(&Model::VariancePreserving.source(&[("clip_sample", Value::Bool(false))]), steps, &tuning)
        .ok()?
        .solver;
    let mut noise = Noise::torch(1);
    let mut level = solver.start();
    let high = level.ratio();
    let start = noise.normal(&[SIZE]).mapv(|z| z * (high * high + 1.0).sqrt() as f32);
    let mut x = &start * level.alpha as f32;
    for evaluations in 1.. {
        let mut clean = denoise(Data::Mixture, &x, level);
        match solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) {
            Want::Next(next) | Want::Probe(next) => level = next,
            Want::Done => {
                let off = |(i, (start, got)): (usize, (&f32, &f32))| {
                    Data::Mixture.flow(i, f64::from(*start), high, 1e-3) - f64::from(*got)
                };
                let square: f64 = start.iter().zip(&x).enumerate().map(off).map(|off| off * off).sum();
                return Some(((square / SIZE as f64).sqrt(), evaluations));
            }
        }
    }
    None
}
