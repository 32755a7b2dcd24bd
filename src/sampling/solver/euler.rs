//! Euler and ancestral Euler on the noise-to-signal ratio (Karras et al. 2022; k-diffusion).

use anyhow::Result;

use super::moves::{Churn, split};
use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Kind, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "euler",
    classes: &["EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler", "EDMEulerScheduler"],
    // InstaFlow (Liu et al. 2024) is one such step on a rectified flow.
    aliases: &["EulerDiscreteScheduler", "sample_euler", "k_euler", "flow-euler", "instaflow"],
    knobs: Churn::KNOBS,
    paper: "Karras et al. 2022, arXiv 2206.00364, algorithm 2 without its correction",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

pub(super) const ANCESTRAL: Method = Method {
    name: "euler-a",
    classes: &["EulerAncestralDiscreteScheduler"],
    aliases: &["EulerAncestralDiscreteScheduler", "sample_euler_ancestral", "k_euler_a", "euler_ancestral"],
    stochastic: true,
    takes_eta: true,
    paper: "k-diffusion, sample_euler_ancestral",
    defaults: &[TABLE_KEYS, keys::RESCALE, ANCESTRAL_KEYS],
    build: build_ancestral,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("interpolation_type", Value::text("linear")),
    ("timestep_type", Value::text("discrete")),
    ("final_sigmas_type", Value::text("zero")),
];

const ANCESTRAL_KEYS: Defaults = &[("timestep_spacing", Value::text("linspace"))];

struct Euler {
    walk: Walk,
    churn: Churn,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    setup.config.choice("interpolation_type", &[("linear", ()), ("log_linear", ())])?;
    let stochastic = setup.source.keys.get("stochastic_sampling") == Some(&Value::Bool(true));
    if stochastic && Kind::of(setup.source) == Kind::Flow {
        return super::lcm::renoising(setup);
    }
    let mut plan = setup.plan(Grid::Points)?;
    let churn = Churn::raise(setup, &mut plan);
    let Plan { steps, start_scale, .. } = plan;
    let steps = match setup.config.choice("timestep_type", &[("discrete", false), ("continuous", true)])? {
        true if setup.config.get("prediction_type") == &Value::text("v_prediction") => continuous_times(steps),
        _ => steps,
    };
    Sampler::walking(setup.config, steps, start_scale, |walk| Euler { walk, churn })
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

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        toward(x, clean, at, to);
        self.churn.next(&mut self.walk, x, to, noise)
    }
}

struct Ancestral {
    walk: Walk,
    eta: f64,
    draw: Draw,
}

fn build_ancestral(setup: &Setup<'_>) -> Result<Sampler> {
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    let eta = setup.tuning.eta.unwrap_or(1.0);
    Sampler::walking(setup.config, steps, start_scale, |walk| Ancestral { walk, eta, draw: Draw::new() })
}

impl Solver for Ancestral {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let (down, up) = split(at, to, self.eta);
        toward(x, clean, at, down);
        if up > 0.0 {
            self.draw.add(x, up, noise);
        }
        self.walk.next()
    }
}
