//! Solvers: how clean estimates become the next state.
//!
//! A solver never calls a model: it is told what the model said ([`Seen`]) and answers where to
//! look next ([`Want`]). It owns its plan and its memory, one value per request, and draws only
//! from the request's own noise stream.

mod adaptive;
mod bfn;
mod clipped;
#[cfg(test)]
mod closed_form;
mod consistency;
mod ddim;
mod ddpm;
mod deis;
mod dmcmc;
mod dpm2;
mod dpmpp;
mod dpmpp_multi_sde;
mod dpmpp_named;
mod dpmpp_sde;
mod er_sde;
mod euler;
mod exponential;
mod ggf;
mod gms;
mod heun;
mod increments;
mod inpaint;
mod intervals;
mod inverse;
mod ipndm;
mod keys;
mod langevin;
mod lcm;
mod lms;
mod memory;
mod method;
mod moves;
mod multistep;
mod perflow;
mod pndm;
mod res;
mod resshift;
mod restart;
mod rk4;
mod rk45;
mod sa;
mod scm;
mod singlestep;
mod sscs;
mod tableau;
mod tcd;
mod unipc;

use std::collections::BTreeMap;

use anyhow::Result;

use super::config::{Config, Defaults, Source, Value};
use super::latent::Latent;
use super::plan::Setup;
use super::schedule::ShiftBy;
use super::steps::{Custom, Step, StepList};
use super::{Continuous, Level, Noise, Space};
use clipped::{boxed, clip, prediction};
use memory::{Draw, History, Walk};

pub use inpaint::{Known, inpaint};
pub use method::{Knob, Method};

/// What a solver is told after each evaluation.
#[derive(Debug)]
pub struct Seen<'a, S: Space = Continuous> {
    /// The state that was evaluated; on return, the state to evaluate next (or the result).
    pub x: &'a mut S::State,
    /// The model's clean estimate. A solver may keep it by swapping in memory of its own.
    pub clean: &'a mut S::Clean,
    /// What the network said beyond its prediction, for solvers with [`Solver::extra_groups`].
    pub extra: Option<&'a Latent>,
}

/// What a solver wants after it has advanced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want<L = Level> {
    /// A step is complete: evaluate `x` at this level to begin the next.
    Next(L),
    /// An evaluation inside the current step.
    Probe(L),
    /// `x` is the result.
    Done,
}

/// One request's sampling method and its memory.
pub trait Solver<S: Space = Continuous>: Send {
    /// The level of the first evaluation.
    fn start(&self) -> S::Level;

    /// Digests one evaluation.
    fn advance(&mut self, seen: Seen<'_, S>, noise: &mut Noise) -> Want<S::Level>;

    /// How many groups of channels, each as large as the state, the network must give beyond its prediction.
    fn extra_groups(&self) -> usize {
        0
    }
}

/// A sampler made ready for one request.
pub struct Sampler {
    /// The method with its plan.
    pub solver: Box<dyn Solver>,
    /// Factor of the initial unit noise.
    pub start_scale: f64,
    /// Steps the plan has; what progress counts.
    pub steps: usize,
    /// Deviation of the velocities that states begin with, for methods whose states have one.
    pub velocity: Option<f64>,
}

impl Sampler {
    /// A method on states of the latent's own shape.
    fn new(steps: usize, solver: Box<dyn Solver>, start_scale: f64) -> Self {
        Self { solver, start_scale, steps, velocity: None }
    }

    /// The state that a run begins with, given one of the latent's shape: for methods whose states have a velocity, with
    /// channels of that behind it. Such a method gives the result in the latent's shape again.
    pub fn complete(&self, x: Latent, noise: &mut Noise) -> Latent {
        let Some(deviation) = self.velocity else { return x };
        let velocity = noise.normal(x.shape()) * deviation as f32;
        match ndarray::concatenate(ndarray::Axis(0), &[x.view(), velocity.view()]) {
            Ok(both) => both,
            // Two latents of one shape always join.
            Err(_) => x,
        }
    }

    /// A method that walks a plan's steps: `make` gives it, and the configuration's clip goes around it.
    fn walking<S: Solver + 'static>(
        config: &Config,
        steps: Vec<Step>,
        start_scale: f64,
        make: impl FnOnce(Walk) -> S,
    ) -> Result<Self> {
        prediction(config)?;
        let count = steps.len();
        Ok(Self::new(count, boxed(make(Walk::new(steps)), clip(config)?), start_scale))
    }
}

/// What the user may say beside the configuration.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Share of fresh noise a step, 0 (deterministic) to 1, for methods that have it.
    pub eta: Option<f64>,
    /// A step list other than the configuration's.
    pub schedule: Option<&'static StepList>,
    /// A step list of the user's own; wins over `schedule`.
    pub custom: Option<Custom>,
    /// What flow schedules with dynamic shifting shift by.
    pub shift_by: Option<ShiftBy>,
    /// Flow models whose pipelines spread the steps evenly from 1 to 1/steps before the shift.
    pub even_flow: bool,
    /// Groups of channels, each as large as the state, that the network gives beyond its prediction.
    pub extra_groups: usize,
    /// Values for the method's own [`Knob`]s, by name.
    pub knobs: BTreeMap<String, f64>,
    /// How late the run starts, where it starts from something given.
    pub strength: Option<Strength>,
}

/// How much of a run is left to something given (SDEdit, Meng et al. 2022): 1 is the whole run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength {
    /// Share of the run, above 0 and up to 1.
    pub share: f64,
    /// Whether methods that step on a distillation's timesteps spread all steps over that share
    /// (`strength` of diffusers' LCMScheduler) instead of leaving the first ones out.
    pub keeps_steps: bool,
}

/// Every sampling method.
pub const METHODS: &[Method] = &[
    ddim::METHOD,
    ddpm::METHOD,
    euler::METHOD,
    euler::ANCESTRAL,
    heun::METHOD,
    pndm::METHOD,
    dpmpp::METHOD,
    lcm::METHOD,
    dpm2::METHOD,
    dpm2::ANCESTRAL,
    tcd::METHOD,
    inverse::METHOD,
    consistency::METHOD,
    scm::METHOD,
    rk4::METHOD,
    rk45::METHOD,
    restart::METHOD,
    dmcmc::METHOD,
    ggf::METHOD,
    gms::METHOD,
    langevin::METHOD,
    langevin::ANNEALED,
    resshift::METHOD,
    perflow::METHOD,
    unipc::METHOD,
    deis::METHOD,
    deis::TIME,
    deis::RATIO,
    singlestep::METHOD,
    singlestep::NOISE_1,
    singlestep::NOISE_2,
    singlestep::NOISE_3,
    lms::METHOD,
    ipndm::METHOD,
    ipndm::SECOND,
    ipndm::THIRD,
    dpmpp_sde::ANCESTRAL,
    dpmpp_sde::METHOD,
    dpmpp_multi_sde::SECOND,
    dpmpp_multi_sde::SECOND_HEUN,
    dpmpp_named::DATA_3,
    dpmpp_multi_sde::THIRD,
    dpmpp_named::NOISE_2,
    dpmpp_named::NOISE_3,
    res::SECOND,
    res::THIRD,
    res::MULTI_SECOND,
    res::MULTI_THIRD,
    sa::METHOD,
    er_sde::METHOD,
    bfn::METHOD,
    sscs::METHOD,
];
