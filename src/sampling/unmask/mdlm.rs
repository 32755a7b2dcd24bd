//! MDLM's ancestral sampler (Sahoo et al. 2024, arXiv 2406.07524, section 4.2): each hidden token is found with the
//! chance that the schedule gives it; logits are used again while no token changed.

use super::ancestral::{self, Interval, Kernel, even};
use super::frame::{Frame, settle};
use super::{Canvas, Facts, Logits, Method};
use crate::sampling::Noise;

pub(super) const METHOD: Method = Method {
    name: "mdlm",
    aliases: &["ddpm_cache", "ancestral"],
    help: "ancestral sampling with the cached posterior",
    paper: "Sahoo et al. 2024, arXiv 2406.07524",
    absorbing: true,
    uniform: false,
    takes_steps: true,
    temperature: 1.0,
    knobs: &[],
    build: |setup| Ok(ancestral::machine(&setup, even(setup.steps, 0.0), Absorbing { reuses: true })),
};

/// The posterior of the absorbing process.
pub(super) struct Absorbing {
    pub(super) reuses: bool,
}

/// The chance that a token hidden at `at` is found by `to`: `(alpha_s - alpha_t) / (1 - alpha_t)`.
pub(super) fn found_share(facts: &Facts, step: Interval) -> f64 {
    let (before, after) = (facts.survival.alpha(step.at), facts.survival.alpha(step.to));
    if step.last { 1.0 } else { ((after - before) / (1.0 - before)).clamp(0.0, 1.0) }
}

/// Finds each open place with the given chance; true when there was one.
pub(super) fn find_some(frame: &mut Frame, canvas: &mut Canvas, clean: &Logits, share: f64, noise: &mut Noise) -> bool {
    let mut places = frame.open(canvas);
    places.retain(|_| noise.uniform() < share);
    let found = frame.candidates(&places, clean, frame.choice, noise);
    settle(canvas, &found);
    !found.is_empty()
}

impl Kernel for Absorbing {
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool {
        find_some(frame, canvas, clean, found_share(&frame.facts, step), noise)
    }

    fn reuses(&self) -> bool {
        self.reuses
    }
}
