//! Confidence-aware parallel decoding (Fast-dLLM: Wu et al. 2025, arXiv 2505.22618, section 3.3): every token the
//! network is sure enough of, and always the surest.

use super::choice::{Candidate, Draw};
use super::parallel::{self, Rule, best};
use super::{Machine, Method, Setup};
use crate::sampling::Noise;
use crate::sampling::solver::Knob;
use anyhow::Result;

pub(super) const METHOD: Method = Method {
    name: "threshold",
    aliases: &["fast-dllm", "confidence-threshold"],
    help: "all tokens whose probability reaches the threshold, at least one",
    paper: "Wu et al. 2025, arXiv 2505.22618",
    absorbing: true,
    uniform: false,
    takes_steps: false,
    temperature: 0.0,
    knobs: &[Knob { name: "threshold", default: 0.9, range: (0.0, 2.0), help: "above 1: one token an evaluation" }],
    build: |setup| {
        let threshold = setup.knob("threshold");
        build(&setup, move |sorted| sorted.iter().take_while(|p| **p >= threshold).count())
    },
};

pub(super) const FACTOR: Method = Method {
    name: "threshold-factor",
    aliases: &["fast-dllm-factor"],
    help: "the n surest tokens while (n + 1) (1 - probability) stays below the factor, at least one",
    knobs: &[Knob { name: "factor", default: 1.0, range: (0.0, 1e6), help: "0: one token an evaluation" }],
    build: |setup| {
        let factor = setup.knob("factor");
        let within = move |(i, p): (usize, &f64)| (i + 2) as f64 * (1.0 - p) < factor;
        build(&setup, move |sorted| sorted.iter().enumerate().take_while(|pair| within(*pair)).count())
    },
    ..METHOD
};

fn build(setup: &Setup<'_>, count: impl Fn(&[f64]) -> usize + Send + 'static) -> Result<Machine> {
    Ok(parallel::machine(setup, Draw::Gumbel, Sure(count)))
}

/// Settles as many of the surest as a function of the falling probabilities says.
struct Sure<F>(F);

impl<F: Fn(&[f64]) -> usize + Send> Rule for Sure<F> {
    fn choose(&mut self, found: Vec<Candidate>, _: &mut Noise) -> Vec<Candidate> {
        let count = found.len();
        let sorted = best(found, count, |c| c.log_probability);
        let falling: Vec<f64> = sorted.iter().map(|c| c.log_probability.exp()).collect();
        let sure = (self.0)(&falling).max(1);
        sorted.into_iter().take(sure).collect()
    }
}
