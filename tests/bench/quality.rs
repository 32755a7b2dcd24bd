//! Error of deterministic methods for a given number of network evaluations, on the closed-form mixture
//! (variance-preserving, Stable Diffusion's table), to a clean end.
//!
//! `cargo bench --bench quality` prints two tables; nothing is timed. The first has every method on one list of steps, the
//! second two methods on every list: which list a problem wants decides as much as the method.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "../closed_form.rs"]
mod closed_form;

use closed_form::quality;
use edrun::sampling::config::Value;
use edrun::sampling::solver::{METHODS, Method};
use edrun::sampling::steps::{STEP_LISTS, StepList};

const BUDGETS: [usize; 5] = [6, 10, 15, 20, 40];

type Keys = &'static [(&'static str, Value)];

const ORDER_3: Keys = &[("solver_order", Value::Number(3.0))];

/// The third orders of methods that have the second by default.
const THIRD: [(&str, &str, Keys); 2] = [("unipc, order 3", "unipc", ORDER_3), ("deis, order 3", "deis", ORDER_3)];

fn main() {
    // Even in half log-SNR: the steps that DPM-Solver and UniPC are derived on and were first measured with.
    let list = StepList::find("exponential").unwrap();
    println!("root mean square error by network evaluations, exponential steps (ddim, pndm and others: their own)");
    heading("", &BUDGETS.map(|budget| budget.to_string()));
    for method in METHODS.iter().filter(|m| !m.stochastic) {
        row(method.name, BUDGETS.map(|budget| best(method, &[], list, budget)));
    }
    for (label, name, keys) in THIRD {
        row(label, BUDGETS.map(|budget| best(Method::find(name).unwrap(), keys, list, budget)));
    }
    by_list();
}

/// Two methods on every list: first order with four times the evaluations beside second order.
fn by_list() {
    let (second, first) = (Method::find("dpmpp-2m").unwrap(), Method::find("euler").unwrap());
    println!("\nthe same by list of steps (euler is ddim's step on any list)");
    heading("", &["2m, 10", "2m, 20", "euler, 10", "euler, 40"].map(str::to_owned));
    for list in STEP_LISTS {
        let cell = |method, steps| quality(method, &[], Some(list), steps).map(|(error, _)| error);
        row(list.name, [cell(second, 10), cell(second, 20), cell(first, 10), cell(first, 40)]);
    }
    let own = quality(Method::find("ddim").unwrap(), &[], None, 40).map(|(error, _)| error);
    println!("ddim on its own 40 steps: {:.2e}", own.unwrap());
}

fn heading(label: &str, columns: &[String]) {
    println!("{label:22}{}", columns.iter().map(|column| format!("{column:>11}")).collect::<String>());
}

fn row<const N: usize>(label: &str, cells: [Option<f64>; N]) {
    let cell = |cell: Option<f64>| cell.map_or(format!("{:>11}", "-"), |error| format!("{error:11.2e}"));
    println!("{label:22}{}", cells.map(cell).concat());
}

/// Error with the most steps that stay within the budget of evaluations.
fn best(method: &Method, keys: Keys, list: &'static StepList, budget: usize) -> Option<f64> {
    let list = method.free_steps.then_some(list);
    let within = |steps| quality(method, keys, list, steps).filter(|(_, evaluations)| *evaluations <= budget);
    (1..=budget).rev().find_map(within).map(|(error, _)| error)
}
