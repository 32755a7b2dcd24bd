//! DPM-Solver and DPM-Solver++ multistep, orders 1 to 3, ODE and SDE (Lu et al. 2022).

use anyhow::{Result, bail};

use super::ddpm::check_variance_type;
use super::exponential::Integral;
use super::increments::Increments;
use super::intervals::{self, Habits, Kept};
use super::multistep::{self, Multistep, lowers};
use super::{Method, Sampler, Setup, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;

pub(super) const METHOD: Method = Method {
    name: "dpmpp-2m",
    classes: &["DPMSolverMultistepScheduler", "EDMDPMSolverMultistepScheduler"],
    aliases: &["DPMSolverMultistepScheduler", "sample_dpmpp_2m"],
    order: 2,
    paper: "Lu et al. 2022, arXiv 2211.01095, algorithm 2",
    defaults: &[TABLE_KEYS, keys::INTERVALS, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("solver_order", Value::Number(2.0)),
    ("algorithm_type", Value::text("dpmsolver++")),
    ("solver_type", Value::text("midpoint")),
    ("euler_at_final", Value::Bool(false)),
    ("use_lu_lambdas", Value::Bool(false)),
    ("final_sigmas_type", Value::text("zero")),
    ("lambda_min_clipped", Value::Number(f64::NEG_INFINITY)),
    ("variance_type", Value::Null),
];

/// Flows are spread up to the noisy end, and a run that does not end clean ends at the table's smallest.
const HABITS: Habits = Habits { flow_from_one: false, always_kept: false, kept: Kept::SmallestOfTable };

/// Which integral is solved: of the clean estimate (`++`) or of the noise, as ODE or as SDE.
const ALGORITHMS: &[(&str, Integral)] = &[
    ("dpmsolver++", Integral::CLEAN),
    // A configuration that was written for DEIS.
    ("deis", Integral::CLEAN),
    ("dpmsolver", Integral::NOISE),
    ("sde-dpmsolver++", Integral { of_noise: false, excess: 1.0 }),
    ("sde-dpmsolver", Integral { of_noise: true, excess: 1.0 }),
];

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let config = setup.config;
    check_variance_type(config)?;
    let integral = config.choice("algorithm_type", ALGORITHMS)?;
    let order = config.count("solver_order", 1)?;
    check(config.get("final_sigmas_type"), integral, order)?;
    let rule = multistep::dpm(config.choice("solver_type", multistep::TYPES)?);
    let plan = intervals::plan(setup, HABITS)?;
    let noise = Increments::drawn(&plan);
    let Plan { steps, start_scale, .. } = plan;
    let lower = lowers(config.flag("lower_order_final")?, steps.len());
    let ends_clean = config.get("final_sigmas_type") == &Value::text("zero");
    let first_order_last = config.flag("euler_at_final")? || lower || ends_clean;
    Sampler::walking(config, steps, start_scale, |walk| {
        Multistep::new(walk, integral, order, rule).ending(first_order_last, lower).noisy(noise, 1.0)
    })
}

fn check(last: &Value, integral: Integral, order: usize) -> Result<()> {
    if !(1..=3).contains(&order) {
        bail!("the scheduler key solver_order is {order}, but the multistep solver has orders 1, 2 and 3");
    }
    if order == 3 && integral.excess > 0.0 && integral.of_noise {
        bail!("the scheduler key solver_order is 3, which algorithm_type sde-dpmsolver does not have; use 1 or 2");
    }
    if integral.of_noise && last == &Value::text("zero") {
        bail!(
            "the scheduler key final_sigmas_type is zero, where the noise-predicting algorithm_type has no limit; set it to sigma_min"
        );
    }
    Ok(())
}
