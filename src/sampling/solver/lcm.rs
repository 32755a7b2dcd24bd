//! Multistep sampling of latent consistency models (Luo et al. 2023).

use anyhow::{Result, bail};

use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Kind, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step, chain};

pub(super) const METHOD: Method = Method {
    name: "lcm",
    classes: &["LCMScheduler", "FlowMatchLCMScheduler"],
    aliases: &["LCMScheduler", "FlowMatchLCMScheduler", "sample_lcm"],
    stochastic: true,
    free_steps: false,
    paper: "Luo et al. 2023, arXiv 2310.04378",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, keys::STABLE_DIFFUSION, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("beta_schedule", Value::text("scaled_linear")),
    ("original_inference_steps", Value::Number(50.0)),
    ("set_alpha_to_one", Value::Bool(true)),
    ("timestep_spacing", Value::text("leading")),
    ("timestep_scaling", Value::Number(10.0)),
    ("scale_factors", Value::Null),
];

/// The standard deviation of the data that consistency models assume.
const SIGMA_DATA: f64 = 0.5;

struct Lcm {
    walk: Walk,
    timestep_scaling: f64,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    if Kind::of(setup.source) != Kind::Table {
        return renoising(setup);
    }
    let table = setup.table(false)?;
    let times = trained_subset(setup)?;
    let levels: Vec<Level> = times.iter().map(|t| table.at(*t as i64)).chain([Level::CLEAN]).collect();
    let timestep_scaling = setup.config.number("timestep_scaling")?;
    Sampler::walking(setup.config, chain(&levels), 1.0, |walk| Lcm { walk, timestep_scaling, draw: Draw::new() })
}

/// [`Renoising`] on the model's own steps.
pub(super) fn renoising(setup: &Setup<'_>) -> Result<Sampler> {
    setup.config.require("scale_factors", &Value::Null, "the state keeps its size during a run")?;
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    Sampler::walking(setup.config, steps, start_scale, Renoising::new)
}

/// Every step goes to the clean estimate and adds fresh noise up to the next level.
pub(super) struct Renoising {
    walk: Walk,
    draw: Draw,
}

impl Renoising {
    pub(super) fn new(walk: Walk) -> Self {
        Self { walk, draw: Draw::new() }
    }
}

impl Solver for Renoising {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { to, .. } = self.walk.step();
        combine(x, 0.0, &[(to.alpha, clean)]);
        if !to.is_clean() {
            self.draw.add(x, to.sigma, noise);
        }
        self.walk.next()
    }
}

/// Evenly chosen members of the timesteps that the distillation used; of the late ones only, where
/// the run starts late.
pub(super) fn trained_subset(setup: &Setup<'_>) -> Result<Vec<usize>> {
    let (config, steps) = (setup.config, setup.steps);
    let train = config.count("num_train_timesteps", 2)?;
    let original = config.count("original_inference_steps", 1)?;
    if original > train {
        bail!("the scheduler key original_inference_steps is {original}, more than the {train} training timesteps");
    }
    if steps > original {
        bail!(
            "--steps {steps} is more than the {original} steps this consistency model was distilled from; use at most {original}"
        );
    }
    let stride = train / original;
    let spread = setup.tuning.strength.filter(|strength| strength.keeps_steps);
    let used = spread.map_or(original, |strength| (original as f64 * strength.share) as usize);
    if used < steps {
        bail!(
            "--strength leaves {used} of the model's {original} steps, fewer than --steps {steps}; change one of them"
        );
    }
    let times = (0..steps).map(|i| (used - i * used / steps) * stride - 1).collect();
    if spread.is_some() { Ok(times) } else { setup.late(times) }
}

impl Solver for Lcm {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let time = at.t * self.timestep_scaling;
        let skip = SIGMA_DATA.powi(2) / (time.powi(2) + SIGMA_DATA.powi(2));
        let out = time / (time.powi(2) + SIGMA_DATA.powi(2)).sqrt();
        if self.walk.left() == 0 {
            combine(x, skip, &[(out, clean)]);
        } else {
            let draw = self.draw.normal(clean, noise);
            combine(x, to.alpha * skip, &[(to.alpha * out, clean), (to.sigma, draw)]);
        }
        self.walk.next()
    }
}
