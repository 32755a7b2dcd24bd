//! Refined exponential solvers: exponential Runge-Kutta and Adams methods on the clean estimate that meet
//! all order conditions (Zhang et al. 2023; Hochbruck and Ostermann 2005).

use std::sync::Arc;

use anyhow::Result;

use super::exponential::{Integral, apply};
use super::multistep::{self, Multistep};
use super::{History, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::latent::copy_into;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::NoiseSchedule;
use crate::sampling::steps::{Grid, Step};

pub(super) const SECOND: Method = Method {
    name: "res-2",
    aliases: &["res-2s"],
    order: 2,
    evaluations: 2,
    paper: "Zhang et al. 2023, arXiv 2308.02157, single-step",
    build,
    ..Method::BASE
};

pub(super) const THIRD: Method = Method { name: "res-3", aliases: &["res-3s"], order: 3, evaluations: 3, ..SECOND };

pub(super) const MULTI_SECOND: Method = Method {
    name: "res-2m",
    aliases: &["res-multistep"],
    evaluations: 1,
    paper: "Zhang et al. 2023, arXiv 2308.02157, multistep",
    build: build_multistep,
    ..SECOND
};

pub(super) const MULTI_THIRD: Method =
    Method { name: "res-3m", aliases: &["res-multistep-3"], order: 3, ..MULTI_SECOND };

/// Where in a step, in half log-SNR, its evaluations lie after the first.
const STAGES: [&[f64]; 2] = [&[0.5], &[0.5, 1.0]];

struct Res {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    stages: &'static [f64],
    /// Estimates of this step, and the state at its beginning.
    models: History,
    seen: usize,
    before: Latent,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let Plan { steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    let [two, three] = STAGES;
    let stages = if setup.name == THIRD.name { three } else { two };
    Sampler::walking(setup.config, steps, start_scale, |walk| Res {
        walk,
        schedule,
        stages,
        models: History::new(stages.len() + 1),
        seen: 0,
        before: Latent::zeros(vec![0]),
    })
}

impl Solver for Res {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if at.alpha == 0.0 || to.is_clean() {
            toward(x, clean, at, to);
            return self.walk.next();
        }
        if self.seen == 0 {
            copy_into(&mut self.before, x);
        }
        self.models.push(clean);
        self.seen += 1;
        copy_into(x, &self.before);
        match self.stages.get(self.seen - 1) {
            Some(share) => self.look(x, at, to, *share),
            None => self.finish(x, at, to),
        }
    }
}

impl Res {
    fn level(&self, at: Level, to: Level, share: f64) -> Level {
        let (from, end) = (at.half_log_snr(), to.half_log_snr());
        if share == 1.0 { to } else { self.schedule.at_half_log_snr(from + share * (end - from)) }
    }

    /// Goes to the next evaluation of the step.
    fn look(&self, x: &mut Latent, at: Level, to: Level, share: f64) -> Want {
        let target = self.level(at, to, share);
        let weights = self.stage(at, to, target);
        apply(x, Integral::CLEAN.keep(at, target), &weights, &self.models);
        Want::Probe(target)
    }

    /// Coefficients of the step's estimates, newest first, for its next evaluation.
    fn stage(&self, at: Level, to: Level, target: Level) -> Vec<f64> {
        let total = Integral::CLEAN.total(at, target);
        if self.seen == 1 {
            return vec![total];
        }
        // The first-order error of the second evaluation must cancel against that of the third in the last
        // sum: with its weights b, a32 = ramp(3) + b2/b3 ramp(2), per unit of signal.
        let middle = self.level(at, to, 0.5);
        let pair = [middle.half_log_snr(), at.half_log_snr()];
        let ramp = |end: Level| Integral::CLEAN.weights(&pair, at, end).first().copied().unwrap_or_default();
        let last = Integral::CLEAN.weights(&self.nodes(at, to, 3), at, to);
        let share = last.get(1).zip(last.first()).map_or(0.0, |(second, third)| second / third);
        let second = ramp(target) + share * target.alpha / middle.alpha * ramp(middle);
        vec![second, total - second]
    }

    /// Half log-SNRs of the step's evaluations, newest first.
    fn nodes(&self, at: Level, to: Level, count: usize) -> Vec<f64> {
        let later = self.stages.iter().take(count - 1).rev().map(|share| self.level(at, to, *share));
        later.chain([at]).map(Level::half_log_snr).collect()
    }

    fn finish(&mut self, x: &mut Latent, at: Level, to: Level) -> Want {
        let weights = Integral::CLEAN.weights(&self.nodes(at, to, self.seen), at, to);
        apply(x, Integral::CLEAN.keep(at, to), &weights, &self.models);
        self.seen = 0;
        self.walk.next()
    }
}

fn build_multistep(setup: &Setup<'_>) -> Result<Sampler> {
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    let order = if setup.name == MULTI_THIRD.name { 3 } else { 2 };
    let make = |walk| Multistep::new(walk, Integral::CLEAN, order, multistep::polynomial());
    Sampler::walking(setup.config, steps, start_scale, make)
}
