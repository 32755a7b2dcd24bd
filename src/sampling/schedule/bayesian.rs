//! The schedule of Bayesian flow networks on continuous data (Graves et al. 2023), as a diffusion
//! (Xue et al. 2024): `alpha = gamma`, `sigma^2 = gamma (1 - gamma)`, `gamma = 1 - s^(2 (1 - t))`.
//!
//! On it the BFN-Solvers are solvers of every diffusion: ODE-1 is `ddim` (or `euler`), ODE-2M is
//! `dpmpp-2m`, SDE-2M is `dpmpp-2m-sde`.

use super::NoiseSchedule;
use crate::sampling::Level;

/// A Bayesian flow. Its network is told `1 - t` and predicts the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bayesian {
    /// Least deviation, of the fully known signal (`sigma_1`).
    pub least: f64,
    /// How far from pure ignorance a run starts, where there is no signal at all.
    pub cut: f64,
}

impl Bayesian {
    /// The schedule with a least variance, cut off as the reference does.
    pub fn new(least_variance: f64) -> Self {
        Self { least: least_variance.sqrt(), cut: 1e-5 }
    }

    /// `steps` sigmas' levels, noisiest first, evenly in time, and the last at time 0.
    pub fn spread(&self, steps: usize) -> Vec<Level> {
        (0..=steps).rev().map(|i| self.level(1.0 - (1.0 - self.cut) * i as f64 / steps as f64)).collect()
    }

    fn at_gamma(&self, gamma: f64, told: f64) -> Level {
        Level { t: told, alpha: gamma, sigma: (gamma * (1.0 - gamma)).max(0.0).sqrt() }
    }
}

impl NoiseSchedule for Bayesian {
    fn level(&self, t: f64) -> Level {
        self.at_gamma(-(2.0 * t * self.least.ln()).exp_m1(), t)
    }

    fn at_sigma(&self, ratio: f64) -> Level {
        self.at_half_log_snr(-ratio.ln())
    }

    /// Noise over signal: `sigma` itself falls again towards ignorance.
    fn sigma(&self, level: Level) -> f64 {
        level.ratio()
    }

    fn sigmas(&self) -> (f64, f64) {
        (self.level(1.0).ratio(), self.level(self.cut).ratio())
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        let gamma = 1.0 / (1.0 + (-2.0 * lambda).exp());
        // 1 - gamma without cancellation.
        let rest = 1.0 / (1.0 + (2.0 * lambda).exp());
        self.at_gamma(gamma, rest.ln() / (2.0 * self.least.ln()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::level::toward_coefficients;

    #[test]
    fn levels_and_their_inverse() {
        let flow = Bayesian::new(0.001);
        for t in [1e-5, 0.2, 0.7, 1.0] {
            let level = flow.level(t);
            assert!((level.alpha - (1.0 - 0.001f64.powf(t))).abs() < 1e-12);
            assert!((flow.at_half_log_snr(level.half_log_snr()).t - t).abs() < 1e-9);
            assert!((flow.at_sigma(level.ratio()).sigma - level.sigma).abs() < 1e-9);
        }
        assert_eq!(flow.spread(4).len(), 5);
    }

    /// BFN-Solver's first-order ODE step in the paper's own form, DPM-Solver's on this schedule.
    #[test]
    fn the_first_order_solver_is_a_step_toward_the_estimate() {
        let flow = Bayesian::new(0.001);
        let (at, to) = (flow.level(0.3), flow.level(0.5));
        let (x, noise) = (0.7, -0.4);
        let h = to.half_log_snr() - at.half_log_snr();
        let want = to.alpha / at.alpha * x - to.sigma * h.exp_m1() * noise;
        let (keep, pull) = toward_coefficients(at, to);
        let clean = (x - at.sigma * noise) / at.alpha;
        assert!((keep * x + pull * clean - want).abs() < 1e-12);
    }
}
