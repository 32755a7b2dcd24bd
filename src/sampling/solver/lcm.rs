//! Multistep sampling of latent consistency models (Luo et al. 2023).

use anyhow::{Result, bail};

use super::{CLIP_KEYS, Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, boxed, clip};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Kind, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step, chain};

pub(super) const METHOD: Method = Method {
    name: "lcm",
    classes: &["LCMScheduler", "FlowMatchLCMScheduler"],
    aliases: &["LCMScheduler", "FlowMatchLCMScheduler", "sample_lcm"],
    order: 1,
    evaluations: 1,
    stochastic: true,
    takes_eta: false,
    knobs: &[],
    free_steps: false,
    paper: "Luo et al. 2023, arXiv 2310.04378",
    defaults: &[TABLE_KEYS, CLIP_KEYS, KEYS],
    build,
};

const KEYS: Defaults = &[
    ("beta_start", Value::Number(0.00085)),
    ("beta_end", Value::Number(0.012)),
    ("beta_schedule", Value::text("scaled_linear")),
    ("original_inference_steps", Value::Number(50.0)),
    ("set_alpha_to_one", Value::Bool(true)),
    ("timestep_spacing", Value::text("leading")),
    ("timestep_scaling", Value::Number(10.0)),
    ("rescale_betas_zero_snr", Value::Bool(false)),
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
    super::prediction(setup.config)?;
    let times = trained_subset(setup)?;
    let levels: Vec<Level> = times.iter().map(|t| table.at(*t as i64)).chain([Level::CLEAN]).collect();
    let timestep_scaling = setup.config.number("timestep_scaling")?;
    let solver = Lcm { walk: Walk::new(chain(&levels)), timestep_scaling, draw: Draw::new() };
    Ok(Sampler { steps: solver.walk.steps.len(), solver: boxed(solver, clip(setup.config)?), start_scale: 1.0 })
}

/// [`Renoising`] on the model's own steps.
pub(super) fn renoising(setup: &Setup<'_>) -> Result<Sampler> {
    setup.config.require("scale_factors", &Value::Null, "the state keeps its size during a run")?;
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    let solver = Renoising::new(steps);
    Ok(Sampler { steps: solver.walk.steps.len(), solver: boxed(solver, clip(setup.config)?), start_scale })
}

/// Every step goes to the clean estimate and adds fresh noise up to the next level.
pub(super) struct Renoising {
    walk: Walk,
    draw: Draw,
}

impl Renoising {
    pub(super) fn new(steps: Vec<Step>) -> Self {
        Self { walk: Walk::new(steps), draw: Draw::new() }
    }
}

impl Solver for Renoising {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { to, .. } = self.walk.step();
        combine(x, 0.0, &[(to.alpha, clean)]);
        if !to.is_clean() {
            combine(x, 1.0, &[(to.sigma, self.draw.normal(clean, noise))]);
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

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, noise: &mut Noise) -> Want {
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
