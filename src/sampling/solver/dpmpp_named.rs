//! Names for settings of the multistep DPM-Solver: data prediction of order 3, noise prediction.

use anyhow::Result;

use super::exponential::Integral;
use super::intervals::{self, Habits, Kept, fixed};
use super::multistep::{self, Multistep, lowers};
use super::{Defaults, Method, Sampler, Setup, Value, dpmpp, keys};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;

pub(super) const DATA_3: Method = Method {
    name: "dpmpp-3m",
    classes: &[],
    aliases: &["sample_dpmpp_3m"],
    // The authors' code gives the bend of the estimates half the weight of a parabola: `res-3m` has all of it.
    order: 2,
    paper: "Lu et al. 2022, arXiv 2211.01095, the authors' code",
    build: build_data,
    ..dpmpp::METHOD
};

pub(super) const NOISE_2: Method = Method {
    name: "dpm-solver-2m",
    classes: &[],
    aliases: &["DPM-Solver multistep 2"],
    paper: "Lu et al. 2022, arXiv 2206.00927",
    defaults: &[TABLE_KEYS, keys::INTERVALS, KEYS],
    build: build_noise,
    ..dpmpp::METHOD
};

pub(super) const NOISE_3: Method =
    Method { name: "dpm-solver-3m", aliases: &["DPM-Solver multistep 3"], order: 3, ..NOISE_2 };

const KEYS: Defaults =
    &[("final_sigmas_type", Value::text("zero")), ("lambda_min_clipped", Value::Number(f64::NEG_INFINITY))];

fn build_data(setup: &Setup<'_>) -> Result<Sampler> {
    let keys = [("solver_order", Value::Number(3.0)), ("algorithm_type", Value::text("dpmsolver++"))];
    let (source, config) = fixed(setup, &dpmpp::METHOD, &keys);
    (dpmpp::METHOD.build)(&Setup { source: &source, config: &config, ..setup.clone() })
}

fn build_noise(setup: &Setup<'_>) -> Result<Sampler> {
    let habits = Habits { flow_from_one: false, always_kept: false, kept: Kept::SmallestOfTable };
    let Plan { steps, start_scale, .. } = intervals::plan(setup, habits)?;
    // The paper's second order halves the slope; its third is the parabola's integral.
    let (order, rule) =
        if setup.name == NOISE_3.name { (3, multistep::polynomial()) } else { (2, multistep::dpm(true)) };
    let lower = lowers(setup.config.flag("lower_order_final")?, steps.len());
    Sampler::walking(setup.config, steps, start_scale, |walk| {
        Multistep::new(walk, Integral::NOISE, order, rule).ending(lower, lower)
    })
}
