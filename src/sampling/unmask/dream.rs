//! Dream's samplers (Ye et al. 2025, arXiv 2508.15487): chance alone, or MaskGIT's order (Chang et al. 2022, arXiv
//! 2202.04200) by the probability of the token, its lead over the second, or the entropy of the place.

use super::ancestral::{self, Interval, Kernel, even};
use super::choice::{Candidate, Draw, pick};
use super::frame::Frame;
use super::mdlm::find_some;
use super::parallel::{self, Rule, best};
use super::{Canvas, Logits, Machine, Method, Setup};
use crate::sampling::Noise;
use crate::sampling::solver::Knob;
use anyhow::Result;

pub(super) const ORIGIN: Method = Method {
    name: "origin",
    aliases: &["dream"],
    help: "each hidden token is found with the same chance",
    paper: "Ye et al. 2025, arXiv 2508.15487",
    absorbing: true,
    uniform: false,
    takes_steps: true,
    temperature: 0.0,
    knobs: &[],
    build: |setup| Ok(ancestral::machine(&setup, even(setup.steps, EPS), Origin)),
};

pub(super) const MASKGIT_PLUS: Method = Method {
    name: "maskgit-plus",
    aliases: &["maskgit"],
    help: "the likeliest tokens first",
    knobs: &[Knob {
        name: "alg-temp",
        default: 0.0,
        range: (0.0, 1e6),
        help: "above 0, places are drawn by softmax(rank / alg-temp)",
    }],
    build: |setup| build(setup, |c| c.probability),
    ..ORIGIN
};

pub(super) const TOPK_MARGIN: Method = Method {
    name: "topk-margin",
    aliases: &["margin"],
    help: "the places first where the likeliest token is furthest ahead of the second",
    build: |setup| build(setup, |c| c.margin),
    ..MASKGIT_PLUS
};

pub(super) const ENTROPY: Method = Method {
    name: "entropy",
    aliases: &["dream-entropy"],
    help: "the places of least entropy first",
    build: |setup| build(setup, |c| -c.entropy),
    ..MASKGIT_PLUS
};

/// Where the reference's grid ends; the last step finds whatever is left.
const EPS: f64 = 1e-3;

struct Origin;

impl Kernel for Origin {
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool {
        let share = if step.last { 1.0 } else { 1.0 - step.to / step.at };
        find_some(frame, canvas, clean, share, noise)
    }
}

fn build(setup: Setup<'_>, rank: fn(&Candidate) -> f64) -> Result<Machine> {
    let ranked = Ranked { step: 0, steps: setup.steps, rank, temperature: setup.knob("alg-temp") };
    Ok(parallel::machine(&setup, Draw::Inversion, ranked))
}

struct Ranked {
    step: usize,
    steps: usize,
    rank: fn(&Candidate) -> f64,
    temperature: f64,
}

impl Ranked {
    /// `floor(masks (1 - s / t))` in the reference's precision, which decides where it is a whole number.
    fn count(&self, masks: usize) -> usize {
        if self.step + 1 >= self.steps {
            return masks;
        }
        let (t, s) = (linspace(self.steps, self.step), linspace(self.steps, self.step + 1));
        (masks as f32 * (1.0 - s / t)) as usize
    }
}

/// Element `i` of `torch.linspace(1, 1e-3, steps + 1)`, which goes up from the start and down from the end.
fn linspace(steps: usize, i: usize) -> f32 {
    let (start, end) = (1.0f32, EPS as f32);
    let stride = (end - start) / steps as f32;
    if i < steps.div_ceil(2) { start + stride * i as f32 } else { end - stride * (steps - i) as f32 }
}

impl Rule for Ranked {
    fn choose(&mut self, mut found: Vec<Candidate>, noise: &mut Noise) -> Vec<Candidate> {
        let count = self.count(found.len());
        self.step += 1;
        if self.temperature == 0.0 || count >= found.len() {
            return best(found, count, self.rank);
        }
        let top = found.iter().map(self.rank).fold(f64::NEG_INFINITY, f64::max);
        let weight = |c: &Candidate| (((self.rank)(c) - top) / self.temperature).exp();
        let mut chosen = Vec::with_capacity(count);
        while chosen.len() < count {
            let weights: Vec<f64> = found.iter().map(weight).collect();
            chosen.push(found.remove(pick(&weights, noise)));
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_are_torchs() {
        // torch.linspace(1, 1e-3, 5) and (1, 1e-3, 6).
        let want = [1.0, 0.75025, 0.5005, 0.25075, 0.001];
        let have: Vec<f32> = (0..=4).map(|i| linspace(4, i)).collect();
        assert!(have.iter().zip(want).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-7), "{have:?}");
        assert_eq!((linspace(5, 0), linspace(5, 5)), (1.0, 0.001));
    }

    #[test]
    fn the_last_step_takes_all() {
        let mut rule = Ranked { step: 0, steps: 4, rank: |c| c.probability, temperature: 0.0 };
        let mut left = 16;
        let mut counts = Vec::new();
        while left > 0 {
            let count = rule.count(left);
            rule.step += 1;
            left -= count;
            counts.push(count);
        }
        // The reference's loop on 16 masks: int(n * (1 - s / t)) at eps = 1e-3.
        assert_eq!(counts, [3, 4, 4, 5]);
    }
}
