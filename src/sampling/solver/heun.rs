//! Heun's second-order method on the noise-to-signal ratio (Karras et al. 2022, algorithm 1).

use std::sync::Arc;

use anyhow::Result;

use super::{Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use super::{boxed, clip, remember};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::combine;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "heun",
    classes: &["HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"],
    aliases: &["HeunDiscreteScheduler", "sample_heun", "k_heun"],
    order: 2,
    evaluations: 2,
    stochastic: false,
    takes_eta: false,
    knobs: &[],
    free_steps: true,
    paper: "Karras et al. 2022, arXiv 2206.00364, algorithm 1",
    defaults: &[TABLE_KEYS, KEYS],
    build,
};

const KEYS: Defaults = &[
    ("beta_start", Value::Number(0.00085)),
    ("beta_end", Value::Number(0.012)),
    ("use_karras_sigmas", Value::Bool(false)),
    ("use_exponential_sigmas", Value::Bool(false)),
    ("use_beta_sigmas", Value::Bool(false)),
    ("sigma_min", Value::Null),
    ("sigma_max", Value::Null),
    ("clip_sample", Value::Bool(false)),
    ("clip_sample_range", Value::Number(1.0)),
    ("timestep_spacing", Value::text("linspace")),
];

struct Heun {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    /// State at the beginning of the step, and the estimate there; empty outside a step.
    before: Latent,
    first: Latent,
    inside: bool,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let Plan { steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    let empty = || Latent::zeros(vec![0]);
    let solver = Heun { walk: Walk::new(steps), schedule, before: empty(), first: empty(), inside: false };
    Ok(Sampler { steps: solver.walk.steps.len(), solver: boxed(solver, clip(setup.config)?), start_scale })
}

impl Solver for Heun {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if self.inside {
            self.correct(x, clean, at, to);
            self.inside = false;
            return self.walk.next();
        }
        if to.is_clean() {
            toward(x, clean, at, to);
            return self.walk.next();
        }
        remember(&mut self.before, x);
        remember(&mut self.first, clean);
        toward(x, clean, at, to);
        self.inside = true;
        Want::Probe(to)
    }
}

impl Heun {
    /// Redoes the step with the mean of the slopes `(X - clean) / time` at both ends.
    fn correct(&self, x: &mut Latent, clean: &Latent, at: Level, to: Level) {
        let (from, end) = (Clock::read(&*self.schedule, at), Clock::read(&*self.schedule, to));
        let half = (end.time - from.time) / 2.0;
        let (first, second) = (half / from.time, half / end.time);
        let terms = [
            (end.scale / from.scale * (1.0 + first), &self.before),
            (-end.scale * first, &self.first),
            (-end.scale * second, clean),
        ];
        combine(x, second, &terms);
    }
}
