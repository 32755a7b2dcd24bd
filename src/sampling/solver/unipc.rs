//! UniPC: a multistep predictor whose every evaluation also corrects the step before (Zhao et al. 2023).

use anyhow::{Result, bail};

use super::exponential::{Integral, apply, length, nodes, usable};
use super::intervals::{self, Habits, Kept};
use super::{
    Config, Defaults, History, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want,
    keys,
};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Kind, TABLE_KEYS};
use crate::sampling::steps::Step;

pub(super) const METHOD: Method = Method {
    name: "unipc",
    classes: &["UniPCMultistepScheduler"],
    aliases: &["UniPCMultistepScheduler", "uni_pc_bh2"],
    order: 3,
    knobs: &[ORDER],
    paper: "Zhao et al. 2023, arXiv 2302.04867",
    defaults: &[TABLE_KEYS, keys::INTERVALS, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const ORDER: Knob = Knob {
    name: "order",
    default: 2.0,
    range: (1.0, 4.0),
    help: "order of the predictor (scheduler key solver_order)",
};

const KEYS: Defaults = &[
    ("solver_order", Value::Number(2.0)),
    ("predict_x0", Value::Bool(true)),
    ("solver_type", Value::text("bh2")),
    ("disable_corrector", Value::Numbers(Vec::new())),
    ("solver_p", Value::Null),
    ("final_sigmas_type", Value::text("zero")),
    ("shift_terminal", Value::Null),
];

/// The function `B(h)` that scales the terms of low order; of order three and above it drops out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scaling {
    /// `B(h) = h`.
    Length,
    /// `B(h) = exp(h) - 1`.
    Exponential,
}

/// Names from configurations of other multistep classes fall back to bh2.
const SCALINGS: &[(&str, Scaling)] = &[
    ("bh1", Scaling::Length),
    ("bh2", Scaling::Exponential),
    ("midpoint", Scaling::Exponential),
    ("heun", Scaling::Exponential),
    ("logrho", Scaling::Exponential),
];

struct UniPc {
    walk: Walk,
    order: usize,
    lower_order_final: bool,
    integral: Integral,
    scaling: Scaling,
    /// Steps whose result is not corrected.
    uncorrected: Vec<usize>,
    models: History,
    /// The state that the last step started from, and the order it had.
    before: Latent,
    last_order: usize,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let config = setup.config;
    config.require("solver_p", &Value::Null, "the predictor is UniPC's own")?;
    if Kind::of(setup.source) == Kind::Table {
        config.require("shift_terminal", &Value::Null, "it stretches flows (use_flow_sigmas)")?;
    }
    let habits = Habits { flow_from_one: true, always_kept: false, kept: Kept::LastOfList };
    let Plan { steps, start_scale, .. } = intervals::plan(setup, habits)?;
    let order = setup.order(&ORDER, "solver_order")?;
    if order > 4 {
        bail!("the scheduler key solver_order is {order}, but unipc has the orders 1 to 4");
    }
    let lower_order_final = config.flag("lower_order_final")?;
    let integral = if config.flag("predict_x0")? { Integral::CLEAN } else { Integral::NOISE };
    let (scaling, uncorrected) = (config.choice("solver_type", SCALINGS)?, uncorrected(config)?);
    Sampler::walking(config, steps, start_scale, |walk| UniPc {
        walk,
        order,
        lower_order_final,
        integral,
        scaling,
        uncorrected,
        models: History::new(order),
        before: Latent::zeros(vec![0]),
        last_order: 0,
    })
}

/// The key `disable_corrector`.
fn uncorrected(config: &Config) -> Result<Vec<usize>> {
    match config.get("disable_corrector") {
        Value::Null => Ok(Vec::new()),
        Value::Numbers(steps) if steps.iter().all(|s| s.fract() == 0.0) => {
            Ok(steps.iter().filter(|s| **s >= 0.0).map(|s| *s as usize).collect())
        }
        other => bail!("the scheduler key disable_corrector is {other:?}; expected a list of step numbers from 0"),
    }
}

impl Solver for UniPc {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if at.alpha == 0.0 {
            // From pure noise the step is of first order, and its estimate lies beyond every polynomial.
            toward(x, clean, at, to);
            self.models.push(clean);
            return self.walk.next();
        }
        self.model(clean, x, at);
        self.correct(x, clean);
        self.models.push(clean);
        copy_into(&mut self.before, x);
        self.last_order = self.order_now();
        self.predict(x, at, to);
        self.walk.next()
    }
}

impl UniPc {
    /// Turns the clean estimate into the one that is integrated.
    fn model(&self, clean: &mut Latent, x: &Latent, at: Level) {
        if self.integral.of_noise {
            crate::sampling::Prediction::Epsilon.from_clean(clean, x, at);
        }
    }

    /// The order that history and the nearing end allow.
    fn order_now(&self) -> usize {
        let cap = if self.lower_order_final { self.walk.left() + 1 } else { self.order };
        usable(&self.walk, self.order.min(cap).min(self.models.len()))
    }

    /// UniP.
    fn predict(&self, x: &mut Latent, at: Level, to: Level) {
        let nodes = nodes(&self.walk, self.last_order);
        let weights = match nodes.as_slice() {
            [now, before] => self.second(at, to, (before - now) / length(at, to)),
            _ => self.integral.weights(&nodes, at, to),
        };
        apply(x, self.integral.keep(at, to), &weights, &self.models);
    }

    /// The second-order predictor, whose one coefficient the paper sets to a half of `B(h)`.
    fn second(&self, at: Level, to: Level, position: f64) -> Vec<f64> {
        let slope = if position.is_finite() { self.half(at, to) / position } else { 0.0 };
        vec![self.integral.total(at, to) - slope, slope]
    }

    /// A half of `B(h)`, scaled as the weights are.
    fn half(&self, at: Level, to: Level) -> f64 {
        match (self.scaling, self.integral.of_noise) {
            (Scaling::Exponential, _) => 0.5 * self.integral.total(at, to),
            (Scaling::Length, false) => 0.5 * to.alpha * length(at, to),
            (Scaling::Length, true) => -0.5 * to.sigma * length(at, to),
        }
    }

    /// UniC: redoes the last step with the estimate at its end.
    fn correct(&self, x: &mut Latent, latest: &Latent) {
        let Some(Step { at, .. }) = self.walk.before(1).filter(|step| step.at.alpha > 0.0) else { return };
        if self.uncorrected.contains(&(self.walk.index - 1)) {
            return;
        }
        let to = self.walk.step().at;
        let weights = match self.last_order {
            1 => {
                let half = self.half(at, to);
                vec![half, self.integral.total(at, to) - half]
            }
            order => self.integral.weights(&nodes(&self.walk, order + 1), at, to),
        };
        let Some((now, earlier)) = weights.split_first() else { return };
        copy_into(x, &self.before);
        apply(x, self.integral.keep(at, to), earlier, &self.models);
        combine(x, 1.0, &[(*now, latest)]);
    }
}
