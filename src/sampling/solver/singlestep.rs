//! DPM-Solver and DPM-Solver++ singlestep: groups of one, two or three evaluations that each restart
//! from the state the group began with (Lu et al. 2022).

use anyhow::{Result, bail};

use super::ddpm::check_variance_type;
use super::exponential::{Integral, apply, length};
use super::intervals::{self, Habits, Kept, fixed};
use super::{
    Config, Defaults, Draw, History, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want,
    keys,
};
use crate::sampling::latent::copy_into;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::Step;

pub(super) const METHOD: Method = Method {
    name: "dpmpp-2s",
    classes: &["DPMSolverSinglestepScheduler"],
    aliases: &["DPMSolverSinglestepScheduler"],
    order: 2,
    paper: "Lu et al. 2022, arXiv 2211.01095, algorithm 1",
    defaults: &[TABLE_KEYS, keys::INTERVALS, KEYS],
    build,
    ..Method::BASE
};

pub(super) const NOISE_1: Method = noise_method("dpm-solver-1", &["DPM-Solver singlestep 1"], 1);
pub(super) const NOISE_2: Method = noise_method("dpm-solver-2", &["DPM-Solver singlestep 2"], 2);
pub(super) const NOISE_3: Method = noise_method("dpm-solver-3", &["DPM-Solver singlestep 3"], 3);

/// A name that fixes the order and the noise-predicting algorithm.
const fn noise_method(name: &'static str, aliases: &'static [&'static str], order: u32) -> Method {
    Method {
        name,
        classes: &[],
        aliases,
        order,
        paper: "Lu et al. 2022, arXiv 2206.00927",
        build: build_noise,
        ..METHOD
    }
}

const KEYS: Defaults = &[
    ("solver_order", Value::Number(2.0)),
    ("algorithm_type", Value::text("dpmsolver++")),
    ("solver_type", Value::text("midpoint")),
    ("lower_order_final", Value::Bool(false)),
    ("final_sigmas_type", Value::text("zero")),
    ("lambda_min_clipped", Value::Number(f64::NEG_INFINITY)),
    ("variance_type", Value::Null),
];

const ALGORITHMS: &[(&str, Integral)] = &[
    ("dpmsolver++", Integral::CLEAN),
    // A configuration that was written for DEIS.
    ("deis", Integral::CLEAN),
    ("dpmsolver", Integral::NOISE),
    ("sde-dpmsolver++", Integral { of_noise: false, excess: 1.0 }),
];

/// Whether the polynomial runs through all estimates of a group (Heun) or leaves the middle out.
const KINDS: &[(&str, bool)] =
    &[("midpoint", false), ("heun", true), ("logrho", false), ("bh1", false), ("bh2", false)];

struct Singlestep {
    walk: Walk,
    orders: Vec<usize>,
    integral: Integral,
    heun: bool,
    models: History,
    /// Where the group began: its step's index and its state.
    first: usize,
    before: Latent,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    assemble(setup, &[])
}

fn build_noise(setup: &Setup<'_>) -> Result<Sampler> {
    let order = [NOISE_1, NOISE_2, NOISE_3].iter().find(|m| m.name == setup.name).map_or(3, |m| m.order);
    let keys = [
        ("solver_order", Value::Number(f64::from(order))),
        ("algorithm_type", Value::text("dpmsolver")),
        // Its last step, to a clean state, is of first order, where the noise estimate does have a limit.
        ("final_sigmas_type", Value::text("zero")),
    ];
    assemble(setup, &keys)
}

fn assemble(setup: &Setup<'_>, keys: &[(&str, Value)]) -> Result<Sampler> {
    let (_, config) = fixed(setup, &METHOD, keys);
    let config = &config;
    check_variance_type(config)?;
    let integral = config.choice("algorithm_type", ALGORITHMS)?;
    check(config, integral, keys.is_empty())?;
    let Plan { steps, start_scale, .. } = plan(setup, keys)?;
    let (orders, heun) = (orders(config, steps.len())?, config.choice("solver_type", KINDS)?);
    Sampler::walking(config, steps, start_scale, |walk| Singlestep {
        walk,
        orders,
        integral,
        heun,
        models: History::new(3),
        first: 0,
        before: Latent::zeros(vec![0]),
        draw: Draw::new(),
    })
}

fn check(config: &Config, integral: Integral, by_class: bool) -> Result<()> {
    if config.count("solver_order", 1)? > 3 {
        bail!("the scheduler key solver_order is above 3, but the singlestep solver has the orders 1, 2 and 3");
    }
    if by_class && integral.of_noise && config.get("final_sigmas_type") == &Value::text("zero") {
        bail!(
            "the scheduler key final_sigmas_type is zero, where the noise-predicting algorithm_type has no limit; set it to sigma_min"
        );
    }
    Ok(())
}

/// The class has no choice of spacing: what a file says of it is for other classes.
fn plan(setup: &Setup<'_>, keys: &[(&str, Value)]) -> Result<Plan> {
    let linspace = [("timestep_spacing", Value::text("linspace"))];
    let keys: Vec<_> = keys.iter().chain(&linspace).cloned().collect();
    let (source, config) = fixed(setup, &METHOD, &keys);
    let habits = Habits { flow_from_one: false, always_kept: false, kept: Kept::SmallestOfTable };
    intervals::plan(&Setup { source: &source, config: &config, ..setup.clone() }, habits)
}

/// How many evaluations of its group each step uses.
fn orders(config: &Config, steps: usize) -> Result<Vec<usize>> {
    let order = config.count("solver_order", 1)?;
    let clean = config.get("final_sigmas_type") == &Value::text("zero");
    // The reference turns the key on where whole groups cannot end the run.
    let lower = config.flag("lower_order_final")? || !steps.is_multiple_of(order) || clean;
    let mut orders: Vec<usize> = (0..steps).map(|i| i % order + 1).collect();
    let at_once = lower && steps.is_multiple_of(order);
    if let Some(last) = orders.last_mut().filter(|_| clean || at_once) {
        *last = 1;
    }
    Ok(orders)
}

impl Solver for Singlestep {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let count = self.group(x);
        if at.alpha == 0.0 {
            toward(x, clean, at, to);
            self.models.push(clean);
            return self.walk.next();
        }
        if self.integral.of_noise {
            crate::sampling::Prediction::Epsilon.from_clean(clean, x, at);
        }
        self.models.push(clean);
        self.update(x, count, to, noise);
        self.walk.next()
    }
}

