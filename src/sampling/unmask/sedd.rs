//! SEDD's samplers (Lou et al. 2024, arXiv 2310.16834): tau-leaping (Euler) and the Tweedie step (analytic), for masks
//! and for scrambled tokens; both end with a clean-up step down to no noise.

use super::ancestral::{self, Interval, Kernel, even};
use super::choice::pick;
use super::frame::Frame;
use super::ratio::ratios;
use super::{Canvas, Facts, Logits, Machine, Method, Process, Setup, log_sum_exp};
use crate::sampling::Noise;
use anyhow::Result;

pub(super) const EULER: Method = Method {
    name: "sedd-euler",
    aliases: &["tau-leaping"],
    help: "reverse rates over each step (tau-leaping), and one evaluation more to clean up",
    build: |setup| build(setup, Leap::Euler),
    ..ANALYTIC
};

pub(super) const ANALYTIC: Method = Method {
    name: "sedd-analytic",
    aliases: &["tweedie"],
    help: "the best step from ratios (Tweedie), and one evaluation more to clean up",
    paper: "Lou et al. 2024, arXiv 2310.16834",
    absorbing: true,
    uniform: true,
    takes_steps: true,
    temperature: 1.0,
    knobs: &[],
    build: |setup| build(setup, Leap::Analytic),
};

/// Where the reference's grid ends, before the clean-up.
const END: f64 = 1e-5;
/// Where it begins: schedules that leave nothing at time 1 have infinite noise there.
const START: f64 = 1.0 - 1e-12;

fn build(setup: Setup<'_>, leap: Leap) -> Result<Machine> {
    let mut grid = even(setup.steps, END);
    grid.push(0.0);
    Ok(ancestral::machine(&setup, grid, leap))
}

/// How a step's probabilities come from ratios.
#[derive(Clone, Copy, PartialEq)]
enum Leap {
    Euler,
    Analytic,
}

impl Kernel for Leap {
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool {
        let step = Interval { at: step.at.min(START), ..step };
        let places = if frame.is_uniform() { frame.free(canvas) } else { frame.open(canvas) };
        let mut changed = false;
        for place in places {
            let token = canvas.token(place);
            let next = pick(self.chances(frame, place, token, clean, step), noise) as u32;
            changed |= next != token;
            put(frame, canvas, clean, place, next, step.last);
        }
        changed
    }
}

/// Settles what left the mask, and everything in the last step.
fn put(frame: &Frame, canvas: &mut Canvas, clean: &Logits, place: usize, next: u32, last: bool) {
    let found = frame.facts.process != Process::Absorbing { mask: next };
    if last || (found && !frame.is_uniform()) {
        let logits = clean.at(place);
        let own = logits.get(next as usize).map_or(f64::NEG_INFINITY, |l| f64::from(*l));
        canvas.settle(place, next, own - log_sum_exp(logits));
    } else {
        canvas.move_to(place, next);
    }
}

impl Leap {
    /// Unnormalised chances of what stands at a place after a step.
    fn chances<'f>(self, frame: &'f mut Frame, place: usize, token: u32, clean: &Logits, step: Interval) -> &'f [f64] {
        let facts = frame.facts;
        // The network's own sum of weights counts; of other networks they are made to sum to one.
        let sum = if facts.weighted { log_sum_exp(clean.at(place)).exp() } else { 1.0 };
        let weights = frame.shaped(place, clean);
        weights.iter_mut().for_each(|w| *w *= sum);
        ratios(facts.process, token, facts.survival.alpha(step.at), weights);
        match self {
            Leap::Euler if !step.last => euler(&facts, token as usize, step, weights),
            _ => analytic(&facts, token as usize, step, weights),
        }
        weights
    }
}

/// `1[y = x] + dt sigma'(t) Q(x, y) s(y)`.
fn euler(facts: &Facts, token: usize, step: Interval, s: &mut [f64]) {
    let spread = if facts.process == Process::Uniform { s.len() as f64 } else { 1.0 };
    let factor = (step.at - step.to) * facts.survival.rate(step.at) / spread;
    let mut leaving = 0.0;
    for (_, s) in s.iter_mut().enumerate().filter(|(i, _)| *i != token) {
        *s *= factor;
        leaving += *s;
    }
    if let Some(own) = s.get_mut(token) {
        *own = (1.0 - leaving).max(0.0);
    }
}

/// `(exp(-dsigma Q) s)(y) exp(dsigma Q)(x, y)`; the last step, down to no noise, never leaves a mask.
fn analytic(facts: &Facts, token: usize, step: Interval, s: &mut [f64]) {
    let left = if step.last { 0.0 } else { facts.survival.sigma(step.to) };
    let keep = (left - facts.survival.sigma(step.at)).exp();
    match facts.process {
        Process::Absorbing { .. } => {
            let sum: f64 = s.iter().sum();
            s.iter_mut().for_each(|s| *s *= (1.0 - keep) / keep);
            if let Some(own) = s.get_mut(token) {
                let stay = 1.0 / keep + (1.0 - 1.0 / keep) * sum;
                *own = if step.last { 0.0 } else { stay.max(0.0) };
            }
        }
        Process::Uniform => {
            let count = s.len() as f64;
            let shift = (keep - 1.0) / (count * keep) * s.iter().sum::<f64>();
            let (other, own) = ((1.0 - keep) / count, 1.0 - (1.0 - keep) * (count - 1.0) / count);
            for (i, s) in s.iter_mut().enumerate() {
                *s = ((shift + *s / keep) * if i == token { own } else { other }).max(0.0);
            }
        }
    }
}
