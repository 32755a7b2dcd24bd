//! DEIS: Adams-Bashforth on the noise estimate (Zhang and Chen 2023).

use std::sync::Arc;

use anyhow::{Result, bail};

use super::exponential::Integral;
use super::intervals::{self, Habits, Kept};
use super::multistep::{Multistep, lowers};
use super::{Defaults, Knob, Level, Method, Sampler, Setup, Value, keys};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{NoiseSchedule, TABLE_KEYS};

pub(super) const METHOD: Method = Method {
    name: "deis",
    classes: &["DEISMultistepScheduler"],
    aliases: &["DEISMultistepScheduler", "deis-logrho"],
    order: 2,
    knobs: &[ORDER],
    paper: "Zhang and Chen 2023, arXiv 2204.13902, log-rho AB",
    defaults: &[TABLE_KEYS, keys::INTERVALS, KEYS],
    build,
    ..Method::BASE
};

pub(super) const TIME: Method = Method {
    name: "deis-tab",
    classes: &[],
    aliases: &["deis-time"],
    paper: "Zhang and Chen 2023, arXiv 2204.13902, tAB",
    ..METHOD
};

pub(super) const RATIO: Method = Method {
    name: "deis-rhoab",
    classes: &[],
    aliases: &["deis-ratio"],
    paper: "Zhang and Chen 2023, arXiv 2204.13902, rho AB",
    ..METHOD
};

const ORDER: Knob =
    Knob { name: "order", default: 2.0, range: (1.0, 3.0), help: "number of estimates (scheduler key solver_order)" };

const KEYS: Defaults = &[
    ("solver_order", Value::Number(2.0)),
    ("algorithm_type", Value::text("deis")),
    ("solver_type", Value::text("logrho")),
];

/// The variable in which the noise estimate is a polynomial.
#[derive(Clone, Debug)]
enum Axis {
    LogRatio,
    Ratio,
    Time(Arc<dyn NoiseSchedule>),
}

impl Axis {
    fn of(&self, lambda: f64) -> f64 {
        match self {
            Self::LogRatio => lambda,
            Self::Ratio => (-lambda).exp(),
            Self::Time(schedule) => schedule.at_half_log_snr(lambda).t,
        }
    }
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let config = setup.config;
    config.choice("algorithm_type", &[("deis", ()), ("dpmsolver", ()), ("dpmsolver++", ())])?;
    config.choice("solver_type", &[("logrho", ()), ("midpoint", ()), ("heun", ()), ("bh1", ()), ("bh2", ())])?;
    let order = setup.order(&ORDER, "solver_order")?;
    if order > 3 {
        bail!("the scheduler key solver_order is {order}, but deis has the orders 1, 2 and 3");
    }
    let habits = Habits { flow_from_one: false, always_kept: true, kept: Kept::LastOfList };
    let Plan { steps, start_scale, schedule } = intervals::plan(setup, habits)?;
    let axis = axis(setup.name, schedule);
    let rule = move |_, nodes: &[f64], at, to| weights(&axis, nodes, at, to);
    let lower = lowers(config.flag("lower_order_final")?, steps.len());
    Sampler::walking(config, steps, start_scale, |walk| {
        Multistep::new(walk, Integral::NOISE, order, Box::new(rule)).ending(lower, lower)
    })
}

fn axis(name: &str, schedule: Arc<dyn NoiseSchedule>) -> Axis {
    match name {
        _ if name == TIME.name => Axis::Time(schedule),
        _ if name == RATIO.name => Axis::Ratio,
        _ => Axis::LogRatio,
    }
}

fn weights(axis: &Axis, nodes: &[f64], at: Level, to: Level) -> Vec<f64> {
    let axis = |lambda: f64| axis.of(lambda);
    let mut nodes: Vec<f64> = nodes.iter().map(|lambda| axis(*lambda)).collect();
    // Beyond the noisiest timestep of a table there is no other.
    nodes.dedup();
    Integral::NOISE.weights_on(&nodes, at, to, axis)
}
