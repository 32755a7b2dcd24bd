//! Trajectory consistency sampling (Zheng et al. 2024, algorithm 4): jump past the next level, then
//! add noise up to it. `eta` is the paper's gamma, the share of the way that is noised again.

use anyhow::Result;

use super::lcm::trained_subset;
use super::moves::renoise;
use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::level::toward;
use crate::sampling::schedule::{TABLE_KEYS, Table};
use crate::sampling::steps::{Step, chain};

pub(super) const METHOD: Method = Method {
    name: "tcd",
    classes: &["TCDScheduler"],
    aliases: &["TCDScheduler", "sample_tcd"],
    stochastic: true,
    takes_eta: true,
    free_steps: false,
    paper: "Zheng et al. 2024, arXiv 2402.19159",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, keys::STABLE_DIFFUSION, KEYS],
    build,
    ..Method::BASE
};

/// The class lists clip_sample, thresholding, set_alpha_to_one, timestep_spacing and
/// timestep_scaling too, but nothing in it reads them.
const KEYS: Defaults =
    &[("beta_schedule", Value::text("scaled_linear")), ("original_inference_steps", Value::Number(50.0))];

/// The gamma of the reference when none is given.
const GAMMA: f64 = 0.3;

struct Tcd {
    walk: Walk,
    /// The level each step jumps to before noise is added.
    jumps: Vec<Level>,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let times: Vec<i64> = trained_subset(setup)?.iter().map(|t| *t as i64).collect();
    let targets = || times.iter().skip(1).copied().chain([0]);
    let gamma = setup.tuning.eta.unwrap_or(GAMMA);
    let jumps = targets().map(|t| jump(&table, t, gamma)).collect();
    let levels: Vec<Level> = times.iter().take(1).copied().chain(targets()).map(|t| table.at(t)).collect();
    let solver = Tcd { walk: Walk::new(chain(&levels)), jumps, draw: Draw::new() };
    Ok(Sampler::new(solver.walk.steps.len(), Box::new(solver), 1.0))
}

/// In f32, as the reference cuts the product off to a whole timestep.
fn jump(table: &Table, target: i64, gamma: f64) -> Level {
    table.at(((1.0 - gamma) as f32 * target as f32).floor() as i64)
}

impl Solver for Tcd {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let jump = self.jumps.get(self.walk.index).copied().unwrap_or(to);
        toward(x, clean, at, jump);
        if self.walk.left() > 0 && jump.t < to.t {
            renoise(x, jump, to, 1.0, self.draw.normal(clean, noise));
        }
        self.walk.next()
    }
}
