//! What solvers remember: their place in a plan, earlier estimates, a draw of noise.

use super::{Latent, Level, Noise, Step, Want};
use crate::sampling::latent::{combine, values_mut};

/// A plan and the place in it.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    pub(super) steps: Vec<Step>,
    pub(super) index: usize,
}

impl Walk {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { steps, index: 0 }
    }

    pub(super) fn start(&self) -> Level {
        self.steps.first().map_or(Level::CLEAN, |step| step.at)
    }

    /// The current step. A plan is never empty and never walked past its end.
    pub(super) fn step(&self) -> Step {
        self.steps.get(self.index).copied().unwrap_or(Step { at: Level::CLEAN, to: Level::CLEAN })
    }

    /// The step `back` places before the current one.
    pub(super) fn before(&self, back: usize) -> Option<Step> {
        self.index.checked_sub(back).and_then(|i| self.steps.get(i)).copied()
    }

    /// Steps after the current one.
    pub(super) fn left(&self) -> usize {
        self.steps.len().saturating_sub(self.index + 1)
    }

    /// Ends the current step.
    pub(super) fn next(&mut self) -> Want {
        self.index += 1;
        self.steps.get(self.index).map_or(Want::Done, |step| Want::Next(step.at))
    }
}

/// Estimates of earlier evaluations, newest first, in recycled memory.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    kept: Vec<Latent>,
    limit: usize,
}

impl History {
    pub(super) fn new(limit: usize) -> Self {
        Self { kept: Vec::with_capacity(limit), limit }
    }

    /// Takes `latest` in, leaving other memory of the same shape in its place.
    pub(super) fn push(&mut self, latest: &mut Latent) {
        let spare = if self.kept.len() == self.limit { self.kept.pop() } else { None };
        let spare = spare.unwrap_or_else(|| Latent::zeros(latest.raw_dim()));
        self.kept.insert(0, std::mem::replace(latest, spare));
    }

    pub(super) fn get(&self, back: usize) -> Option<&Latent> {
        self.kept.get(back)
    }

    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

/// Memory for one draw of noise, kept between steps.
#[derive(Clone, Debug)]
pub(super) struct Draw(pub(super) Latent);

impl Draw {
    pub(super) fn new() -> Self {
        Self(Latent::zeros(vec![0]))
    }

    /// Draws noise and adds it to a state with a deviation.
    pub(super) fn add(&mut self, x: &mut Latent, deviation: f64, noise: &mut Noise) {
        let fresh = self.normal(x, noise);
        combine(x, 1.0, &[(deviation, fresh)]);
    }

    /// Draws standard normal noise of the shape of `like`.
    pub(super) fn normal(&mut self, like: &Latent, noise: &mut Noise) -> &Latent {
        if self.0.shape() != like.shape() {
            self.0 = Latent::zeros(like.raw_dim());
        }
        noise.fill_normal(values_mut(&mut self.0));
        &self.0
    }
}
