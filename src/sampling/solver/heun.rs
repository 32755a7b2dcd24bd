//! Heun's second-order method on the noise-to-signal ratio (Karras et al. 2022, algorithm 1; with churn algorithm 2).

use std::sync::Arc;

use anyhow::Result;

use super::moves::Churn;
use super::{Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
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
    knobs: Churn::KNOBS,
    paper: "Karras et al. 2022, arXiv 2206.00364, algorithms 1 and 2",
    defaults: KEYS,
    build,
    ..Method::BASE
};

pub(super) const KEYS: &[Defaults] = &[
    TABLE_KEYS,
    keys::STABLE_DIFFUSION,
    keys::POINTS,
    // The class has no dynamic thresholding.
    &[("clip_sample", Value::Bool(false)), ("clip_sample_range", Value::Number(1.0))],
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
    let mut plan = setup.plan(Grid::Points)?;
    let churn = Churn::raise(setup, &mut plan);
    over(setup, plan, churn)
}

/// Heun's method over any steps; where one begins noisier than the last ended, noise is added.
pub(super) fn over(setup: &Setup<'_>, plan: Plan, churn: Churn) -> Result<Sampler> {
    let Plan { steps, start_scale, schedule } = plan;
    Sampler::walking(setup.config, steps, start_scale, |walk| Heun::new(walk, schedule, churn))
}

impl Solver for Heun {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
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
    pub(super) fn new(walk: Walk, schedule: Arc<dyn NoiseSchedule>, churn: Churn) -> Self {
        let empty = || Latent::zeros(vec![0]);
        Self { walk, schedule, before: empty(), first: empty(), inside: false, churn }
    }

    /// Where the run ends.
    pub(super) fn end(&self) -> Level {
        self.walk.steps.last().map_or(Level::CLEAN, |step| step.to)
    }

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
