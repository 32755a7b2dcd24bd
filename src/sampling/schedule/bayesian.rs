//! The schedules of Bayesian flow networks (Graves et al. 2023), as diffusions (Xue et al. 2024).
//!
//! Continuous data have `alpha = gamma`, `sigma^2 = gamma (1 - gamma)`, `gamma = 1 - s^(2 t)` with `s` their least
//! deviation. Data of `K` classes have `alpha = beta`, `sigma^2 = K beta`, `beta = b^2 t^2`: the state is what the
//! network sees the softmax of, and the clean signal is `K` times a class's unit vector, less 1. Time `t`, what the
//! network is told, runs from almost 0, where nothing is known, to 1.

use anyhow::{Result, bail};

use super::NoiseSchedule;
use crate::sampling::Level;
use crate::sampling::config::{Config, Defaults, Source, Value};

/// A Bayesian flow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bayesian {
    data: Data,
    /// Where a run starts, a little after time 0, where there is no signal at all.
    cut: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Data {
    /// With a least deviation.
    Continuous(f64),
    /// A number of classes, and the root of the last `beta`.
    Classes(f64, f64),
}

/// Configuration keys of Bayesian flows, named as their authors' settings.
pub const BAYESIAN_KEYS: Defaults = &[
    ("min_variance", Value::Number(0.001)),
    ("n_classes", Value::Null),
    ("max_sqrt_beta", Value::Number(0.75)),
    ("eta", Value::Number(1e-5)),
];

impl Bayesian {
    /// The class that a configuration names for models of this kind; no class of diffusers runs them.
    pub const CLASS: &'static str = "BayesianFlowScheduler";

    /// A flow of continuous data with a least variance.
    pub fn continuous(least_variance: f64) -> Self {
        Self { data: Data::Continuous(least_variance.sqrt()), cut: 1e-5 }
    }

    /// A flow of data of some classes.
    pub fn classes(count: usize, max_sqrt_beta: f64) -> Self {
        Self { data: Data::Classes(count as f64, max_sqrt_beta), cut: 1e-5 }
    }

    /// Reads the schedule of a configuration.
    ///
    /// # Errors
    /// For values out of range, naming the key.
    pub fn from_source(source: &Source) -> Result<Self> {
        let config = Config::take_over(Self::CLASS, &[BAYESIAN_KEYS], source);
        let (least, cut) = (config.number("min_variance")?, config.number("eta")?);
        let schedule = match class_count(source)? {
            Some(count) => Self::classes(count, positive(&config, "max_sqrt_beta")?),
            None if 0.0 < least && least < 1.0 => Self::continuous(least),
            None => bail!("the scheduler key min_variance is {least}, but must lie between 0 and 1"),
        };
        if !(0.0 < cut && cut < 1.0) {
            bail!("the scheduler key eta is {cut}, but must lie between 0 and 1");
        }
        Ok(Self { cut, ..schedule })
    }

    /// `steps` levels, noisiest first, evenly in time; the next would be at time 1.
    pub fn spread(&self, steps: usize) -> Vec<Level> {
        (0..steps).map(|i| self.level(self.cut + (1.0 - self.cut) * i as f64 / steps as f64)).collect()
    }

    /// Whether the data are classes.
    pub fn is_discrete(&self) -> bool {
        matches!(self.data, Data::Classes(..))
    }

    fn at_gamma(&self, gamma: f64, t: f64) -> Level {
        Level { t, alpha: gamma, sigma: (gamma * (1.0 - gamma)).max(0.0).sqrt() }
    }
}

/// The number of classes of a configuration, if its data have any.
///
/// # Errors
/// When it is no whole number of at least 2.
pub fn class_count(source: &Source) -> Result<Option<usize>> {
    let config = Config::take_over(Bayesian::CLASS, &[BAYESIAN_KEYS], source);
    match config.get("n_classes") {
        Value::Null => Ok(None),
        _ => config.count("n_classes", 2).map(Some),
    }
}

fn positive(config: &Config, key: &str) -> Result<f64> {
    match config.number(key)? {
        value if value > 0.0 && value.is_finite() => Ok(value),
        value => bail!("the scheduler key {key} is {value}, but must be above 0"),
    }
}

impl NoiseSchedule for Bayesian {
    fn level(&self, t: f64) -> Level {
        match self.data {
            Data::Continuous(least) => self.at_gamma(-(2.0 * t * least.ln()).exp_m1(), t),
            Data::Classes(count, most) => {
                let beta = (most * t).powi(2);
                Level { t, alpha: beta, sigma: (count * beta).sqrt() }
            }
        }
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
        match self.data {
            Data::Continuous(least) => {
                let gamma = 1.0 / (1.0 + (-2.0 * lambda).exp());
                // 1 - gamma without cancellation.
                let rest = 1.0 / (1.0 + (2.0 * lambda).exp());
                self.at_gamma(gamma, rest.ln() / (2.0 * least.ln()))
            }
            Data::Classes(count, most) => self.level(count.sqrt() * lambda.exp() / most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_their_inverse() {
        for flow in [Bayesian::continuous(0.001), Bayesian::classes(27, 0.75)] {
            for t in [1e-5, 0.2, 0.7, 1.0] {
                let level = flow.level(t);
                assert!((flow.at_half_log_snr(level.half_log_snr()).t - t).abs() < 1e-9);
                assert!((flow.at_sigma(level.ratio()).sigma - level.sigma).abs() < 1e-9);
            }
            assert_eq!((flow.spread(4).len(), flow.spread(4)[0].t), (4, 1e-5));
        }
        assert!((Bayesian::continuous(0.001).level(0.7).alpha - (1.0 - 0.001f64.powf(0.7))).abs() < 1e-12);
    }

    #[test]
    fn impossible_values_are_refused_by_key() {
        for (key, value) in [("min_variance", 1.5), ("eta", 0.0), ("n_classes", 1.0)] {
            let mut source = Source { class: Bayesian::CLASS.into(), ..Source::default() };
            source.set(key, Value::Number(value));
            let error = Bayesian::from_source(&source).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
