//! DPM-Solver++ multistep as an SDE of any strength, orders 2 and 3 (k-diffusion).

use anyhow::{Result, bail};

use super::dpmpp_sde::{ANCESTRAL, S_NOISE};
use super::exponential::Integral;
use super::increments::Increments;
use super::multistep::{self, Multistep};
use super::{Defaults, Knob, Method, Sampler, Setup, Value, keys};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::Grid;

pub(super) const SECOND: Method = Method {
    name: "dpmpp-2m-sde",
    classes: &[AUDIO],
    aliases: &[AUDIO, "sample_dpmpp_2m_sde"],
    evaluations: 1,
    knobs: KNOBS,
    paper: "k-diffusion, sample_dpmpp_2m_sde; Lu et al. 2022, arXiv 2211.01095",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE, KEYS],
    build,
    ..ANCESTRAL
};

pub(super) const SECOND_HEUN: Method =
    Method { name: "dpmpp-2m-sde-heun", classes: &[], aliases: &["sample_dpmpp_2m_sde_heun"], ..SECOND };

pub(super) const THIRD: Method = Method {
    name: "dpmpp-3m-sde",
    classes: &[],
    aliases: &["sample_dpmpp_3m_sde"],
    paper: "k-diffusion, sample_dpmpp_3m_sde; Lu et al. 2022, arXiv 2211.01095",
    ..SECOND
};

const KNOBS: &[Knob] = &[S_NOISE];

/// The class of Stable Audio, this method on EDM's levels with a cosine for the network's time.
const AUDIO: &str = "CosineDPMSolverMultistepScheduler";

/// What Stable Audio's class can choose; files of other classes mean other solvers by these keys. Its lower orders for the
/// last step are those that a step to a clean state has in any case.
const KEYS: Defaults = &[("solver_order", Value::Number(2.0)), ("solver_type", Value::text("midpoint"))];

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let (midpoint, order) = match setup.name {
        name if name == THIRD.name => (false, 3),
        name if name == SECOND_HEUN.name => (false, 2),
        _ if setup.source.class == AUDIO => {
            (setup.config.choice("solver_type", multistep::TYPES)?, audio_order(setup)?)
        }
        _ => (true, 2),
    };
    let plan = setup.plan(Grid::Points)?;
    let noise = Increments::brownian(&plan, None);
    let Plan { steps, start_scale, .. } = plan;
    let integral = Integral { of_noise: false, excess: setup.tuning.eta.unwrap_or(1.0) };
    Sampler::walking(setup.config, steps, start_scale, |walk| {
        Multistep::new(walk, integral, order, multistep::dpm(midpoint)).noisy(noise, setup.knob(&S_NOISE))
    })
}

fn audio_order(setup: &Setup<'_>) -> Result<usize> {
    match setup.config.count("solver_order", 1)? {
        order @ (1 | 2) => Ok(order),
        order => bail!("the scheduler key solver_order is {order}, but {AUDIO} has the orders 1 and 2"),
    }
}
