//! Linear multistep methods on the noise scale: the slopes of earlier steps as a polynomial (k-diffusion).

use std::sync::Arc;

use anyhow::Result;

use super::exponential::{apply, integrate, lagrange};
use super::intervals::fixed;
use super::{Config, History, Knob, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want, keys};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, Kind, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step, StepList};

pub(super) const METHOD: Method = Method {
    name: "lms",
    classes: &["LMSDiscreteScheduler"],
    aliases: &["LMSDiscreteScheduler", "sample_lms", "k_lms"],
    order: 4,
    knobs: &[ORDER],
    paper: "k-diffusion, sample_lms: Adams-Bashforth on uneven steps",
    defaults: &[TABLE_KEYS, keys::POINTS],
    build,
    ..Method::BASE
};

const ORDER: Knob =
    Knob { name: "order", default: 4.0, range: (1.0, 8.0), help: "number of slopes the polynomial runs through" };

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    multistep(setup.config, unbounded_plan(setup, &METHOD)?, setup.whole(&ORDER)?, integrated)
}

/// The plan of the classes whose Karras list is not bounded by `sigma_min` and `sigma_max`.
pub(super) fn unbounded_plan(setup: &Setup<'_>, method: &Method) -> Result<Plan> {
    let list = setup.tuning.schedule.map_or_else(|| StepList::from_config(setup.config), |list| Ok(Some(list)))?;
    if Kind::of(setup.source) != Kind::Table || list.is_none_or(|list| list.name != "karras") {
        return setup.plan(Grid::Points);
    }
    let (source, config) = fixed(setup, method, &[("sigma_min", Value::Null), ("sigma_max", Value::Null)]);
    Setup { source: &source, config: &config, ..setup.clone() }.plan(Grid::Points)
}

/// Coefficients of slopes, newest first, given the times they were taken at and the end of the step.
pub(super) type Rule = fn(&[f64], f64) -> Vec<f64>;

/// The integral of the polynomial through the slopes.
pub(super) fn integrated(times: &[f64], end: f64) -> Vec<f64> {
    let from = times.first().copied().unwrap_or_default();
    (0..times.len()).map(|j| integrate(from, end, |u| lagrange(times, j, u))).collect()
}

/// Builds a linear multistep method of some order.
pub(super) fn multistep(config: &Config, plan: Plan, order: usize, rule: Rule) -> Result<Sampler> {
    let Plan { steps, start_scale, schedule } = plan;
    Sampler::walking(config, steps, start_scale, |walk| Linear { walk, schedule, rule, slopes: History::new(order) })
}

struct Linear {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    rule: Rule,
    slopes: History,
}

impl Solver for Linear {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let (now, end) = (self.clock(at), self.clock(to));
        combine(clean, -1.0 / now.time, &[(1.0 / (now.scale * now.time), x)]);
        self.slopes.push(clean);
        let weights = (self.rule)(&self.times(), end.time);
        let weights: Vec<f64> = weights.iter().map(|weight| end.scale * weight).collect();
        apply(x, end.scale / now.scale, &weights, &self.slopes);
        self.walk.next()
    }
}

impl Linear {
    fn clock(&self, level: Level) -> Clock {
        Clock::read(&*self.schedule, level)
    }

    /// The times of the slopes, newest first.
    fn times(&self) -> Vec<f64> {
        let step = |back| self.walk.before(back);
        (0..self.slopes.len()).filter_map(step).map(|step| self.clock(step.at).time).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrals_are_exact_for_polynomials_through_the_slopes() {
        let (times, end) = ([2.0, 3.5, 4.0, 7.0], 0.5);
        for power in 0..4 {
            let slope = |t: &f64| t.powi(power);
            let got: f64 = integrated(&times, end).iter().zip(&times).map(|(w, t)| w * slope(t)).sum();
            let want = (end.powi(power + 1) - times[0].powi(power + 1)) / f64::from(power + 1);
            assert!((got - want).abs() < 1e-10, "{power}: {got} {want}");
        }
    }
}
