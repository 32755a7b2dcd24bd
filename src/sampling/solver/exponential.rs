//! Exponential integrators: the linear part of a step exactly, estimates as polynomials between nodes.
//!
//! With `lambda` the half log-SNR, a step of the clean estimate is
//! `x' = (sigma'/sigma) x + alpha' * integral of exp(lambda - lambda') clean(lambda)`, one of the noise
//! estimate `x' = (alpha'/alpha) x - sigma' * integral of exp(lambda' - lambda) noise(lambda)`.

use std::sync::OnceLock;

use super::{History, Latent, Level, Walk};
use crate::sampling::latent::combine;

/// Which estimate is integrated, of the ODE or of an SDE with the same marginals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Integral {
    /// The noise estimate instead of the clean one.
    pub(super) of_noise: bool,
    /// Squared strength of the SDE's noise (SA-Solver's tau squared, k-diffusion's eta); 0 is the ODE.
    pub(super) excess: f64,
}

impl Integral {
    pub(super) const CLEAN: Self = Self { of_noise: false, excess: 0.0 };
    pub(super) const NOISE: Self = Self { of_noise: true, excess: 0.0 };

    /// Coefficient of the state.
    pub(super) fn keep(self, at: Level, to: Level) -> f64 {
        if self.of_noise {
            return to.alpha / at.alpha;
        }
        let damp = if self.excess == 0.0 { 1.0 } else { (-self.excess * length(at, to)).exp() };
        to.sigma / at.sigma * damp
    }

    /// Coefficient of an estimate that does not change over the step; finite also to a clean state and,
    /// for the clean estimate, from pure noise.
    pub(super) fn total(self, at: Level, to: Level) -> f64 {
        let rate = 1.0 + self.excess;
        match self.of_noise {
            true => -rate * to.alpha * (at.ratio() - to.ratio()),
            false => -to.alpha * (-rate * length(at, to)).exp_m1(),
        }
    }

    /// Coefficient of an estimate that grows from 0 to 1 over the step.
    pub(super) fn ramp(self, at: Level, to: Level) -> f64 {
        let (total, h, rate) = (self.total(at, to), length(at, to), 1.0 + self.excess);
        if self.of_noise { total / h + rate * to.sigma } else { to.alpha - total / (rate * h) }
    }

    /// Coefficient of an estimate's bend over the step, as DPM-Solver has it (Lu et al. 2022b, appendix B).
    pub(super) fn bend(self, at: Level, to: Level) -> f64 {
        let (ramp, h, rate) = (self.ramp(at, to), length(at, to), 1.0 + self.excess);
        if self.of_noise { -ramp / h - to.sigma / 2.0 } else { ramp / (rate * h) - to.alpha / 2.0 }
    }

    /// Deviation of the noise that a step of the SDE adds.
    pub(super) fn deviation(self, at: Level, to: Level) -> f64 {
        let h = length(at, to);
        if self.excess == 0.0 || h <= 0.0 {
            return 0.0;
        }
        let share = match self.of_noise {
            true => self.excess * (2.0 * h).exp_m1(),
            false => -(-2.0 * self.excess * h).exp_m1(),
        };
        to.sigma * share.sqrt()
    }

    /// Coefficients of estimates at the half log-SNRs `nodes`, a polynomial in between.
    pub(super) fn weights(self, nodes: &[f64], at: Level, to: Level) -> Vec<f64> {
        self.weights_on(nodes, at, to, |lambda| lambda)
    }

    /// The same with the polynomial in a variable of its own, in which `nodes` are given.
    pub(super) fn weights_on(self, nodes: &[f64], at: Level, to: Level, axis: impl Fn(f64) -> f64) -> Vec<f64> {
        if nodes.len() < 2 {
            return vec![self.total(at, to)];
        }
        let rate = 1.0 + self.excess;
        let end = to.half_log_snr();
        let kernel = |lambda: f64| match self.of_noise {
            true => -rate * to.sigma * (end - lambda).exp(),
            false => rate * to.alpha * (rate * (lambda - end)).exp(),
        };
        let weight = |j: usize| integrate(at.half_log_snr(), end, |l| kernel(l) * lagrange(nodes, j, axis(l)));
        (0..nodes.len()).map(weight).collect()
    }
}

/// The length of a step in half log-SNR.
pub(super) fn length(at: Level, to: Level) -> f64 {
    to.half_log_snr() - at.half_log_snr()
}

/// How many estimates, newest first, a polynomial over the current step can run through: none lies
/// beyond a state of pure noise, and a step to a clean state is infinitely long.
pub(super) fn usable(walk: &Walk, order: usize) -> usize {
    if walk.step().to.is_clean() {
        return 1;
    }
    let finite = |back: &usize| walk.before(*back).is_some_and(|step| step.at.alpha > 0.0);
    (0..order).take_while(finite).count().max(1)
}

