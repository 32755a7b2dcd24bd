//! Variance-preserving schedules that are functions of time for the log signal-to-noise ratio: the cosine, shifted for
//! larger pictures (Hoogeboom et al. 2023), and Laplace's (Hang et al. 2024); with networks that are told the time or, as in
//! i-DODE (Zheng et al. 2023) and variational diffusion, the ratio itself.

use anyhow::{Result, bail};

use super::NoiseSchedule;
use crate::sampling::Level;
use crate::sampling::config::{Config, Defaults, Source, Value};

/// Such a schedule, over times in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogSnr {
    shape: Shape,
    /// The log ratios at time 1 and at time 0.
    ends: (f64, f64),
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    /// `-2 ln tan(pi / 2 time) + shift`, of times that are cut off at the ends.
    Cosine { shift: f64 },
    /// Quantiles of a Laplace distribution.
    Laplace { mean: f64, scale: f64 },
}

/// What the network is told: a multiple of the time or of the log ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    Time(f64),
    Ratio(f64),
}

/// Configuration keys of such models; no class of diffusers runs them.
pub const LOG_SNR_KEYS: Defaults = &[
    ("log_snr_schedule", Value::text("cosine")),
    ("log_snr_shift", Value::Number(0.0)),
    ("log_snr_mean", Value::Number(0.0)),
    ("log_snr_scale", Value::Number(0.5)),
    ("log_snr_min", Value::Number(-15.0)),
    ("log_snr_max", Value::Number(15.0)),
    ("network_time", Value::text("time")),
    ("network_time_scale", Value::Number(1.0)),
];

impl LogSnr {
    /// The class that a configuration names for models of this kind.
    pub const CLASS: &'static str = "LogSnrScheduler";

    /// Reads the schedule of a configuration.
    ///
    /// # Errors
    /// For values out of range and unknown names, naming the key.
    pub fn from_source(source: &Source) -> Result<Self> {
        let config = Config::take_over(Self::CLASS, &[LOG_SNR_KEYS], source);
        let (shift, mean) = (config.number("log_snr_shift")?, config.number("log_snr_mean")?);
        let (scale, told) = (config.number("log_snr_scale")?, config.number("network_time_scale")?);
        let ends = (config.number("log_snr_min")?, config.number("log_snr_max")?);
        if !(scale > 0.0 && scale.is_finite()) {
            bail!("the scheduler key log_snr_scale is {scale}, but must be above 0");
        }
        if !(ends.0 < ends.1 && ends.0.is_finite() && ends.1.is_finite()) {
            bail!("the scheduler keys log_snr_min and log_snr_max are {} and {}; expected min < max", ends.0, ends.1);
        }
        let laplace = config.choice("log_snr_schedule", &[("cosine", false), ("laplace", true)])?;
        let shape = if laplace { Shape::Laplace { mean, scale } } else { Shape::Cosine { shift } };
        let ratio = config.choice("network_time", &[("time", false), ("log_snr", true)])?;
        Ok(Self { shape, ends, told: if ratio { Told::Ratio(told) } else { Told::Time(told) } })
    }

    /// `steps` levels, noisiest first, evenly in time with both ends.
    pub fn spread(&self, steps: usize) -> Vec<Level> {
        let time = |i: usize| 1.0 - i as f64 / (steps.max(2) - 1) as f64;
        (0..steps).map(|i| self.at_log(self.log_at(time(i)))).collect()
    }

    /// Where a log ratio lies on the curve before it is cut off, and back.
    fn share(&self, log: f64) -> f64 {
        match self.shape {
            Shape::Cosine { shift } => (-(log - shift) / 2.0).exp().atan(),
            Shape::Laplace { mean, scale } if log > mean => 0.5 * (-(log - mean) / scale).exp(),
            Shape::Laplace { mean, scale } => 1.0 - 0.5 * ((log - mean) / scale).exp(),
        }
    }

    fn log_of_share(&self, share: f64) -> f64 {
        match self.shape {
            Shape::Cosine { shift } => shift - 2.0 * share.tan().ln(),
            Shape::Laplace { mean, scale } if share < 0.5 => mean - scale * (2.0 * share).ln(),
            Shape::Laplace { mean, scale } => mean + scale * (2.0 * (1.0 - share)).ln(),
        }
    }

