//! The residual-shifting schedule (Yue et al. 2023), with the low-resolution picture as origin:
//! `x = (1 - eta) * clean + kappa * sqrt(eta) * noise`. [`crate::sampling::prior`] puts the origin in.

use anyhow::{Result, bail};

use super::NoiseSchedule;
use crate::sampling::Level;
use crate::sampling::config::{Config, Defaults, Source, Value};

/// A chain of levels whose `sqrt(eta)` grows from `least` to `most`, geometrically in a power of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// Number of steps.
    pub steps: usize,
    /// Strength of the noise.
    pub kappa: f64,
    /// Power of time.
    pub power: f64,
    /// The first and the last `sqrt(eta)`.
    pub ends: (f64, f64),
}

/// Configuration keys of such models, named as their authors' settings, with the constants of the paper's four-times
/// super-resolution.
pub const RESIDUAL_KEYS: Defaults = &[
    ("num_train_timesteps", Value::Number(15.0)),
    ("kappa", Value::Number(2.0)),
    ("power", Value::Number(0.3)),
    ("min_noise_level", Value::Number(0.04)),
];

impl Residual {
    /// The class that a configuration names for models of this kind; no class of diffusers runs them.
    pub const CLASS: &'static str = "ResShiftScheduler";

    /// Reads the schedule of a configuration.
    ///
    /// # Errors
    /// For values out of range, naming the key.
    pub fn from_source(source: &Source) -> Result<Self> {
        let config = Config::take_over(Self::CLASS, &[RESIDUAL_KEYS], source);
        let positive = |key| match config.number(key)? {
            value if value > 0.0 && value.is_finite() => Ok(value),
            value => bail!("the scheduler key {key} is {value}, but must be above 0"),
        };
        let steps = config.count("num_train_timesteps", 2)?;
        Ok(Self::new(steps, positive("kappa")?, positive("power")?, positive("min_noise_level")?))
    }

    /// `count` levels of the chain, noisiest first, evenly chosen and with its first among them.
    pub fn spread(&self, count: usize) -> Vec<Level> {
        let time = |i: usize| self.steps as f64 - (self.last() * i as f64 / (count.max(2) - 1) as f64).round();
        (0..count).map(|i| self.level(time(i))).collect()
    }

    /// The constants of the paper's four-times super-resolution.
    pub fn published() -> Self {
        Self::new(15, 2.0, 0.3, 0.04)
    }

    /// A chain whose first level has about `least_noise`.
    pub fn new(steps: usize, kappa: f64, power: f64, least_noise: f64) -> Self {
        Self { steps, kappa, power, ends: ((least_noise / kappa).min(least_noise), 0.99) }
    }

    fn at_root(&self, root: f64, t: f64) -> Level {
        Level { t, alpha: 1.0 - root * root, sigma: self.kappa * root }
    }

    fn last(&self) -> f64 {
        self.steps.max(2) as f64 - 1.0
    }
}

impl NoiseSchedule for Residual {
    /// Steps are counted from 1.
    fn level(&self, t: f64) -> Level {
        let share = ((t - 1.0) / self.last()).max(0.0).powf(self.power);
        self.at_root(self.ends.0 * (self.ends.1 / self.ends.0).powf(share), t)
    }

    fn at_sigma(&self, sigma: f64) -> Level {
        let root = sigma / self.kappa;
        let share = (root / self.ends.0).ln() / (self.ends.1 / self.ends.0).ln();
        self.at_root(root, 1.0 + self.last() * share.max(0.0).powf(1.0 / self.power))
    }

    fn sigma(&self, level: Level) -> f64 {
        level.sigma
    }

    fn sigmas(&self) -> (f64, f64) {
        (self.kappa * self.ends.0, self.kappa * self.ends.1)
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        // (1 - r^2) / (kappa r) = e^lambda, for the root r.
        let half = self.kappa * lambda.exp() / 2.0;
        self.at_sigma(self.kappa / (half + half.hypot(1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_inverses() {
        let schedule = Residual::published();
        assert!((schedule.level(1.0).alpha - (1.0 - 0.02f64.powi(2))).abs() < 1e-12);
        assert!((schedule.level(15.0).alpha - (1.0 - 0.99f64.powi(2))).abs() < 1e-12);
        for i in 1..=15 {
            let level = schedule.level(f64::from(i));
            assert!((schedule.at_sigma(level.sigma).t - level.t).abs() < 1e-6);
            assert!((schedule.at_half_log_snr(level.half_log_snr()).sigma - level.sigma).abs() < 1e-9);
        }
    }
}
