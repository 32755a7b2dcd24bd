//! The midpoint method on the noise scale, halfway in its logarithm (Karras et al. 2022,
//! algorithm 3 of k-diffusion's first release), and its ancestral variant.

use std::sync::Arc;

use anyhow::Result;

use super::moves::{leap, split};
use super::{Draw, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::latent::copy_into;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, Kind, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step, StepList};

pub(super) const METHOD: Method = Method {
    name: "dpm2",
    classes: &["KDPM2DiscreteScheduler"],
    aliases: &["KDPM2DiscreteScheduler", "sample_dpm_2", "k_dpm_2"],
    order: 2,
    evaluations: 2,
    paper: "k-diffusion, sample_dpm_2 (Karras et al. 2022, arXiv 2206.00364)",
    defaults: &[TABLE_KEYS, keys::STABLE_DIFFUSION, keys::POINTS],
    build: |setup| build(setup, 0.0),
    ..Method::BASE
};

pub(super) const ANCESTRAL: Method = Method {
    name: "dpm2-a",
    classes: &["KDPM2AncestralDiscreteScheduler"],
    aliases: &["KDPM2AncestralDiscreteScheduler", "sample_dpm_2_ancestral", "k_dpm_2_a", "dpm2_ancestral"],
    stochastic: true,
    takes_eta: true,
    paper: "k-diffusion, sample_dpm_2_ancestral",
    build: |setup| build(setup, setup.tuning.eta.unwrap_or(1.0)),
    ..METHOD
};

struct Dpm2 {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    /// Share of fresh noise of the ancestral variant.
    eta: f64,
    /// State at the beginning of the step.
    before: Latent,
    /// Where the step is looked at from inside.
    middle: Option<Level>,
    draw: Draw,
}

fn build(setup: &Setup<'_>, eta: f64) -> Result<Sampler> {
    let Plan { mut steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    if rounds(setup)? {
        steps.iter_mut().for_each(|step| step.at.t = step.at.t.round_ties_even());
    }
    Sampler::walking(setup.config, steps, start_scale, |walk| Dpm2 {
        walk,
        schedule,
        eta,
        before: Latent::zeros(vec![0]),
        middle: None,
        draw: Draw::new(),
    })
}

/// The classes round the timesteps of Karras' list, but not those in between.
fn rounds(setup: &Setup<'_>) -> Result<bool> {
    let list = match setup.tuning.schedule {
        Some(list) => Some(list),
        None => StepList::from_config(setup.config)?,
    };
    let table = Kind::of(setup.source) == Kind::Table;
    Ok(table && setup.tuning.custom.is_none() && list.is_some_and(|list| list.name == "karras"))
}

impl Dpm2 {
    fn clock(&self, level: Level) -> Clock {
        Clock::read(&*self.schedule, level)
    }

    /// The level halfway between two others.
    fn halfway(&self, at: Level, to: Level) -> Level {
        self.schedule.at_sigma((self.clock(at).time * self.clock(to).time).sqrt())
    }
}

impl Solver for Dpm2 {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let (down, up) = split(at, to, self.eta);
        match self.middle.take() {
            Some(middle) => {
                leap(x, &self.before, clean, self.clock(at), self.clock(middle), self.clock(down));
            }
            None if down.is_clean() => toward(x, clean, at, down),
            None => {
                let middle = self.halfway(at, down);
                copy_into(&mut self.before, x);
                toward(x, clean, at, middle);
                self.middle = Some(middle);
                return Want::Probe(middle);
            }
        }
        if up > 0.0 {
            self.draw.add(x, up, noise);
        }
        self.walk.next()
    }
}
