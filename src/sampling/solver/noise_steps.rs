//! Multistep on the noise estimate: the steps that DEIS and the multistep DPM-Solver share.

use super::exponential::{Integral, apply, nodes, usable};
use super::{History, Level, Noise, Seen, Solver, Walk, Want};
use crate::sampling::Prediction;
use crate::sampling::level::toward;
use crate::sampling::steps::Step;

/// Coefficients of the estimates at the half log-SNRs given, newest first, over a step.
pub(super) type Rule = Box<dyn Fn(Vec<f64>, Level, Level) -> Vec<f64> + Send>;

/// Integrates the noise estimate, except where its integral has no limit: from pure noise and to a
/// clean state.
pub(super) struct NoiseSteps {
    walk: Walk,
    /// As many estimates as the order.
    models: History,
    lower_order_final: bool,
    rule: Rule,
}

impl NoiseSteps {
    /// `lower_order_final` acts on runs of fewer than 15 steps, as in the references.
    pub(super) fn new(walk: Walk, order: usize, lower_order_final: bool, rule: Rule) -> Self {
        let lower_order_final = lower_order_final && walk.steps.len() < 15;
        Self { walk, models: History::new(order), lower_order_final, rule }
    }

    /// The order that history and the nearing end allow.
    fn order_now(&self) -> usize {
        let cap = if self.lower_order_final { self.walk.left() + 1 } else { usize::MAX };
        usable(&self.walk, self.models.len().min(cap))
    }
}

impl Solver for NoiseSteps {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if at.alpha == 0.0 || to.is_clean() {
            toward(x, clean, at, to);
            self.models.push(clean);
            return self.walk.next();
        }
        Prediction::Epsilon.from_clean(clean, x, at);
        self.models.push(clean);
        let weights = (self.rule)(nodes(&self.walk, self.order_now()), at, to);
        apply(x, Integral::NOISE.keep(at, to), &weights, &self.models);
        self.walk.next()
    }
}
