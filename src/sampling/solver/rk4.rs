//! The classical Runge-Kutta method of order 4 on the probability flow.

use std::sync::Arc;

use anyhow::Result;

use super::tableau::{CLASSICAL, OPEN, Stages};
use super::{Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule};
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "rk4",
    aliases: &["runge-kutta-4"],
    order: 4,
    evaluations: 4,
    paper: "Kutta 1901 on the probability flow (Song et al. 2021, arXiv 2011.13456, eq. 13)",
    build,
    ..Method::BASE
};

struct RungeKutta {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    stages: Stages,
    /// Where the last evaluation was asked for.
    asked: Level,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let Plan { steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    Sampler::walking(setup.config, steps, start_scale, |walk| RungeKutta {
        asked: walk.start(),
        walk,
        schedule,
        stages: Stages::new(),
    })
}

impl Solver for RungeKutta {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { to, .. } = self.walk.step();
        self.stages.see(x, clean, Clock::read(&*self.schedule, self.asked));
        let tableau = if to.is_clean() { &OPEN } else { &CLASSICAL };
        let (from, end) = (self.stages.from(), Clock::read(&*self.schedule, to));
        let stage = self.stages.seen() - 1;
        let (Some(row), Some(share)) = (tableau.rows.get(stage), tableau.times.get(stage)) else { return Want::Done };
        let length = end.time - from.time;
        if stage + 1 == tableau.rows.len() {
            self.stages.place(x, row, length, end);
            self.stages.end();
            let want = self.walk.next();
            self.asked = self.walk.step().at;
            return want;
        }
        self.asked = if *share == 1.0 { to } else { self.schedule.at_sigma(from.time + share * length) };
        self.stages.place(x, row, length, Clock::read(&*self.schedule, self.asked));
        Want::Probe(self.asked)
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn few_steps_are_exact_to_single_precision_on_a_flow() {
        let run = Run::new("rk4", Model::Flow, 12).finish();
        assert!(run.error() < 2e-6 && run.evaluations == 4 * 12 - 1, "{:e}", run.error());
    }

    #[test]
    fn one_step_works_on_every_model() {
        for model in [Model::Table, Model::Flow] {
            let run = Run::new("rk4", model, 1).finish();
            assert!(run.evaluations == 3 && run.x.iter().all(|v| v.is_finite()));
        }
    }
}
