//! Denoising MCMC (Kim and Ye 2023): a Markov chain over pairs of state and noise level near the data, from which a
//! short run leads to the data. The chain is its authors' Langevin-Gibbs: a Langevin step of the state, then the level drawn
//! anew given the state.
//!
//! The authors ask a classifier for the level. Here it follows from the model: given state and clean signal the squared level
//! is inverse-gamma, and the mean of the squared noise is `|x - clean|^2` plus the trace of the clean signal's covariance,
//! `level^2 d clean / d x`, which the Langevin step's own noise probes. In as many dimensions as a latent has, a mean is
//! as good as a draw. Each request runs a chain of its own, down to the chain's level, along it, and down from where it ends.

use std::sync::Arc;

use anyhow::Result;

use super::heun::Heun;
use super::moves::Churn;
use super::{Draw, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::latent::{combine, values};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::NoiseSchedule;
use crate::sampling::steps::{Grid, Step, chain};

pub(super) const METHOD: Method = Method {
    name: "dmcmc",
    aliases: &["denoising-mcmc", "dlg"],
    order: 2,
    evaluations: 2,
    stochastic: true,
    knobs: &[LEVEL, LENGTH, STEP],
    paper: "Kim and Ye 2023, arXiv 2209.14593, Denoising Langevin Gibbs",
    defaults: Method::CLIPPED,
    build,
    ..Method::BASE
};

const LEVEL: Knob = Knob {
    name: "chain_sigma",
    default: 0.5,
    range: (1e-3, 1e3),
    help: "noise-to-signal ratio where the chain begins",
};
const LENGTH: Knob = Knob { name: "chain_steps", default: 10.0, range: (0.0, 1e5), help: "steps of the chain" };
const STEP: Knob =
    Knob { name: "langevin_step", default: 0.2, range: (1e-6, 1.0), help: "length of a Langevin step over sigma^2" };

struct Dmcmc {
    schedule: Arc<dyn NoiseSchedule>,
    /// The run down to the chain, then the one down from it.
    run: Heun,
    /// The levels of the plan below the chain, until it has ended.
    below: Vec<Level>,
    /// The level that the chain is at, on it.
    at: Option<Level>,
    /// Langevin steps to come, and their length.
    left: usize,
    share: f64,
    /// The estimate before the last Langevin step and the noise of that, once there was one.
    before: Option<Latent>,
    fresh: Draw,
    /// For the chi-squared number that a level is drawn by.
    squares: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let (left, wanted) = (setup.whole(&LENGTH)?, setup.knob(&LEVEL));
    let Plan { steps: mut above, start_scale, schedule } = setup.plan(Grid::Points)?;
    let count = above.len() + left + 1;
    let below = above.split_off(place(&above, wanted).filter(|_| left > 0).unwrap_or(above.len()));
    let share = setup.knob(&STEP);
    let sampler = Sampler::walking(setup.config, above, start_scale, |walk| Dmcmc {
        run: Heun::new(walk, schedule.clone(), Churn::with(1.0)),
        schedule,
        below: below.iter().map(|step| step.to).collect(),
        at: None,
        left,
        share,
        before: None,
        fresh: Draw::new(),
        squares: Draw::new(),
    })?;
    Ok(Sampler { steps: if left > 0 { count } else { sampler.steps }, ..sampler })
}

/// How many steps lead to the chain: the end of the last is nearest to its level. A plan without a level between its ends has
/// no place for a chain.
fn place(steps: &[Step], wanted: f64) -> Option<usize> {
    let distance = |step: &Step| (step.to.ratio() / wanted).ln().abs();
    let places = steps.iter().zip(1..).filter(|(step, _)| !step.to.is_clean());
    places.min_by(|(a, _), (b, _)| distance(a).total_cmp(&distance(b))).map(|(_, count)| count)
}

impl Solver for Dmcmc {
    fn start(&self) -> Level {
        self.run.start()
    }

    fn advance(&mut self, Seen { x, clean, extra }: Seen<'_>, noise: &mut Noise) -> Want {
        if let Some(at) = self.at {
            return self.link(x, clean, at, noise);
        }
        match (self.run.advance(Seen { x, clean, extra }, noise), self.run.end()) {
            (Want::Done, level) if !self.below.is_empty() => {
                self.at = Some(level);
                Want::Next(level)
            }
            (want, _) => want,
        }
    }
}

impl Dmcmc {
    /// One link of the chain: the level given the state, then the state given the level.
    fn link(&mut self, x: &mut Latent, clean: &mut Latent, at: Level, noise: &mut Noise) -> Want {
        let level = match self.before.take() {
            Some(before) => self.draw_level(x, clean, &before, at, noise),
            None => at,
        };
        combine(x, level.alpha / at.alpha, &[]);
        if self.left == 0 {
            self.descend(level);
            return Want::Next(level);
        }
        self.left -= 1;
        let fresh = self.fresh.normal(x, noise);
        let drift = self.share / 2.0;
        combine(x, 1.0 - drift, &[(drift * level.alpha, clean), (self.share.sqrt() * level.sigma, fresh)]);
        self.before = Some(clean.clone());
        self.at = Some(level);
        Want::Next(level)
    }

    /// Draws a level given the state, in which the model was asked at another.
    fn draw_level(&mut self, x: &Latent, clean: &Latent, before: &Latent, at: Level, noise: &mut Noise) -> Level {
        let (count, ratio) = (x.len() as f64, at.ratio());
        let dot = |a: &Latent, b: &Latent| values(a).iter().zip(values(b)).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        // What the estimate follows of the noise that the last step added.
        let followed = dot(clean, &self.fresh.0) - dot(before, &self.fresh.0);
        let trace = (followed / (self.share.sqrt() * ratio)).clamp(0.0, count);
        let off = |(x, clean): (&f32, &f32)| (f64::from(*x) / at.alpha - f64::from(*clean)).powi(2);
        let square = values(x).iter().zip(values(clean)).map(off).sum::<f64>() + ratio * ratio * trace;
        let squares = self.squares.normal(x, noise);
        let drawn = (square / dot(squares, squares)).sqrt();
        // In a few dimensions the means are no draws: they must not throw the chain off the model.
        let (low, high) = (self.schedule.at_sigma(self.schedule.sigmas().0).ratio(), 2.0 * ratio);
        self.schedule.at_half_log_snr(-drawn.clamp((ratio / 2.0).max(low), high.max(low)).ln())
    }

    /// Ends the chain: the run goes on from its level over those of the plan that are below.
    fn descend(&mut self, from: Level) {
        let below = std::mem::take(&mut self.below).into_iter().filter(|level| level.ratio() < from.ratio());
        let levels: Vec<Level> = std::iter::once(from).chain(below).collect();
        self.run = Heun::new(Walk::new(chain(&levels)), self.schedule.clone(), Churn::with(1.0));
        self.at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn without_a_chain_it_is_heun() {
        for model in [Model::Table, Model::Flow] {
            let heun = Run::new("heun", model, 12).finish();
            let plain = Run::new("dmcmc", model, 12).knob("chain_steps", 0.0).finish();
            assert_eq!(heun.x, plain.x);
        }
    }

    /// A chain that found the wrong levels would end with too much or too little spread, the more the longer it is.
    #[test]
    fn a_long_chain_stirs_the_state_and_keeps_the_law() {
        for (model, length) in [(Model::Table, 30.0), (Model::Table, 300.0), (Model::Flow, 300.0)] {
            let run =
                Run::new("dmcmc", model, 40).knob("chain_steps", length).knob("chain_sigma", 0.3).size(8000).finish();
            assert!(run.error() > 0.05, "{model:?} {length}: nothing was stirred");
            run.assert_moments(0.02);
        }
    }

    #[test]
    fn few_steps_and_few_elements_work() {
        for (steps, size) in [(1, 64), (2, 64), (6, 1), (6, 2)] {
            let run = Run::new("dmcmc", Model::Table, steps).size(size).finish();
            assert!(run.x.iter().all(|v| v.is_finite()), "{steps} {size}");
        }
    }
}
