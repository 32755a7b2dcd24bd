//! Multistep exponential integrators: the solver behind DPM-Solver, DEIS, BFN-Solver, the refined exponential methods
//! and their SDEs, which differ in the rule that weighs the estimates of earlier steps.

use super::exponential::{Integral, apply, length, nodes, usable};
use super::increments::Increments;
use super::{History, Level, Noise, Seen, Solver, Walk, Want};
use crate::sampling::Prediction;
use crate::sampling::latent::combine;
use crate::sampling::level::toward;
use crate::sampling::steps::Step;

/// Coefficients of the estimates at the half log-SNRs given, newest first, over a step.
pub(super) type Rule = Box<dyn Fn(Integral, &[f64], Level, Level) -> Vec<f64> + Send>;

pub(super) struct Multistep {
    walk: Walk,
    integral: Integral,
    rule: Rule,
    /// As many estimates as the order.
    models: History,
    lower_order_final: bool,
    first_order_last: bool,
    /// Noise of an SDE, and its factor.
    noise: Option<(Increments, f64)>,
}

impl Multistep {
    pub(super) fn new(walk: Walk, integral: Integral, order: usize, rule: Rule) -> Self {
        let models = History::new(order);
        Self { walk, integral, rule, models, lower_order_final: false, first_order_last: false, noise: None }
    }

    /// Lowers the order of the last steps: to one in the last of all, to two in the one before.
    pub(super) fn ending(self, first_order_last: bool, lower_order_final: bool) -> Self {
        Self { first_order_last, lower_order_final, ..self }
    }

    /// With the noise of an SDE.
    pub(super) fn noisy(self, noise: Increments, factor: f64) -> Self {
        Self { noise: Some((noise, factor)), ..self }
    }

    /// The order that history and the nearing end allow.
    fn order_now(&self) -> usize {
        let cap = match self.walk.left() {
            0 if self.first_order_last => 1,
            1 if self.lower_order_final => 2,
            _ => usize::MAX,
        };
        usable(&self.walk, self.models.len().min(cap))
    }
}

/// Whether the configuration lowers the order of the last steps, which the references do in runs of few steps.
pub(super) fn lowers(lower_order_final: bool, steps: usize) -> bool {
    lower_order_final && steps < 15
}

impl Solver for Multistep {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        // The noise estimate's integral has no limit from pure noise and to a clean state.
        if self.integral.of_noise && (at.alpha == 0.0 || to.is_clean()) {
            toward(x, clean, at, to);
            self.models.push(clean);
            return self.walk.next();
        }
        if self.integral.of_noise {
            Prediction::Epsilon.from_clean(clean, x, at);
        }
        self.models.push(clean);
        let weights = (self.rule)(self.integral, &nodes(&self.walk, self.order_now()), at, to);
        apply(x, self.integral.keep(at, to), &weights, &self.models);
        let deviation = self.integral.deviation(at, to);
        if let Some((fresh, factor)) = self.noise.as_mut().filter(|_| deviation > 0.0) {
            combine(x, 1.0, &[(*factor * deviation, fresh.unit(at, to, clean, noise))]);
        }
        self.walk.next()
    }
}

/// DPM-Solver's rules: of second order half the step or, as Heun's method has it, the slope's integral; of third order
/// published with half the weight that a parabola through the estimates would give its bend, so that the order is two,
/// with a smaller error. `res-3m` has the full weight.
pub(super) fn dpm(midpoint: bool) -> Rule {
    Box::new(move |integral, nodes, at, to| {
        let total = integral.total(at, to);
        let ramp = integral.ramp(at, to);
        match nodes {
            [now, before, last] => {
                let lengths = ((now - before) / length(at, to), (before - last) / length(at, to));
                third(total, ramp, integral.bend(at, to), lengths)
            }
            [now, before] if length(at, to) > 0.0 => {
                let slope = if midpoint { total / 2.0 } else { ramp } * length(at, to) / (now - before);
                vec![total + slope, -slope]
            }
            _ => vec![total],
        }
    })
}

/// Differences over the last two steps, whose lengths are given in this one's.
fn third(total: f64, ramp: f64, bend: f64, (r0, r1): (f64, f64)) -> Vec<f64> {
    let of_new = ramp * (1.0 + r0 / (r0 + r1)) - bend / (r0 + r1);
    let of_old = -(ramp * r0 - bend) / (r0 + r1);
    vec![total + of_new / r0, -of_new / r0 + of_old / r1, -of_old / r1]
}

/// The polynomial through all estimates, integrated exactly.
pub(super) fn polynomial() -> Rule {
    Box::new(|integral, nodes, at, to| integral.weights(nodes, at, to))
}

/// Values of `solver_type` as those of [`dpm`]; names from configurations of other classes fall back to the midpoint.
pub(super) const TYPES: &[(&str, bool)] =
    &[("midpoint", true), ("heun", false), ("logrho", true), ("bh1", true), ("bh2", true)];
