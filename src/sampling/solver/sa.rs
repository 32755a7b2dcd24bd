//! SA-Solver: stochastic Adams, a multistep predictor with a corrector that shares its noise (Xue et al. 2023).

use std::ops::RangeInclusive;

use anyhow::{Result, bail};

use super::ddpm::check_variance_type;
use super::exponential::{Integral, apply, length, nodes, usable};
use super::intervals::{self, Habits, Kept};
use super::{
    Config, Defaults, Draw, History, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk,
    Want, keys,
};
use crate::sampling::Prediction;
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::Step;

pub(super) const METHOD: Method = Method {
    name: "sa-solver",
    classes: &["SASolverScheduler"],
    aliases: &["SASolverScheduler", "sample_sa_solver"],
    order: 2,
    stochastic: true,
    takes_eta: true,
    knobs: &[TAU],
    paper: "Xue et al. 2023, arXiv 2309.05019; eta is its tau",
    defaults: &[TABLE_KEYS, keys::INTERVALS, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("predictor_order", Value::Number(2.0)),
    ("corrector_order", Value::Number(2.0)),
    ("tau_func", Value::Null),
    ("algorithm_type", Value::text("data_prediction")),
    ("lambda_min_clipped", Value::Number(f64::NEG_INFINITY)),
    ("variance_type", Value::Null),
];

/// Timesteps between which noise is added, by the reference's default `tau_func`.
const NOISY: RangeInclusive<f64> = 200.0..=800.0;

const TAU: Knob = Knob {
    name: "tau",
    default: 1.0,
    range: (0.0, 4.0),
    help: "strength of the noise at every timestep; without it, that of --eta from 200 to 800",
};

struct SaSolver {
    walk: Walk,
    of_noise: bool,
    tau: f64,
    noisy: RangeInclusive<f64>,
    predictor: usize,
    corrector: usize,
    lower_order_final: bool,
    models: History,
    /// The state the last step started from and the noise it added.
    before: Latent,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let config = setup.config;
    check_variance_type(config)?;
    config.require("tau_func", &Value::Null, "it is a Python function; use --eta")?;
    let (predictor, corrector) = (order(config, "predictor_order")?, order(config, "corrector_order")?);
    let habits = Habits { flow_from_one: false, always_kept: true, kept: Kept::LastOfList };
    let Plan { steps, start_scale, .. } = intervals::plan(setup, habits)?;
    let always = setup.tuning.knobs.contains_key(TAU.name);
    let of_noise = config.choice("algorithm_type", &[("data_prediction", false), ("noise_prediction", true)])?;
    let lower_order_final = config.flag("lower_order_final")?;
    Sampler::walking(config, steps, start_scale, |walk| SaSolver {
        walk,
        of_noise,
        tau: if always { setup.knob(&TAU) } else { setup.tuning.eta.unwrap_or(TAU.default) },
        noisy: if always { f64::NEG_INFINITY..=f64::INFINITY } else { NOISY },
        predictor,
        corrector,
        lower_order_final,
        models: History::new(predictor.max(corrector - 1)),
        before: Latent::zeros(vec![0]),
        draw: Draw::new(),
    })
}

fn order(config: &Config, key: &str) -> Result<usize> {
    let order = config.count(key, 1)?;
    if order > 4 {
        bail!("the scheduler key {key} is {order}, but sa-solver has the orders 1 to 4");
    }
    Ok(order)
}

impl Solver for SaSolver {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if at.alpha == 0.0 {
            toward(x, clean, at, to);
            self.models.push(clean);
            self.draw.normal(x, noise);
            return self.walk.next();
        }
        if self.of_noise {
            Prediction::Epsilon.from_clean(clean, x, at);
        }
        self.correct(x, clean);
        self.models.push(clean);
        copy_into(&mut self.before, x);
        self.draw.normal(x, noise);
        self.predict(x, at, to);
        self.walk.next()
    }
}

impl SaSolver {
    /// The integral of a step: the SDE's where its time lies in the noisy window.
    fn integral(&self, at: Level, to: Level) -> Integral {
        let noisy = self.noisy.contains(&at.t) && !to.is_clean();
        Integral { of_noise: self.of_noise, excess: if noisy { self.tau * self.tau } else { 0.0 } }
    }

    /// Stochastic Adams-Bashforth.
    fn predict(&self, x: &mut Latent, at: Level, to: Level) {
        let integral = self.integral(at, to);
        let cap = if self.lower_order_final { self.walk.left() + 1 } else { self.predictor };
        let nodes = nodes(&self.walk, usable(&self.walk, self.predictor.min(cap).min(self.models.len())));
        let mut weights = integral.weights(&nodes, at, to);
        if let ([now, before], false) = (nodes.as_slice(), self.of_noise) {
            bend(&mut weights, quadratic(integral, at, to) / (now - before));
        }
        apply(x, integral.keep(at, to), &weights, &self.models);
        self.add_noise(x, integral, at, to);
    }

    /// Stochastic Adams-Moulton: redoes the last step, with its noise, and the estimate at its end.
    fn correct(&self, x: &mut Latent, latest: &Latent) {
        let Some(Step { at, .. }) = self.walk.before(1).filter(|step| step.at.alpha > 0.0) else { return };
        let to = self.walk.step().at;
        let integral = self.integral(at, to);
        let nodes = self.corrector_nodes();
        let mut weights = integral.weights(&nodes, at, to);
        if nodes.len() == 2 && !self.of_noise {
            bend(&mut weights, quadratic(integral, at, to) / length(at, to));
        }
        let Some((now, earlier)) = weights.split_first() else { return };
        copy_into(x, &self.before);
        apply(x, integral.keep(at, to), earlier, &self.models);
        combine(x, 1.0, &[(*now, latest)]);
        self.add_noise(x, integral, at, to);
    }

    fn corrector_nodes(&self) -> Vec<f64> {
        let cap = if self.lower_order_final { self.walk.left() + 3 } else { self.corrector };
        let nodes = nodes(&self.walk, self.corrector.min(cap).min(self.models.len() + 1));
        nodes.into_iter().take_while(|lambda| lambda.is_finite()).collect()
    }

    fn add_noise(&self, x: &mut Latent, integral: Integral, at: Level, to: Level) {
        combine(x, 1.0, &[(integral.deviation(at, to), &self.draw.0)]);
    }
}

/// What the reference adds to the slope of two estimates, so that few steps do better: the whole step's
/// square in place of its exponential integral.
fn quadratic(integral: Integral, at: Level, to: Level) -> f64 {
    let (h, rate) = (length(at, to), 1.0 + integral.excess);
    let exact = (rate * h + (-rate * h).exp_m1()) / (rate * rate);
    rate * to.alpha * (0.5 * h * h - exact)
}

fn bend(weights: &mut [f64], amount: f64) {
    if let [now, before] = weights {
        *now += amount;
        *before -= amount;
    }
}
