//! Noise levels as pairs, and the one move that every solver is made of.

use super::latent::{Latent, combine};

/// A noise level: `x = alpha * clean + sigma * noise`.
///
/// A pair rather than one number, so that variance-preserving, variance-exploding, EDM and flow
/// models share every solver.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// What the network is told: a training timestep, a flow time, a log-sigma.
    pub t: f64,
    /// Scale of the clean signal.
    pub alpha: f64,
    /// Standard deviation of the noise.
    pub sigma: f64,
}

impl Level {
    /// No noise left.
    pub const CLEAN: Level = Level { t: 0.0, alpha: 1.0, sigma: 0.0 };

    /// The variance-preserving level whose noise-to-signal ratio is `ratio` (k-diffusion's sigma).
    pub fn from_ratio(t: f64, ratio: f64) -> Level {
        let alpha = 1.0 / (1.0 + ratio * ratio).sqrt();
        Level { t, alpha, sigma: ratio * alpha }
    }

    /// The level of a variance-exploding state: full signal, `sigma` of noise.
    pub fn exploding(t: f64, sigma: f64) -> Level {
        Level { t, alpha: 1.0, sigma }
    }

    /// The variance-preserving level with cumulative signal power `alphas_cumprod` (DDPM's ᾱ).
    pub fn from_alphas_cumprod(t: f64, alphas_cumprod: f64) -> Level {
        Level { t, alpha: alphas_cumprod.sqrt(), sigma: (1.0 - alphas_cumprod).sqrt() }
    }

    /// Noise-to-signal ratio `sigma / alpha`: k-diffusion's and diffusers' sigma.
    pub fn ratio(self) -> f64 {
        self.sigma / self.alpha
    }

    /// Half of the log signal-to-noise ratio, `ln(alpha / sigma)`: DPM-Solver's lambda.
    pub fn half_log_snr(self) -> f64 {
        self.alpha.ln() - self.sigma.ln()
    }

    /// True when no noise is left.
    pub fn is_clean(self) -> bool {
        self.sigma == 0.0
    }
}

/// Coefficients `(of x, of clean)` that carry a state between two levels, the clean estimate held
/// fixed. With them Euler, DDIM and DPM-Solver++ differ only in the estimate they move toward.
pub fn toward_coefficients(from: Level, to: Level) -> (f64, f64) {
    let keep = to.sigma / from.sigma;
    (keep, to.alpha - from.alpha * keep)
}

/// Carries `x` from one level to another in place, the clean estimate held fixed.
pub fn toward(x: &mut Latent, clean: &Latent, from: Level, to: Level) {
    let (keep, pull) = toward_coefficients(from, to);
    combine(x, keep, &[(pull, clean)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_and_its_level_agree() {
        for ratio in [0.03, 1.0, 14.6] {
            let level = Level::from_ratio(5.0, ratio);
            assert!((level.ratio() - ratio).abs() < 1e-12);
            assert!((level.alpha.powi(2) + level.sigma.powi(2) - 1.0).abs() < 1e-12);
            assert!((level.half_log_snr() + ratio.ln()).abs() < 1e-12);
        }
    }

    #[test]
    fn toward_keeps_the_noise_and_works_from_pure_noise() {
        let noise = Latent::from_shape_fn(vec![4], |i| i[0] as f32 - 1.5);
        let clean = Latent::from_elem(vec![4], 0.7);
        let pure = Level { t: 1.0, alpha: 0.0, sigma: 1.0 };
        let half = Level { t: 0.5, alpha: 0.5, sigma: 0.5 };
        let mut x = noise.clone();
        toward(&mut x, &clean, pure, half);
        for (got, n) in x.iter().zip(&noise) {
            assert!((got - (0.35 + 0.5 * n)).abs() < 1e-6);
        }
        toward(&mut x, &clean, half, Level::CLEAN);
        assert!(x.iter().all(|v| (v - 0.7).abs() < 1e-6));
    }
}
