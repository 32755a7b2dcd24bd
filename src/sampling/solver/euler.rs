//! Euler and ancestral Euler on the noise-to-signal ratio (Karras et al. 2022; k-diffusion).

use anyhow::Result;

use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, ratio_start_scale, ratio_steps};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::combine;
use crate::sampling::level::toward;
use crate::sampling::schedule::{TABLE_KEYS, Table};
use crate::sampling::steps::{FINALS, Step};

pub(super) const METHOD: Method = Method {
    name: "euler",
    class: "EulerDiscreteScheduler",
    aliases: &["EulerDiscreteScheduler", "sample_euler", "k_euler"],
    order: 1,
    evaluations: 1,
    stochastic: false,
    paper: "Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn",
    defaults: &[TABLE_KEYS, KEYS],
    build,
};

pub(super) const ANCESTRAL: Method = Method {
    name: "euler-a",
    class: "EulerAncestralDiscreteScheduler",
    aliases: &["EulerAncestralDiscreteScheduler", "sample_euler_ancestral", "k_euler_a", "euler_ancestral"],
    order: 1,
    evaluations: 1,
    stochastic: true,
    paper: "k-diffusion, sample_euler_ancestral",
    defaults: &[TABLE_KEYS, ANCESTRAL_KEYS],
    build: build_ancestral,
};

const KEYS: Defaults = &[
    ("interpolation_type", Value::text("linear")),
    ("use_karras_sigmas", Value::Bool(false)),
    ("use_exponential_sigmas", Value::Bool(false)),
    ("use_beta_sigmas", Value::Bool(false)),
    ("sigma_min", Value::Null),
    ("sigma_max", Value::Null),
    ("timestep_spacing", Value::text("linspace")),
    ("timestep_type", Value::text("discrete")),
    ("rescale_betas_zero_snr", Value::Bool(false)),
    ("final_sigmas_type", Value::text("zero")),
];

const ANCESTRAL_KEYS: Defaults =
    &[("timestep_spacing", Value::text("linspace")), ("rescale_betas_zero_snr", Value::Bool(false))];

struct Euler {
    walk: Walk,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = Table::from_config(setup.config, true)?;
    super::prediction(setup.config)?;
    let last = setup.config.choice("final_sigmas_type", FINALS)?.ratio(&table);
    setup.config.choice("interpolation_type", &[("linear", ()), ("log_linear", ())])?;
    let steps = ratio_steps(setup, &table, last)?;
    let steps = match setup.config.choice("timestep_type", &[("discrete", false), ("continuous", true)])? {
        true if setup.config.get("prediction_type") == &Value::text("v_prediction") => continuous_times(steps),
        _ => steps,
    };
    let start_scale = ratio_start_scale(setup.config, &steps)?;
    Ok(Sampler { steps: steps.len(), solver: Box::new(Euler { walk: Walk::new(steps) }), start_scale })
}

/// EDM's noise input, a quarter of ln(sigma), in place of a timestep (Karras et al. 2022, table 1).
fn continuous_times(mut steps: Vec<Step>) -> Vec<Step> {
    for step in &mut steps {
        step.at.t = 0.25 * step.at.ratio().ln();
    }
    steps
}

impl Solver for Euler {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        toward(x, clean, at, to);
        self.walk.next()
    }
}

struct Ancestral {
    walk: Walk,
    eta: f64,
    draw: Draw,
}

fn build_ancestral(setup: &Setup<'_>) -> Result<Sampler> {
    let table = Table::from_config(setup.config, true)?;
    super::prediction(setup.config)?;
    let steps = ratio_steps(setup, &table, 0.0)?;
    let start_scale = ratio_start_scale(setup.config, &steps)?;
    let solver = Ancestral { eta: setup.tuning.eta.unwrap_or(1.0), walk: Walk::new(steps), draw: Draw::new() };
    Ok(Sampler { steps: solver.walk.steps.len(), solver: Box::new(solver), start_scale })
}

/// Splits a target ratio into the part stepped down to and the part added as fresh noise.
fn split(from: f64, to: f64, eta: f64) -> (f64, f64) {
    let up = (eta * (to.powi(2) * (from.powi(2) - to.powi(2)) / from.powi(2)).max(0.0).sqrt()).min(to);
    ((to.powi(2) - up.powi(2)).max(0.0).sqrt(), up)
}

impl Solver for Ancestral {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let (down, up) = split(at.ratio(), to.ratio(), self.eta);
        toward(x, clean, at, Level { sigma: to.alpha * down, ..to });
        if up > 0.0 {
            combine(x, 1.0, &[(to.alpha * up, self.draw.normal(clean, noise))]);
        }
        self.walk.next()
    }
}
