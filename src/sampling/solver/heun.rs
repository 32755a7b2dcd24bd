//! Heun's second-order method on the noise-to-signal ratio (Karras et al. 2022, algorithm 1; with churn algorithm 2).

use std::sync::Arc;

use anyhow::Result;

use super::moves::Churn;
use super::{Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use super::{boxed, clip};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "heun",
    classes: &["HeunDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"],
    aliases: &["HeunDiscreteScheduler", "sample_heun", "k_heun", "flow-heun"],
    order: 2,
    evaluations: 2,
    stochastic: false,
    takes_eta: false,
    knobs: Churn::KNOBS,
    free_steps: true,
    paper: "Karras et al. 2022, arXiv 2206.00364, algorithms 1 and 2",
    defaults: &[TABLE_KEYS, KEYS],
    build,
};

pub(super) const KEYS: Defaults = &[
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

pub(super) struct Heun {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    /// State at the beginning of the step, and the estimate there; empty outside a step.
    before: Latent,
    first: Latent,
    inside: bool,
    churn: Churn,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let mut plan = setup.plan(Grid::Points)?;
    let churn = Churn::raise(setup, &mut plan);
    let Plan { steps, start_scale, schedule } = plan;
    let solver = solver(steps, schedule, churn);
    Ok(Sampler { steps: solver.walk.steps.len(), solver: boxed(solver, clip(setup.config)?), start_scale })
}

/// Heun's method over any steps; where one begins noisier than the last ended, noise is added.
pub(super) fn solver(steps: Vec<Step>, schedule: Arc<dyn NoiseSchedule>, churn: Churn) -> Heun {
    let empty = || Latent::zeros(vec![0]);
    Heun { walk: Walk::new(steps), schedule, before: empty(), first: empty(), inside: false, churn }
}

impl Solver for Heun {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if self.inside {
            self.correct(x, clean, at, to);
            self.inside = false;
            return self.churn.next(&mut self.walk, x, to, noise);
        }
        if to.is_clean() {
            toward(x, clean, at, to);
            return self.churn.next(&mut self.walk, x, to, noise);
        }
        copy_into(&mut self.before, x);
        copy_into(&mut self.first, clean);
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
