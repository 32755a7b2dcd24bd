//! Schedules whose signal keeps its size while noise is added: `x = clean + sigma * noise` (Song et
//! al. 2021; Karras et al. 2022).

use std::f64::consts::FRAC_2_PI;

use anyhow::{Result, bail};

use super::NoiseSchedule;
use crate::sampling::Level;
use crate::sampling::config::{Config, Defaults, Source, Value};
use crate::sampling::steps::FINALS;

/// A variance-exploding model: its range of noise, how its steps are spread, what its network is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Exploding {
    low: f64,
    high: f64,
    spread: Spread,
    told: Told,
    /// Standard deviation of the data that runs start as if they had.
    start: f64,
    /// Share of time, in the logarithm of the noise, that the network's times end early by.
    early: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Spread {
    /// Evenly in `sigma^(1/rho)`.
    Power(f64),
    /// Evenly in the logarithm.
    Exponential,
}

/// What the network is told of the noise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Told {
    /// A multiple of the logarithm.
    Logarithm(f64),
    /// The angle `2 / pi * atan(sigma)`.
    Angle,
    /// The noise itself, but for runs that end a little early in time.
    Sigma,
}

/// A class of diffusers, with its keys and what its network is told.
struct Family {
    class: &'static str,
    told: Told,
    keys: Defaults,
}

const FAMILIES: &[Family] = &[
    Family { class: "EDMEulerScheduler", told: Told::Logarithm(0.25), keys: EDM_KEYS },
    Family { class: "EDMDPMSolverMultistepScheduler", told: Told::Logarithm(0.25), keys: EDM_KEYS },
    Family { class: "CosineDPMSolverMultistepScheduler", told: Told::Angle, keys: COSINE_KEYS },
    Family { class: "CMStochasticIterativeScheduler", told: Told::Logarithm(250.0), keys: CONSISTENCY_KEYS },
    Family { class: "ScoreSdeVeScheduler", told: Told::Sigma, keys: SCORE_KEYS },
];

const EDM_KEYS: Defaults = &[
    ("sigma_min", Value::Number(0.002)),
    ("sigma_max", Value::Number(80.0)),
    ("sigma_schedule", Value::text("karras")),
    ("rho", Value::Number(7.0)),
    ("final_sigmas_type", Value::text("zero")),
];

const COSINE_KEYS: Defaults = &[
    ("sigma_min", Value::Number(0.3)),
    ("sigma_max", Value::Number(500.0)),
    ("sigma_schedule", Value::text("exponential")),
    ("rho", Value::Number(7.0)),
    ("final_sigmas_type", Value::text("zero")),
];

const CONSISTENCY_KEYS: Defaults = &[
    ("sigma_min", Value::Number(0.002)),
    ("sigma_max", Value::Number(80.0)),
    ("sigma_schedule", Value::text("karras")),
    ("rho", Value::Number(7.0)),
    ("num_train_timesteps", Value::Number(40.0)),
    ("s_noise", Value::Number(1.0)),
    ("clip_denoised", Value::Bool(true)),
];

const SCORE_KEYS: Defaults = &[
    ("sigma_min", Value::Number(0.01)),
    ("sigma_max", Value::Number(1348.0)),
    ("sigma_schedule", Value::text("exponential")),
    ("rho", Value::Number(7.0)),
    ("sampling_eps", Value::Number(1e-5)),
    ("snr", Value::Number(0.15)),
    ("correct_steps", Value::Number(1.0)),
];

impl Exploding {
    /// Whether a configuration is of a class whose models explode.
    pub fn is(source: &Source) -> bool {
        FAMILIES.iter().any(|family| family.class == source.class)
    }

