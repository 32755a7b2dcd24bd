//! Names for settings of the multistep DPM-Solver: data prediction of order 3, noise prediction.

use anyhow::Result;

use super::exponential::{Integral, apply, length, nodes, usable};
use super::intervals::{self, Habits, Kept, fixed};
use super::{Defaults, History, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want};
use super::{boxed, clip, dpmpp};
use crate::sampling::Prediction;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::Step;

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
    defaults: &[TABLE_KEYS, intervals::KEYS, KEYS],
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

/// Multistep on the noise estimate, except where its integral has no limit: from pure noise and to a
/// clean state.
struct NoiseSteps {
    walk: Walk,
    models: History,
    lower_order_final: bool,
}

fn build_noise(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let habits = Habits { flow_from_one: false, always_kept: false, kept: Kept::SmallestOfTable };
    let Plan { steps, start_scale, .. } = intervals::plan(setup, habits)?;
    let order = if setup.name == NOISE_3.name { 3 } else { 2 };
    let lower_order_final = setup.config.flag("lower_order_final")? && steps.len() < 15;
    let solver = NoiseSteps { walk: Walk::new(steps), models: History::new(order), lower_order_final };
    Ok(Sampler { steps: solver.walk.steps.len(), solver: boxed(solver, clip(setup.config)?), start_scale })
}

impl Solver for NoiseSteps {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if at.alpha == 0.0 || to.is_clean() {
            toward(x, clean, at, to);
            self.models.push(clean);
            return self.walk.next();
        }
        Prediction::Epsilon.from_clean(clean, x, at);
        self.models.push(clean);
        apply(x, Integral::NOISE.keep(at, to), &self.weights(at, to), &self.models);
        self.walk.next()
    }
}

impl NoiseSteps {
    fn weights(&self, at: Level, to: Level) -> Vec<f64> {
        let cap = if self.lower_order_final { self.walk.left() + 1 } else { self.models.len() };
        let nodes = nodes(&self.walk, usable(&self.walk, self.models.len().min(cap)));
        match nodes.as_slice() {
            [now, before] if length(at, to) > 0.0 => {
                let total = Integral::NOISE.total(at, to);
                let slope = 0.5 * total * length(at, to) / (now - before);
                vec![total + slope, -slope]
            }
            _ => Integral::NOISE.weights(&nodes, at, to),
        }
    }
}
