//! Ancestral sampling of DDPM (Ho et al. 2020, eq. 7) on any subset of timesteps.

use anyhow::{Result, bail};

use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::combine;
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

/// Which of the two bounds of the reverse variance a step takes (Ho et al. 2020, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variance {
    Small,
    Large,
}

struct Ddpm {
    walk: Walk,
    variance: Variance,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let levels: Vec<Level> = times.iter().map(|t| table.at(*t as i64)).chain([Level::CLEAN]).collect();
    let variance = variance(setup)?;
    Sampler::walking(setup.config, setup.late(chain(&levels))?, 1.0, |walk| Ddpm { walk, variance, draw: Draw::new() })
}

fn variance(setup: &Setup<'_>) -> Result<Variance> {
    match setup.config.get("variance_type") {
        Value::Text(text) if text.starts_with("learned") => bail!(
            "the scheduler key variance_type is {text:?}, which needs a network that predicts its variance; \
             set it to fixed_small or choose another --sampler"
        ),
        _ => setup.config.choice(
            "variance_type",
            &[("fixed_small", Variance::Small), ("fixed_small_log", Variance::Small), ("fixed_large", Variance::Large)],
        ),
    }
}

impl Solver for Ddpm {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let keep = at.alpha / to.alpha;
        let fresh = at.sigma.powi(2) - keep.powi(2) * to.sigma.powi(2);
        let mean = (keep * to.sigma.powi(2) / at.sigma.powi(2), to.alpha * fresh / at.sigma.powi(2));
        combine(x, mean.0, &[(mean.1, clean)]);
        if at.t > 0.0 {
            let variance = match self.variance {
                // The floor is the reference's, which takes the logarithm of the variance.
                Variance::Small => (to.sigma.powi(2) * fresh / at.sigma.powi(2)).max(1e-20),
                Variance::Large => fresh,
            };
            combine(x, 1.0, &[(variance.sqrt(), self.draw.normal(clean, noise))]);
        }
        self.walk.next()
    }
}