    /// The shares at which time is 0 and 1. A shift moves the whole curve, its ends included.
    fn cut(&self) -> (f64, f64) {
        let moved = if let Shape::Cosine { shift } = self.shape { shift } else { 0.0 };
        (self.share(self.ends.1 + moved), self.share(self.ends.0 + moved))
    }

    fn log_at(&self, time: f64) -> f64 {
        let (first, last) = self.cut();
        self.log_of_share(first + time * (last - first))
    }

    fn at_log(&self, log: f64) -> Level {
        let (first, last) = self.cut();
        let t = match self.told {
            Told::Time(scale) => scale * (self.share(log) - first) / (last - first),
            Told::Ratio(scale) => scale * log,
        };
        let power = |log: f64| (1.0 / (1.0 + (-log).exp())).sqrt();
        Level { t, alpha: power(log), sigma: power(-log) }
    }
}

impl NoiseSchedule for LogSnr {
    fn level(&self, t: f64) -> Level {
        match self.told {
            Told::Time(scale) => self.at_log(self.log_at(t / scale)),
            Told::Ratio(scale) => self.at_log(t / scale),
        }
    }

    fn at_sigma(&self, ratio: f64) -> Level {
        self.at_half_log_snr(-ratio.ln())
    }

    fn sigma(&self, level: Level) -> f64 {
        level.ratio()
    }

    fn sigmas(&self) -> (f64, f64) {
        ((-self.log_at(0.0) / 2.0).exp(), (-self.log_at(1.0) / 2.0).exp())
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        self.at_log(2.0 * lambda)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(keys: &[(&str, Value)]) -> Result<LogSnr> {
        let keys = keys.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        LogSnr::from_source(&Source { class: LogSnr::CLASS.into(), keys })
    }

    #[test]
    fn times_and_levels_are_inverse() {
        let cases: [&[(&str, Value)]; 4] = [
            &[],
            &[("log_snr_shift", Value::Number(-2.8))],
            &[("log_snr_schedule", Value::text("laplace"))],
            &[("network_time", Value::text("log_snr")), ("network_time_scale", Value::Number(-1.0))],
        ];
        for keys in cases {
            let schedule = schedule(keys).unwrap();
            let levels = schedule.spread(12);
            assert!(levels.windows(2).all(|pair| pair[0].ratio() > pair[1].ratio()), "{keys:?}");
            for level in levels {
                assert!((level.alpha.hypot(level.sigma) - 1.0).abs() < 1e-12);
                assert!((schedule.level(level.t).half_log_snr() - level.half_log_snr()).abs() < 1e-6, "{keys:?}");
                let back = schedule.at_half_log_snr(level.half_log_snr());
                assert!((back.t - level.t).abs() < 1e-9 * level.t.abs().max(1.0), "{keys:?}");
            }
        }
    }

    #[test]
    fn published_values() {
        // In the middle the cosine has as much signal as noise; for pictures of 256 pixels less by 2 ln(64 / 256).
        let shift = 2.0 * (64.0f64 / 256.0).ln();
        assert!((schedule(&[]).unwrap().level(0.5).ratio() - 1.0).abs() < 1e-9);
        let shifted = schedule(&[("log_snr_shift", Value::Number(shift))]).unwrap();
        assert!((shifted.level(0.5).ratio() - 4.0).abs() < 1e-9);
        assert!((shifted.sigmas().1 / schedule(&[]).unwrap().sigmas().1 - 4.0).abs() < 1e-9);
        // `mean - scale sgn(0.5 - t) ln(1 - 2 |t - 0.5|)`, away from where it is cut off.
        let wide = [("log_snr_min", Value::Number(-40.0)), ("log_snr_max", Value::Number(40.0))];
        let keys = [wide.as_slice(), &[("log_snr_schedule", Value::text("laplace"))]].concat();
        let laplace = schedule(&keys).unwrap();
        for t in [0.1f64, 0.4, 0.8] {
            let want = -0.5 * (0.5 - t).signum() * (1.0 - 2.0 * (t - 0.5).abs()).ln();
            assert!((2.0 * laplace.level(t).half_log_snr() - want).abs() < 1e-9, "{t}");
        }
    }

    #[test]
    fn impossible_values_are_refused_by_key() {
        let cases = [
            ("log_snr_schedule", Value::text("spiral")),
            ("network_time", Value::text("noon")),
            ("log_snr_scale", Value::Number(0.0)),
            ("log_snr_min", Value::Number(20.0)),
        ];
        for (key, value) in cases {
            let error = schedule(&[(key, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        }
    }
}
