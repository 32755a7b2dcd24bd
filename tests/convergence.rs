//! Orders of convergence on closed-form models.
//!
//! The data are Gaussian or a mixture of two Gaussians, so the exact denoiser is known, and a fine
//! Runge-Kutta integration in f64 gives the exact solution of the probability-flow ODE. Each method
//! runs over ever finer step lists and the error must fall with its stated order. Runs are compared
//! before their last step, which goes to a clean state and is of first order in most methods; they
//! begin where the denoiser hardly changes, so that the lower orders a multistep method begins with
//! do not show.

use edrun::sampling::config::Value;
use edrun::sampling::solver::{METHODS, Method, Tuning};
use edrun::sampling::steps::Custom;
use edrun::sampling::{Noise, Seen, Want};

use crate::closed_form::{Data, Model, denoise};

const SIZE: usize = 64;
const HIGH: f64 = 40.0;
const LOW: f64 = 0.3;

/// Root mean square error of the state after `steps` steps.
fn error(method: &Method, model: Model, data: Data, keys: &[(&str, Value)], steps: usize) -> f64 {
    let tuning = Tuning { custom: Some(Custom::Sigmas(model.sigmas(steps, HIGH, LOW))), ..Tuning::default() };
    let mut solver = method.prepare(&model.source(keys), steps + 1, &tuning).unwrap().solver;
    let mut noise = Noise::torch(3);
    let start = noise.normal(&[SIZE]).mapv(|z| z * HIGH as f32);
    let mut level = solver.start();
    let mut x = &start * level.alpha as f32;
    let mut done = 0;
    while done < steps {
        let mut clean = denoise(data, &x, level);
        match solver.advance(Seen { x: &mut x, clean: &mut clean }, &mut noise) {
            Want::Next(next) => {
                level = next;
                done += 1;
            }
            Want::Probe(next) => level = next,
            Want::Done => panic!("{} ended early", method.name),
        }
    }
    let off = |(i, (start, got)): (usize, (&f32, &f32))| {
        data.flow(i, f64::from(*start), HIGH, LOW) - f64::from(*got) / level.alpha
    };
    let square: f64 = start.iter().zip(&x).enumerate().map(off).map(|off| off * off).sum();
    (square / SIZE as f64).sqrt()
}

/// The slope of log error over log steps.
fn slope(points: &[(usize, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, e)| ((*n as f64).ln(), e.ln())).collect();
    let count = logs.len() as f64;
    let mean = logs.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / count, m.1 + p.1 / count));
    let covariance: f64 = logs.iter().map(|p| (p.0 - mean.0) * (p.1 - mean.1)).sum();
    let variance: f64 = logs.iter().map(|p| (p.0 - mean.0).powi(2)).sum();
    -covariance / variance
}

/// A row: method, configuration keys, stated order, step counts fine enough for the order to show and
/// coarse enough for f32.
type Row = (&'static str, &'static [(&'static str, Value)], f64, &'static [usize]);

const ROWS: &[Row] = &[
    ("euler", &[], 1.0, &[64, 128, 256]),
    ("heun", &[], 2.0, &[32, 64, 128]),
    ("dpmpp-2m", &[("solver_order", Value::Number(1.0))], 1.0, &[64, 128, 256]),
    ("dpmpp-2m", &[], 2.0, &[64, 96, 128]),
    ("dpmpp-2m", &[("solver_type", Value::text("heun"))], 2.0, &[32, 64, 128]),
];

#[test]
fn errors_fall_with_the_stated_order() {
    let mut wrong = Vec::new();
    for (name, keys, order, counts) in ROWS {
        for (model, data) in [
            (Model::VariancePreserving, Data::Gaussian),
            (Model::VariancePreserving, Data::Mixture),
            (Model::Flow, Data::Gaussian),
            (Model::Flow, Data::Mixture),
        ] {
            let method = Method::find(name).unwrap();
            let points: Vec<_> =
                counts.iter().map(|steps| (*steps, error(method, model, data, keys, *steps))).collect();
            let measured = slope(&points);
            let errors: Vec<_> = points.iter().map(|(n, e)| format!("{n}: {e:.1e}")).collect();
            let row =
                format!("{name} {keys:?} {model:?} {data:?}: order {measured:.2} of {order}; {}", errors.join(", "));
            println!("{row}");
            if (measured - order).abs() > 0.15 {
                wrong.push(row);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_deterministic_method_with_free_steps_has_a_row() {
    let rows = |method: &Method| ROWS.iter().any(|(name, ..)| *name == method.name);
    let missing: Vec<_> =
        METHODS.iter().filter(|m| !m.stochastic && m.free_steps && !rows(m)).map(|m| m.name).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
