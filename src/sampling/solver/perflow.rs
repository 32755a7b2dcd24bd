//! Piecewise rectified flow (Yan et al. 2024): the trajectory is a straight line inside each window of
//! time, between states of the model's own schedule at the window's ends.
//!
//! Inside a window signal and noise run linearly between the ends, so a step along the line is a step
//! toward the clean estimate on those levels.

use anyhow::Result;

use super::{Knob, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::level::toward;
use crate::sampling::schedule::Table;
use crate::sampling::steps::{Step, chain};

pub(super) const METHOD: Method = Method {
    name: "perflow",
    classes: &["PeRFlowScheduler"],
    aliases: &["PeRFlowScheduler"],
    knobs: &[WINDOWS],
    free_steps: false,
    paper: "Yan et al. 2024, arXiv 2405.07510",
    defaults: Method::CLIPPED,
    build,
    ..Method::BASE
};

const WINDOWS: Knob = Knob {
    name: "num_time_windows",
    default: 4.0,
    range: (1.0, 1000.0),
    help: "windows the model was trained with; a run of fewer steps has one step a window",
};

struct Perflow {
    walk: Walk,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let windows = (setup.knob(&WINDOWS) as usize).min(setup.steps);
    let mut levels: Vec<Level> = (0..windows).flat_map(|i| window(&table, setup.steps, windows, i)).collect();
    levels.push(end(&table, 0.0));
    Sampler::walking(setup.config, setup.late(chain(&levels))?, 1.0, |walk| Perflow { walk })
}

/// The levels of a window's steps; the first windows have one more where they do not share evenly.
fn window(table: &Table, steps: usize, windows: usize, index: usize) -> Vec<Level> {
    let share = |i: usize| 1.0 - i as f64 / windows as f64;
    let (from, to) = (share(index), share(index + 1));
    let count = steps / windows + usize::from(index < steps % windows);
    let (noisy, clear) = (end(table, from), end(table, to));
    let level = |i: usize| {
        let part = i as f64 / count as f64;
        let told = ((from + (to - from) * part) * table.len() as f64).floor();
        let between = |a: f64, b: f64| a + (b - a) * part;
        Level { t: told, alpha: between(noisy.alpha, clear.alpha), sigma: between(noisy.sigma, clear.sigma) }
    };
    (0..count).map(level).collect()
}

/// The level at an end of a window. The network is told one timestep more than the table has.
fn end(table: &Table, time: f64) -> Level {
    table.at((time * table.len() as f64).round() as i64 - 1)
}

impl Solver for Perflow {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        toward(x, clean, at, to);
        self.walk.next()
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};
    use super::*;
    use crate::sampling::config::Config;

    fn table() -> Table {
        let config = Config::take_over("T", METHOD.defaults, &Model::Table.source());
        Table::from_config(&config, false).unwrap()
    }

    #[test]
    fn the_network_is_told_the_published_times() {
        let told: Vec<f64> = (0..4).flat_map(|i| window(&table(), 4, 4, i)).map(|level| level.t).collect();
        assert_eq!(told, [1000.0, 750.0, 500.0, 250.0]);
        let more: Vec<f64> = (0..4).flat_map(|i| window(&table(), 6, 4, i)).map(|level| level.t).collect();
        assert_eq!(more, [1000.0, 875.0, 750.0, 625.0, 500.0, 250.0]);
    }

    /// The paper's own formulas: the window's end is predicted, then approached along the line.
    #[test]
    fn a_step_is_the_papers_step() {
        let table = table();
        let power = |i: i64| table.at(i).alpha.powi(2);
        let (ts, te, tc, next) = (0.75, 0.5, 0.65, 0.55);
        let (abs, abe) = (power(749), power(499));
        let lambda_s = (abe / abs).sqrt();
        let eta_s = (1.0 - abe).sqrt() - (abe / abs * (1.0 - abs)).sqrt();
        let share = lambda_s * (tc - ts) + (te - tc);
        let (lambda, eta) = (lambda_s * (te - ts) / share, eta_s * (te - tc) / share);
        let (x, noise) = (0.8, -0.3);
        let slope = (lambda * x + eta * noise - x) / (te - tc);
        let want = x + (next - tc) * slope;

        let part = |t: f64| (t - ts) / (te - ts);
        let (noisy, clear) = (table.at(749), table.at(499));
        let level = |t: f64| Level {
            t: 0.0,
            alpha: noisy.alpha + part(t) * (clear.alpha - noisy.alpha),
            sigma: noisy.sigma + part(t) * (clear.sigma - noisy.sigma),
        };
        let (at, to) = (level(tc), level(next));
        let clean = (x - at.sigma * noise) / at.alpha;
        let (keep, pull) = crate::sampling::level::toward_coefficients(at, to);
        assert!((keep * x + pull * clean - want).abs() < 1e-12);
    }

    #[test]
    fn many_steps_follow_the_flow() {
        let run = Run::new("perflow", Model::Table, 800).finish();
        assert!(run.error() < 0.02 && run.evaluations == 800, "{}", run.error());
    }
}