impl Singlestep {
    /// The number of evaluations of the group, the current one included.
    fn group(&mut self, x: &Latent) -> usize {
        let order = self.orders.get(self.walk.index).copied().unwrap_or(1);
        let from_noise = self.walk.steps.get(self.first).is_some_and(|step| step.at.alpha == 0.0);
        if order == 1 || from_noise || self.walk.index == 0 {
            self.first = self.walk.index;
            copy_into(&mut self.before, x);
        }
        self.walk.index - self.first + 1
    }

    fn update(&mut self, x: &mut Latent, count: usize, to: Level, noise: &mut Noise) {
        let at = self.walk.before(count - 1).unwrap_or(self.walk.step()).at;
        let weights = self.weights(count, at, to);
        copy_into(x, &self.before);
        apply(x, self.integral.keep(at, to), &weights, &self.models);
        if self.integral.excess > 0.0 {
            self.draw.add(x, self.integral.deviation(at, to), noise);
        }
    }

    /// Coefficients of the group's estimates, newest first, over the whole group.
    fn weights(&self, count: usize, at: Level, to: Level) -> Vec<f64> {
        let nodes = super::exponential::nodes(&self.walk, count);
        match (nodes.as_slice(), self.heun) {
            ([newest, oldest], false) => {
                let total = self.integral.total(at, to);
                let slope = 0.5 * total * length(at, to) / (newest - oldest);
                vec![slope, total - slope]
            }
            ([newest, _, oldest], false) => {
                let weights = self.integral.weights(&[*newest, *oldest], at, to);
                let weight = |i: usize| weights.get(i).copied().unwrap_or_default();
                vec![weight(0), 0.0, weight(1)]
            }
            // All through one polynomial. With the SDE this is the paper's third order; the reference has
            // the sign of a constant wrong there.
            _ => self.integral.weights(&nodes, at, to),
        }
    }
}
