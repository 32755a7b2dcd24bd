//! Ancestral sampling of DDPM (Ho et al. 2020, eq. 7) on any subset of timesteps.

use anyhow::{Result, bail};

use super::{Config, Draw, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, values, values_mut};
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, Step, chain, timesteps};

pub(super) const METHOD: Method = Method {
    name: "ddpm",
    classes: &["DDPMScheduler"],
    aliases: &["DDPMScheduler"],
    stochastic: true,
    free_steps: false,
    paper: "Ho et al. 2020, arXiv 2006.11239",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("clip_sample", Value::Bool(true)),
    ("variance_type", Value::text("fixed_small")),
    ("timestep_spacing", Value::text("leading")),
];

/// The variance of a step: one of its two bounds (Ho et al. 2020, section 3.2), or what the network says of it (Nichol
/// and Dhariwal 2021).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variance {
    Small,
    Large,
    /// The network gives the variance itself.
    Learned,
    /// The network says where between the bounds it lies.
    Between,
}

const VARIANCES: &[(&str, Variance)] = &[
    ("fixed_small", Variance::Small),
    ("fixed_small_log", Variance::Small),
    ("fixed_large", Variance::Large),
    ("learned", Variance::Learned),
    ("learned_range", Variance::Between),
];

struct Ddpm {
    walk: Walk,
    variance: Variance,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let levels: Vec<Level> = times.iter().map(|t| table.at(*t as i64)).chain([Level::CLEAN]).collect();
    let variance = setup.config.choice("variance_type", VARIANCES)?;
    if variance.is_learned() && setup.tuning.extra_groups == 0 {
        bail!(
            "the scheduler key variance_type is {:?}, but the network gives no variance beside its prediction; \
             set it to fixed_small or choose another --sampler",
            setup.config.get("variance_type")
        );
    }
    Sampler::walking(setup.config, setup.late(chain(&levels))?, 1.0, |walk| Ddpm { walk, variance, draw: Draw::new() })
}

/// For methods that take no variance from the network: an unknown kind is refused, a known one left alone.
pub(super) fn check_variance_type(config: &Config) -> Result<()> {
    match config.get("variance_type") {
        Value::Null => Ok(()),
        _ => config.choice("variance_type", VARIANCES).map(drop),
    }
}

impl Variance {
    fn is_learned(self) -> bool {
        matches!(self, Self::Learned | Self::Between)
    }
}

impl Solver for Ddpm {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, extra }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let reverse = Reverse::between(at, to);
        combine(x, reverse.of_x, &[(reverse.of_clean, clean)]);
        if at.t > 0.0 {
            let fresh = self.draw.normal(clean, noise);
            match (self.variance, extra) {
                (Variance::Small, _) => combine(x, 1.0, &[(reverse.least.sqrt(), fresh)]),
                (Variance::Large, _) => combine(x, 1.0, &[(reverse.most.sqrt(), fresh)]),
                (Variance::Learned, Some(said)) => add_noise(x, fresh, said, |variance| variance.max(0.0).sqrt()),
                (Variance::Between, Some(said)) => add_noise(x, fresh, said, |share| reverse.variance(share).sqrt()),
                // The engine has refused a network that says nothing.
                (_, None) => {}
            }
        }
        self.walk.next()
    }

    fn extra_groups(&self) -> usize {
        usize::from(self.variance.is_learned())
    }
}

/// Adds noise whose deviation is a function of what the network said of each element.
fn add_noise(x: &mut Latent, fresh: &Latent, said: &Latent, deviation: impl Fn(f64) -> f64) {
    for ((x, fresh), said) in values_mut(x).iter_mut().zip(values(fresh)).zip(values(said)) {
        *x += (deviation(f64::from(*said)) * f64::from(*fresh)) as f32;
    }
}

/// The reverse of a step of noising: given the clean signal it is Gaussian, with a mean linear in that and in the state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reverse {
    /// Share of the state in the mean.
    pub(super) of_x: f64,
    /// Share of the clean signal in the mean.
    pub(super) of_clean: f64,
    /// Its variance, of which the reverse of data that is a point has no more.
    pub(super) least: f64,
    /// The variance that the step of noising adds, of which the reverse of data that is noise has no less.
    pub(super) most: f64,
}

impl Reverse {
    pub(super) fn between(at: Level, to: Level) -> Self {
        let keep = at.alpha / to.alpha;
        let most = at.sigma.powi(2) - keep.powi(2) * to.sigma.powi(2);
        Self {
            of_x: keep * to.sigma.powi(2) / at.sigma.powi(2),
            of_clean: to.alpha * most / at.sigma.powi(2),
            // The floor is the reference's, which takes the logarithm of the variance.
            least: (to.sigma.powi(2) * most / at.sigma.powi(2)).max(1e-20),
            most,
        }
    }

    /// The variance between the two bounds, in the logarithm, at a share in -1..1 (Nichol and Dhariwal 2021, eq. 15).
    fn variance(self, share: f64) -> f64 {
        let part = (share + 1.0) / 2.0;
        (part * self.most.ln() + (1.0 - part) * self.least.ln()).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learned_variance_lies_between_its_bounds() {
        let (at, to) = (Level::from_ratio(0.0, 1.4), Level::from_ratio(0.0, 0.9));
        let reverse = Reverse::between(at, to);
        assert!((reverse.variance(1.0) - reverse.most).abs() < 1e-12);
        assert!((reverse.variance(-1.0) - reverse.most * (to.sigma / at.sigma).powi(2)).abs() < 1e-12);
        let middle = reverse.variance(0.0);
        assert!((middle - (reverse.variance(1.0) * reverse.variance(-1.0)).sqrt()).abs() < 1e-12);
    }
}
