//! DDIM (Song et al. 2021, eq. 12): one evaluation a step, deterministic at eta 0.

use anyhow::{Result, bail};

use super::{Draw, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, clip, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::prediction::Clip;
use crate::sampling::schedule::{TABLE_KEYS, Table};
use crate::sampling::steps::{Grid, Step, timesteps};

pub(super) const METHOD: Method = Method {
    name: "ddim",
    classes: &["DDIMScheduler", COG_VIDEO],
    aliases: &["DDIMScheduler", COG_VIDEO],
    takes_eta: true,
    free_steps: false,
    paper: "Song et al. 2021, arXiv 2010.02502",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

/// CogVideoX's class: DDIM on a table with its signal-to-noise ratio shifted, whatever it says of clipping.
const COG_VIDEO: &str = "CogVideoXDDIMScheduler";

const KEYS: Defaults = &[
    ("clip_sample", Value::Bool(true)),
    ("set_alpha_to_one", Value::Bool(true)),
    ("timestep_spacing", Value::text("leading")),
];

struct Ddim {
    walk: Walk,
    eta: f64,
    clip: Clip,
    noise_part: Latent,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    super::prediction(setup.config)?;
    let cog_video = setup.source.class == COG_VIDEO;
    if cog_video && setup.config.get("snr_shift_scale") == &Value::Null {
        bail!(
            "the scheduler key snr_shift_scale is missing, which {COG_VIDEO} always writes; copy the model's own file"
        );
    }
    let solver = Ddim {
        walk: Walk::new(setup.late(plan(setup, &table)?)?),
        eta: setup.tuning.eta.unwrap_or(0.0),
        clip: if cog_video { Clip::None } else { clip(setup.config)? },
        noise_part: Latent::zeros(vec![0]),
        draw: Draw::new(),
    };
    Ok(Sampler::new(solver.walk.steps.len(), Box::new(solver), 1.0))
}

/// Each step goes one whole stride down from its own timestep, whatever the next one is.
fn plan(setup: &Setup<'_>, table: &Table) -> Result<Vec<Step>> {
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let stride = (table.len() / setup.steps) as i64;
    let last = last_level(setup, table)?;
    let to = |t: i64| if t >= 0 { table.at(t) } else { last };
    Ok(times.iter().map(|t| Step { at: table.at(*t as i64), to: to(*t as i64 - stride) }).collect())
}

/// Where the chain ends: clean, or at the first training timestep.
pub(super) fn last_level(setup: &Setup<'_>, table: &Table) -> Result<Level> {
    Ok(if setup.config.flag("set_alpha_to_one")? { Level::CLEAN } else { table.at(0) })
}

/// Standard deviation of the noise that a step of the DDPM posterior adds.
pub(super) fn posterior_deviation(at: Level, to: Level) -> f64 {
    let keep = at.alpha / to.alpha;
    let fresh = (at.sigma.powi(2) - keep.powi(2) * to.sigma.powi(2)).max(0.0);
    to.sigma / at.sigma * fresh.sqrt()
}

impl Solver for Ddim {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let deviation = self.eta * posterior_deviation(at, to);
        let direction = (to.sigma.powi(2) - deviation.powi(2)).max(0.0).sqrt();
        if self.clip == Clip::None {
            let keep = direction / at.sigma;
            combine(x, keep, &[(to.alpha - at.alpha * keep, clean)]);
        } else {
            // The direction is the network's own noise, not the one behind the clipped estimate.
            copy_into(&mut self.noise_part, x);
            combine(&mut self.noise_part, 1.0 / at.sigma, &[(-at.alpha / at.sigma, clean)]);
            self.clip.apply(clean);
            combine(x, 0.0, &[(to.alpha, clean), (direction, &self.noise_part)]);
        }
        if self.eta > 0.0 {
            self.draw.add(x, deviation, noise);
        }
        self.walk.next()
    }
}
