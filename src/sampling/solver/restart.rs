//! Restart sampling (Xu et al. 2023): Heun's method that goes back up through a range of noise levels
//! several times, so that fresh noise washes out the errors made above it.

use anyhow::{Result, bail};

use super::moves::Churn;
use super::{Knob, Level, Method, Sampler, Setup, heun};
use crate::sampling::schedule::NoiseSchedule;
use crate::sampling::steps::{Grid, Step, chain};

pub(super) const METHOD: Method = Method {
    name: "restart",
    aliases: &["sample_restart", "restart_sampler"],
    order: 2,
    evaluations: 2,
    stochastic: true,
    knobs: &[POINTS, TIMES, LOW, HIGH, NOISE],
    paper: "Xu et al. 2023, arXiv 2306.14878",
    defaults: heun::KEYS,
    build,
    ..Method::BASE
};

const POINTS: Knob = Knob {
    name: "restart_steps",
    default: 10.0,
    range: (2.0, 1000.0),
    help: "levels of each restart, both ends included",
};
const TIMES: Knob = Knob {
    name: "restart_times",
    default: 1.0,
    range: (0.0, 1000.0),
    help: "how often the range is gone through again",
};
const LOW: Knob =
    Knob { name: "t_min", default: 0.1, range: (1e-4, 1e4), help: "noise-to-signal ratio where a restart begins" };
const HIGH: Knob =
    Knob { name: "t_max", default: 2.0, range: (1e-4, 1e4), help: "noise-to-signal ratio that a restart goes up to" };
const NOISE: Knob =
    Knob { name: "s_noise", default: 1.003, range: (0.0, 2.0), help: "scale of the noise of a restart" };

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let (low, high) = (setup.knob(&LOW), setup.knob(&HIGH));
    if low >= high {
        bail!("the option t_min is {low}, but must lie below t_max, {high}");
    }
    let mut plan = setup.plan(Grid::Points)?;
    let loops = Loops { low, high, points: setup.knob(&POINTS) as usize, times: setup.knob(&TIMES) as usize };
    plan.steps = loops.inserted(&*plan.schedule, plan.steps);
    heun::over(setup, plan, Churn::with(setup.knob(&NOISE)))
}

#[derive(Clone, Copy, Debug)]
struct Loops {
    low: f64,
    high: f64,
    points: usize,
    times: usize,
}

impl Loops {
    /// The steps with the loops after the one that ends nearest to the low end. A list without a
    /// level between the two ends has nowhere to restart from.
    fn inserted(self, schedule: &dyn NoiseSchedule, mut steps: Vec<Step>) -> Vec<Step> {
        let distance = |step: &Step| (step.to.ratio() - self.low).abs();
        let inner = |step: &Step| !step.to.is_clean() && step.to.ratio() < self.high;
        let ends = steps.iter().enumerate().filter(|(_, step)| inner(step));
        let nearest = ends.min_by(|(_, a), (_, b)| distance(a).total_cmp(&distance(b)));
        if let Some((index, step)) = nearest {
            let round = self.round(schedule, step.to);
            let rounds = (0..self.times).flat_map(|_| round.clone()).collect::<Vec<_>>();
            steps.splice(index + 1..index + 1, rounds);
        }
        steps
    }

    /// One way down from the high end to `end`, spread as Karras et al. have it.
    fn round(self, schedule: &dyn NoiseSchedule, end: Level) -> Vec<Step> {
        let (high, low) = (self.high.powf(1.0 / 7.0), end.ratio().powf(1.0 / 7.0));
        let ratio = |i: usize| (high + (low - high) * i as f64 / (self.points - 1) as f64).powi(7);
        let levels = (0..self.points - 1).map(|i| schedule.at_half_log_snr(-ratio(i).ln())).chain([end]);
        chain(&levels.collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn without_restarts_it_is_heun() {
        for model in [Model::Table, Model::Flow] {
            let heun = Run::new("heun", model, 12).finish();
            let restart = Run::new("restart", model, 12).knob("restart_times", 0.0).finish();
            assert_eq!(heun.x, restart.x);
        }
    }

    #[test]
    fn restarts_cost_what_they_should_and_keep_the_law() {
        for model in [Model::Table, Model::Flow] {
            let run =
                Run::new("restart", model, 40).knob("restart_times", 3.0).knob("s_noise", 1.0).size(8000).finish();
            assert_eq!(run.evaluations, 2 * 40 - 1 + 3 * 2 * 9);
            run.assert_moments(0.02);
        }
    }
}
