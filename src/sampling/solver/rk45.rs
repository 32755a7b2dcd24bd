//! Dormand and Prince's adaptive Runge-Kutta method, order 5 with an embedded order 4, on the
//! probability flow (Song et al. 2021, appendix D.4; Liu et al. 2022 for flows).
//!
//! It chooses its own levels between the model's first and its least noise. `--steps` bounds the
//! steps it tries, so that a run cannot go on forever: the last quarter of them takes what it gets.

use std::sync::Arc;

use anyhow::Result;

use super::adaptive::{Budget, root_mean_square};
use super::tableau::{DORMAND_PRINCE, DORMAND_PRINCE_ERROR, Stages};
use super::{Knob, Level, Method, Noise, Sampler, Seen, Setup, Solver, Want};
use crate::sampling::Latent;
use crate::sampling::latent::values;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule};
use crate::sampling::steps::Grid;

pub(super) const METHOD: Method = Method {
    name: "rk45",
    aliases: &["dopri5", "dormand-prince"],
    order: 5,
    evaluations: 6,
    knobs: &[RELATIVE, ABSOLUTE],
    free_steps: false,
    paper: "Dormand and Prince 1980 on the probability flow (Song et al. 2021, arXiv 2011.13456)",
    build,
    ..Method::BASE
};

const RELATIVE: Knob =
    Knob { name: "rtol", default: 1e-5, range: (1e-7, 1.0), help: "error allowed a step, relative to the state" };
const ABSOLUTE: Knob = Knob { name: "atol", default: 1e-5, range: (1e-7, 1.0), help: "error allowed a step" };

/// Step sizes follow the error as scipy's RK45 has it.
const SAFETY: f64 = 0.9;
const SHRINK: f64 = 0.2;
const GROW: f64 = 10.0;

struct Adaptive {
    schedule: Arc<dyn NoiseSchedule>,
    start: Level,
    asked: Level,
    stages: Stages,
    rtol: f64,
    atol: f64,
    /// Length of the step being tried, once there is one.
    length: Option<f64>,
    /// Whether the step being tried is a second attempt.
    again: bool,
    /// Steps that may still be tried, this one included.
    budget: Budget,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let Plan { steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    let start = steps.first().map_or(Level::CLEAN, |step| step.at);
    let solver = Adaptive {
        schedule,
        start,
        asked: start,
        stages: Stages::new(),
        rtol: setup.knob(&RELATIVE),
        atol: setup.knob(&ABSOLUTE),
        length: None,
        again: false,
        budget: Budget::new(setup.steps),
    };
    Ok(Sampler::new(setup.steps, Box::new(solver), start_scale))
}

impl Solver for Adaptive {
    fn start(&self) -> Level {
        self.start
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        self.stages.see(x, clean, self.clock(self.asked));
        match self.stages.seen() {
            1 => self.begin(x, Want::Probe),
            7 => self.judge(x),
            _ => self.next_stage(x, Want::Probe),
        }
    }
}

impl Adaptive {
    fn clock(&self, level: Level) -> Clock {
        Clock::read(&*self.schedule, level)
    }

    /// Time at which the last, straight step to the clean state begins.
    fn end(&self) -> f64 {
        self.schedule.sigmas().0
    }

    /// Begins to try a step from the first slope.
    fn begin(&mut self, x: &mut Latent, want: fn(Level) -> Want) -> Want {
        let time = self.stages.from().time;
        // Reading a level off the clock and back costs the last digits.
        if time <= self.end() * (1.0 + 1e-9) {
            self.stages.place(x, &[1.0], -time, Clock { scale: 1.0, time: 0.0 });
            return Want::Done;
        }
        let wished = self.length.unwrap_or_else(|| self.first_length());
        self.length = Some(wished.max(self.least_length(time)).min(time - self.end()));
        self.next_stage(x, want)
    }

