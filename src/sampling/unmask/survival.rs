//! Noise schedules of discrete diffusion: the chance that a token survives until time `t`.

use anyhow::{Result, bail};

/// The chance `alpha(t) = exp(-sigma(t))` that a token is still itself at time `t`, from 0 (clean) to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Survival {
    /// `alpha = 1 - (1 - eps) t`: MDLM, LLaDA and Dream with `eps` 0, SEDD's "loglinear" with 1e-3.
    LogLinear {
        /// What survives at time 1.
        eps: f64,
    },
    /// `sigma = min^(1-t) max^t` (SEDD's "geometric").
    Geometric {
        /// Total noise at time 0.
        min: f64,
        /// Total noise at time 1.
        max: f64,
    },
    /// `alpha = cos(pi t / 2)` (MaskGIT, MDLM's "cosine").
    Cosine,
}

impl Survival {
    /// Reads a schedule's name: `loglinear`, `linear`, `geometric`, `cosine`.
    ///
    /// # Errors
    /// For names that are not known.
    pub fn parse(name: &str, eps: f64, sigma: (f64, f64)) -> Result<Self> {
        Ok(match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "loglinear" => Self::LogLinear { eps },
            "linear" => Self::LogLinear { eps: 0.0 },
            "geometric" => Self::Geometric { min: sigma.0, max: sigma.1 },
            "cosine" => Self::Cosine,
            _ => bail!("the noise schedule {name:?} is not known; known are loglinear, linear, geometric and cosine"),
        })
    }

    /// What survives at a time.
    pub fn alpha(self, t: f64) -> f64 {
        match self {
            Self::LogLinear { eps } => 1.0 - (1.0 - eps) * t,
            Self::Geometric { .. } => (-self.sigma(t)).exp(),
            Self::Cosine => (std::f64::consts::FRAC_PI_2 * t).cos().max(0.0),
        }
    }

    /// Total noise `-ln(alpha)` at a time; infinite where nothing survives.
    pub fn sigma(self, t: f64) -> f64 {
        match self {
            Self::LogLinear { eps } => -(-(1.0 - eps) * t).ln_1p(),
            Self::Geometric { min, max } => min.powf(1.0 - t) * max.powf(t),
            Self::Cosine => -self.alpha(t).ln(),
        }
    }

    /// `d sigma / d t`.
    pub fn rate(self, t: f64) -> f64 {
        use std::f64::consts::FRAC_PI_2;
        match self {
            Self::LogLinear { eps } => (1.0 - eps) / self.alpha(t),
            Self::Geometric { min, max } => self.sigma(t) * (max / min).ln(),
            Self::Cosine => FRAC_PI_2 * (FRAC_PI_2 * t).tan(),
        }
    }

    /// The time at which a share `alpha` survives, limited to `0..=1`.
    pub fn time(self, alpha: f64) -> f64 {
        let t = match self {
            Self::LogLinear { eps } => (1.0 - alpha) / (1.0 - eps),
            Self::Geometric { min, max } => (-alpha.ln() / min).ln() / (max / min).ln(),
            Self::Cosine => alpha.clamp(-1.0, 1.0).acos() / std::f64::consts::FRAC_PI_2,
        };
        if t.is_nan() { 0.0 } else { t.clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Survival; 4] = [
        Survival::LogLinear { eps: 0.0 },
        Survival::LogLinear { eps: 1e-3 },
        Survival::Geometric { min: 1e-3, max: 20.0 },
        Survival::Cosine,
    ];

    #[test]
    fn schedules_fall_and_their_parts_agree() {
        for schedule in ALL {
            for i in 1..99 {
                let (t, h) = (f64::from(i) / 100.0, 1e-6);
                let rate = (schedule.sigma(t + h) - schedule.sigma(t - h)) / (2.0 * h);
                assert!(schedule.alpha(t + h) < schedule.alpha(t - h), "{schedule:?} at {t}");
                assert!((schedule.alpha(t) - (-schedule.sigma(t)).exp()).abs() < 1e-12, "{schedule:?} at {t}");
                assert!((schedule.rate(t) / rate - 1.0).abs() < 1e-5, "{schedule:?} at {t}");
                assert!((schedule.time(schedule.alpha(t)) - t).abs() < 1e-9, "{schedule:?} at {t}");
            }
        }
    }

    #[test]
    fn names() {
        let read = |name: &str| Survival::parse(name, 1e-3, (1e-3, 1.0));
        assert_eq!(read("LogLinear").unwrap(), Survival::LogLinear { eps: 1e-3 });
        assert_eq!(read("log_linear").unwrap(), Survival::LogLinear { eps: 1e-3 });
        assert!(read("spiral").unwrap_err().to_string().contains("geometric"));
    }
}