    /// Reads the schedule of such a configuration, and the keys it has.
    ///
    /// # Errors
    /// For another class, and for values that cannot be honoured, naming the key.
    pub fn from_source(source: &Source) -> Result<(Self, Config)> {
        let Some(family) = FAMILIES.iter().find(|family| family.class == source.class) else {
            bail!("the scheduler {} is of no model whose noise explodes", source.class);
        };
        let config = Config::take_over(family.class, &[family.keys], source);
        let (low, high) = (config.number("sigma_min")?, config.number("sigma_max")?);
        if !(low > 0.0 && high > low && high.is_finite()) {
            bail!(
                "the scheduler keys sigma_min and sigma_max are {low} and {high}; expected 0 < sigma_min < sigma_max"
            );
        }
        if config.get("final_sigmas_type") != &Value::Null {
            config.choice("final_sigmas_type", FINALS)?;
        }
        let power = config.choice("sigma_schedule", &[("karras", true), ("exponential", false)])?;
        let spread = if power { Spread::Power(config.number("rho")?) } else { Spread::Exponential };
        // The classes of EDM start as if the data had unit variance, the others without data.
        let start = if family.keys == EDM_KEYS || family.keys == COSINE_KEYS { 1.0 } else { 0.0 };
        let early = config.optional_number("sampling_eps")?.unwrap_or(0.0);
        if !(0.0..1.0).contains(&early) {
            bail!("the scheduler key sampling_eps is {early}, but must lie in 0..1");
        }
        Ok((Self { low, high, spread, told: family.told, start, early }, config))
    }

    /// Factor of the initial unit noise of a run that starts at `sigma`.
    pub fn start_scale(&self, sigma: f64) -> f64 {
        sigma.hypot(self.start)
    }

    /// `steps` sigmas, noisiest first, without the clean end.
    pub fn spread(&self, steps: usize) -> Vec<f64> {
        (0..steps).map(|i| self.along(i as f64 / (steps.max(2) - 1) as f64)).collect()
    }

    /// The sigma at a share of the way from the noisiest to the cleanest.
    pub fn along(&self, share: f64) -> f64 {
        let between = |high: f64, low: f64| high + share * (low - high);
        match self.spread {
            Spread::Power(rho) => between(self.high.powf(1.0 / rho), self.low.powf(1.0 / rho)).powf(rho),
            Spread::Exponential => between(self.high.ln(), self.low.ln()).exp(),
        }
    }
}

impl NoiseSchedule for Exploding {
    fn level(&self, t: f64) -> Level {
        let sigma = match self.told {
            Told::Logarithm(factor) => (t / factor).exp(),
            Told::Angle => (t / FRAC_2_PI).tan(),
            Told::Sigma => self.high * (t / self.high).powf(1.0 / (1.0 - self.early)),
        };
        Level::exploding(t, sigma)
    }

    fn at_sigma(&self, sigma: f64) -> Level {
        let t = match self.told {
            Told::Logarithm(factor) => factor * sigma.ln(),
            Told::Angle => sigma.atan() * FRAC_2_PI,
            Told::Sigma => self.high * (sigma / self.high).powf(1.0 - self.early),
        };
        Level::exploding(t, sigma)
    }

    fn sigma(&self, level: Level) -> f64 {
        level.ratio()
    }

    fn sigmas(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        self.at_sigma((-lambda).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(class: &str) -> Exploding {
        Exploding::from_source(&Source { class: class.into(), ..Source::default() }).unwrap().0
    }

    #[test]
    fn ends_and_times() {
        for family in FAMILIES {
            let schedule = schedule(family.class);
            let sigmas = schedule.spread(9);
            assert!((sigmas[0] / schedule.high - 1.0).abs() < 1e-12 && (sigmas[8] / schedule.low - 1.0).abs() < 1e-12);
            assert!(sigmas.windows(2).all(|w| w[0] > w[1]));
            assert_eq!(schedule.spread(1), sigmas[..1]);
            for sigma in sigmas {
                let level = schedule.at_sigma(sigma);
                assert!((schedule.level(level.t).sigma / sigma - 1.0).abs() < 1e-9, "{} {sigma}", family.class);
                assert!((schedule.at_half_log_snr(level.half_log_snr()).sigma / sigma - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn published_values() {
        let edm = schedule("EDMEulerScheduler");
        assert!((edm.at_sigma(80.0).t - 1.0955).abs() < 1e-4);
        assert!((edm.spread(18)[1] - 57.5859).abs() < 1e-3);
        assert!(Exploding::from_source(&Source::default()).is_err());
    }
}
