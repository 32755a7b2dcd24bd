//! DPM-Solver++ multistep as an SDE of any strength, orders 2 and 3 (k-diffusion).

use anyhow::{Result, bail};

use super::dpmpp_sde::{ANCESTRAL, S_NOISE};
use super::exponential::{Integral, apply, length, usable};
use super::increments::Increments;
use super::{Defaults, History, Knob, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want, keys};
use crate::sampling::latent::combine;
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, Step};

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

/// Names from configurations of other multistep classes fall back to the midpoint.
const KINDS: &[(&str, Kind)] = &[
    ("midpoint", Kind::Midpoint),
    ("heun", Kind::Heun),
    ("logrho", Kind::Midpoint),
    ("bh1", Kind::Midpoint),
    ("bh2", Kind::Midpoint),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Midpoint,
    Heun,
    Third,
}

struct Multistep {
    walk: Walk,
    kind: Kind,
    integral: Integral,
    s_noise: f64,
    models: History,
    noise: Increments,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let (kind, order) = match setup.name {
        name if name == THIRD.name => (Kind::Third, 3),
        name if name == SECOND_HEUN.name => (Kind::Heun, 2),
        _ if setup.source.class == AUDIO => (setup.config.choice("solver_type", KINDS)?, audio_order(setup)?),
        _ => (Kind::Midpoint, 2),
    };
    let plan = setup.plan(Grid::Points)?;
    let noise = Increments::brownian(&plan, None);
    let Plan { steps, start_scale, .. } = plan;
    Sampler::walking(setup.config, steps, start_scale, |walk| Multistep {
        noise,
        walk,
        kind,
        integral: Integral { of_noise: false, excess: setup.tuning.eta.unwrap_or(1.0) },
        s_noise: setup.knob(&S_NOISE),
        models: History::new(order),
    })
}

fn audio_order(setup: &Setup<'_>) -> Result<usize> {
    match setup.config.count("solver_order", 1)? {
        order @ (1 | 2) => Ok(order),
        order => bail!("the scheduler key solver_order is {order}, but {AUDIO} has the orders 1 and 2"),
    }
}

impl Solver for Multistep {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if to.is_clean() {
            toward(x, clean, at, to);
            return self.walk.next();
        }
        self.models.push(clean);
        apply(x, self.integral.keep(at, to), &self.weights(at, to), &self.models);
        // A run that does not end clean ends with a step of no length.
        if self.integral.excess > 0.0 && length(at, to) > 0.0 {
            let share = -(-2.0 * self.integral.excess * length(at, to)).exp_m1();
            let unit = self.noise.unit(at, to, x, noise);
            combine(x, 1.0, &[(self.s_noise * to.sigma * share.max(0.0).sqrt(), unit)]);
        }
        self.walk.next()
    }
}

impl Multistep {
    /// Coefficients of the estimates, newest first.
    fn weights(&self, at: Level, to: Level) -> Vec<f64> {
        let total = self.integral.total(at, to);
        let phi = (total, length(at, to) * (1.0 + self.integral.excess));
        // The integral of a slope that grows to 1 over the step.
        let ramp = to.alpha - phi.0 / phi.1;
        match (self.kind, self.last_lengths(at, to).as_slice()) {
            (_, []) => vec![total],
            (Kind::Midpoint, [r, ..]) => vec![total + 0.5 * total / r, -0.5 * total / r],
            (_, [r]) | (Kind::Heun, [r, ..]) => vec![total + ramp / r, -ramp / r],
            (Kind::Third, [r0, r1, ..]) => third(total, ramp, ramp / phi.1 - 0.5 * to.alpha, *r0, *r1),
        }
    }

    /// Lengths of the last steps, newest first, over this one's.
    fn last_lengths(&self, at: Level, to: Level) -> Vec<f64> {
        let nodes = super::exponential::nodes(&self.walk, usable(&self.walk, self.models.len()));
        nodes.windows(2).filter_map(|pair| Some((pair.first()? - pair.last()?) / length(at, to))).collect()
    }
}

/// Published with half the weight that a parabola through the estimates would give its bend: the order
/// is two, with a smaller error. `res-3m` has the full weight.
fn third(total: f64, ramp: f64, bend: f64, r0: f64, r1: f64) -> Vec<f64> {
    let of_new = ramp * (1.0 + r0 / (r0 + r1)) - bend / (r0 + r1);
    let of_old = -(ramp * r0 - bend) / (r0 + r1);
    vec![total + of_new / r0, -of_new / r0 + of_old / r1, -of_old / r1]
}