    fn next_stage(&mut self, x: &mut Latent, want: fn(Level) -> Want) -> Want {
        let stage = self.stages.seen() - 1;
        let row = DORMAND_PRINCE.rows.get(stage).copied().unwrap_or_default();
        let share = DORMAND_PRINCE.times.get(stage).copied().unwrap_or(1.0);
        let length = self.length.unwrap_or_default();
        self.asked = self.schedule.at_sigma(self.stages.from().time - share * length);
        self.stages.place(x, row, -length, self.clock(self.asked));
        want(self.asked)
    }

    /// Accepts or rejects the step that all slopes of were seen; `x` is the state at its end.
    fn judge(&mut self, x: &mut Latent) -> Want {
        let (time, length) = (self.stages.from().time, self.length.unwrap_or_default());
        let end = self.clock(self.asked);
        let error = self.error(x, end, length);
        let forced = length <= self.least_length(time) * (1.0 + 1e-9);
        let accepted = error <= 1.0 || forced || self.budget.is_last();
        let most = if self.again { 1.0 } else { GROW };
        let factor = if error > 0.0 { (SAFETY * error.powf(-0.2)).clamp(SHRINK, most) } else { most };
        self.length = Some(length * factor);
        self.budget.spend();
        self.again = !accepted;
        if accepted {
            self.stages.carry_on(x, end);
            // The last slope is the next step's first, so its second evaluation is asked for at once.
            return self.begin(x, Want::Next);
        }
        self.stages.retry();
        self.begin(x, Want::Probe)
    }

    /// Error of the step over what is allowed, as a root mean square.
    fn error(&self, x: &Latent, end: Clock, length: f64) -> f64 {
        let (before, after) = (values(self.stages.before()), values(x));
        let slopes: Vec<&[f32]> = self.stages.slopes().iter().map(values).collect();
        let (old, new) = (1.0 / self.stages.from().scale, 1.0 / end.scale);
        root_mean_square(before.iter().zip(after).enumerate().map(|(i, (a, b))| {
            let slope = |(weight, slope): (&f64, &&[f32])| weight * slope.get(i).map_or(0.0, |v| f64::from(*v));
            let off = length * DORMAND_PRINCE_ERROR.iter().zip(&slopes).map(slope).sum::<f64>();
            let size = (f64::from(*a) * old).abs().max((f64::from(*b) * new).abs());
            (off, self.atol + self.rtol * size)
        }))
    }

    /// A first guess: the state may change by a hundredth of what it is (Hairer et al. 1993, II.4).
    fn first_length(&self) -> f64 {
        let norm = |x: &Latent| values(x).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        let slope = self.stages.slopes().first().map_or(0.0, norm);
        let state = norm(self.stages.before()) / self.stages.from().scale;
        if slope > 0.0 { 0.01 * state / slope } else { self.stages.from().time }
    }

    /// The least that a step may have so that the steps left reach the end, even in the logarithm of time.
    fn least_length(&self, time: f64) -> f64 {
        -time * (-self.budget.least((time / self.end()).ln())).exp_m1()
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn a_tighter_tolerance_costs_more_and_errs_less() {
        for model in [Model::Table, Model::Flow] {
            let run = |rtol| Run::new("rk45", model, 200).knob("rtol", rtol).knob("atol", rtol).finish();
            let (loose, tight) = (run(1e-2), run(1e-5));
            assert!(loose.evaluations < tight.evaluations && tight.evaluations < 400, "{}", tight.evaluations);
            // What is left is the straight last step from the model's least noise.
            assert!(tight.error() < 1e-3 && loose.error() < 3e-2, "{:e} {:e}", tight.error(), loose.error());
        }
    }

    #[test]
    fn the_step_count_bounds_the_work() {
        for model in [Model::Table, Model::Flow] {
            for steps in [1, 2, 5] {
                let run = Run::new("rk45", model, steps).finish();
                assert!(run.evaluations <= 6 * steps + 1 && run.x.iter().all(|v| v.is_finite()));
            }
        }
    }
}