/// Half log-SNRs of the current and earlier evaluations, newest first.
pub(super) fn nodes(walk: &Walk, count: usize) -> Vec<f64> {
    (0..count).filter_map(|back| walk.before(back)).map(|step| step.at.half_log_snr()).collect()
}

/// `x = keep * x` plus weighted estimates, newest first.
pub(super) fn apply(x: &mut Latent, keep: f64, weights: &[f64], models: &History) {
    let terms: Vec<(f64, &Latent)> =
        weights.iter().enumerate().filter_map(|(back, weight)| Some((*weight, models.get(back)?))).collect();
    combine(x, keep, &terms);
}

/// Value at `u` of the polynomial that is 1 at node `j` and 0 at the others.
pub(super) fn lagrange(nodes: &[f64], j: usize, u: f64) -> f64 {
    let own = nodes.get(j).copied().unwrap_or_default();
    let others = nodes.iter().enumerate().filter(|(k, _)| *k != j);
    others.map(|(_, node)| (u - node) / (own - node)).product()
}

/// The integral of a smooth function.
pub(super) fn integrate(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    // More than one panel for functions of a table's timestep, which have corners.
    const PANELS: usize = 4;
    let half = (to - from) / (2 * PANELS) as f64;
    let panel = |i: usize| {
        let middle = from + half * (2 * i + 1) as f64;
        gauss_legendre().iter().map(|(u, weight)| weight * f(middle + half * u)).sum::<f64>()
    };
    half * (0..PANELS).map(panel).sum::<f64>()
}

const POINTS: usize = 16;

/// Nodes and weights of Gauss-Legendre quadrature on -1..1.
fn gauss_legendre() -> &'static [(f64, f64); POINTS] {
    static RULE: OnceLock<[(f64, f64); POINTS]> = OnceLock::new();
    RULE.get_or_init(|| std::array::from_fn(gauss_point))
}

/// A root of the Legendre polynomial by Newton's method, and its weight.
fn gauss_point(i: usize) -> (f64, f64) {
    let mut root = (std::f64::consts::PI * (i as f64 + 0.75) / (POINTS as f64 + 0.5)).cos();
    for _ in 0..20 {
        let (value, slope) = legendre(root);
        root -= value / slope;
    }
    let slope = legendre(root).1;
    (root, 2.0 / ((1.0 - root * root) * slope * slope))
}

/// The Legendre polynomial and its derivative.
fn legendre(u: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, u);
    for k in 2..=POINTS {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * u * value - (k - 1.0) * before) / k);
    }
    (value, POINTS as f64 * (u * value - before) / (u * u - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials_and_exponentials() {
        let power =
            |n: i32| integrate(-1.0, 3.0, |u| u.powi(n)) - (3f64.powi(n + 1) - (-1f64).powi(n + 1)) / f64::from(n + 1);
        assert!((0..8).all(|n| power(n).abs() < 1e-9));
        assert!((integrate(-12.0, 0.0, f64::exp) - (1.0 - (-12f64).exp())).abs() < 1e-14);
    }

    /// The closed forms of DPM-Solver++ (Lu et al. 2022b): phi-functions of the step's length.
    #[test]
    fn two_nodes_give_the_known_second_order_weights() {
        let (at, to) = (Level::from_ratio(9.0, 2.0), Level::from_ratio(3.0, 0.7));
        let (h, last) = (length(at, to), 0.4);
        let nodes = [at.half_log_snr(), at.half_log_snr() - last];
        let phi = -(-h).exp_m1();
        let slope = to.alpha * (1.0 - phi / h) * h / last;
        let got = Integral::CLEAN.weights(&nodes, at, to);
        assert!((got[0] - to.alpha * phi - slope).abs() < 1e-12 && (got[1] + slope).abs() < 1e-12, "{got:?}");
        let slope = -to.sigma * (h.exp_m1() / h - 1.0) * h / last;
        let got = Integral::NOISE.weights(&nodes, at, to);
        assert!((got[0] + to.sigma * h.exp_m1() - slope).abs() < 1e-12 && (got[1] + slope).abs() < 1e-12, "{got:?}");
    }

    #[test]
    fn weights_add_up_to_the_constant_case() {
        let (at, to) = (Level::from_ratio(9.0, 14.6), Level::from_ratio(3.0, 0.3));
        let nodes = [at.half_log_snr(), -3.0, -4.5, -5.0];
        for integral in [Integral::CLEAN, Integral::NOISE, Integral { of_noise: false, excess: 1.0 }] {
            let sum: f64 = integral.weights(&nodes, at, to).iter().sum();
            assert!((sum / integral.total(at, to) - 1.0).abs() < 1e-12, "{integral:?}");
        }
    }
}
