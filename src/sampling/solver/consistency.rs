//! Multistep sampling of consistency models (Song et al. 2023, algorithm 1).
//!
//! On models of other kinds it makes the same move on their own levels: to the clean estimate, then
//! fresh noise up to the next level.

use anyhow::{Result, bail};

use super::lcm::renoising;
use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, boxed, keys};
use crate::sampling::config::{Config, Defaults, Value};
use crate::sampling::latent::combine;
use crate::sampling::prediction::Clip;
use crate::sampling::schedule::{Exploding, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Step, chain};

pub(super) const METHOD: Method = Method {
    name: "consistency",
    classes: &["CMStochasticIterativeScheduler"],
    aliases: &["CMStochasticIterativeScheduler", "cm"],
    stochastic: true,
    free_steps: false,
    paper: "Song et al. 2023, arXiv 2303.01469",
    defaults: &[TABLE_KEYS, keys::CLIP, OTHERS_KEYS],
    build,
    ..Method::BASE
};

/// What the plan of a model of another kind reads; the class's own keys are the schedule's.
pub(super) const OTHERS_KEYS: Defaults =
    &[("timestep_spacing", Value::text("trailing")), ("rescale_betas_zero_snr", Value::Bool(false))];

struct Consistency {
    walk: Walk,
    /// The noise at which a state counts as clean.
    least: f64,
    /// Scale of the fresh noise.
    scale: f64,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    if setup.source.class != METHOD.own_class() {
        return renoising(setup);
    }
    let (schedule, config) = Exploding::from_source(setup.source)?;
    let levels = sigmas(setup, &schedule, &config)?.into_iter().map(|sigma| schedule.at_sigma(sigma));
    let walk = Walk::new(setup.late(chain(&levels.chain([Level::CLEAN]).collect::<Vec<_>>()))?);
    let (least, most) = schedule.sigmas();
    let clip = if config.flag("clip_denoised")? { Clip::Range(1.0) } else { Clip::None };
    let solver = Consistency { walk, least, scale: config.number("s_noise")?, draw: Draw::new() };
    let start_scale = schedule.start_scale(most);
    Ok(Sampler::new(solver.walk.steps.len(), boxed(solver, clip), start_scale))
}

/// Multiples of a whole stride along the training's own sigmas.
fn sigmas(setup: &Setup<'_>, schedule: &Exploding, config: &Config) -> Result<Vec<f64>> {
    let train = config.count("num_train_timesteps", 2)?;
    if setup.steps > train {
        bail!(
            "--steps {} is more than the {train} timesteps the model was trained with; use at most {train}",
            setup.steps
        );
    }
    let stride = train / setup.steps;
    Ok((0..setup.steps).map(|i| schedule.along((i * stride) as f64 / (train - 1) as f64)).collect())
}

impl Solver for Consistency {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { to, .. } = self.walk.step();
        combine(x, 0.0, &[(1.0, clean)]);
        if self.walk.left() > 0 {
            let fresh = (to.sigma.powi(2) - self.least.powi(2)).max(0.0).sqrt();
            self.draw.add(x, self.scale * fresh, noise);
        }
        self.walk.next()
    }
}
