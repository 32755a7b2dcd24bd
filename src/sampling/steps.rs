//! Step lists: which levels a run visits. The user's choice, within what the model knows.

mod aligned;
mod curves;
mod fastdpm;
mod list;
mod registry;
mod timed;

use anyhow::{Result, bail};

use super::Level;
use super::config::Config;
use super::schedule::Table;

pub use aligned::log_linear;
pub use fastdpm::LinearBetas;
pub use list::{Span, StepList};
pub use registry::STEP_LISTS;

/// One step of a fixed plan: evaluate at one level, move to another.
///
/// `to` of a step and `at` of the next may differ where a reference labels the same state with
/// two timesteps (DDIM with trailing spacing), so both are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The level the state is taken to have, with the time the network is told.
    pub at: Level,
    /// The level the step ends at.
    pub to: Level,
}

/// Turns a list of levels into steps from each to the next.
pub fn chain(levels: &[Level]) -> Vec<Step> {
    levels.windows(2).filter_map(|pair| Some(Step { at: *pair.first()?, to: *pair.last()? })).collect()
}

/// How timesteps are spread (config key `timestep_spacing`; Lin et al. 2023, table 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spacing {
    /// Multiples of a whole stride from the start, shifted by `steps_offset`.
    Leading,
    /// Rounded fractions counted from the end.
    Trailing,
    /// Evenly between the first and the last timestep.
    Linspace,
}

/// Names of the spacings, as configurations write them.
pub const SPACINGS: &[(&str, Spacing)] =
    &[("leading", Spacing::Leading), ("trailing", Spacing::Trailing), ("linspace", Spacing::Linspace)];

/// What a class does with evenly spread timesteps; the references differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// `steps` points, kept fractional (Euler, Heun).
    Points,
    /// `steps` points, rounded to whole timesteps (DDIM, DDPM).
    WholePoints,
    /// `steps` intervals: the last point is left out, then rounded (the DPM-Solver classes).
    Intervals,
}

/// Evenly spread timesteps, noisiest first.
///
/// `end` is one past the last usable timestep, which `lambda_min_clipped` may lower.
///
/// # Errors
/// For more steps than timesteps, and for unknown names in the configuration.
pub fn timesteps(config: &Config, grid: Grid, steps: usize, end: usize) -> Result<Vec<f64>> {
    let train = config.count("num_train_timesteps", 2)?;
    if steps > train {
        bail!("--steps {steps} is more than the {train} timesteps the model was trained with; use at most {train}");
    }
    let offset = config.optional_number("steps_offset")?.unwrap_or(0.0);
    let points = if grid == Grid::Intervals { steps + 1 } else { steps };
    let spacing = config.choice("timestep_spacing", SPACINGS)?;
    if points > end && spacing != Spacing::Trailing {
        bail!("--steps {steps} leaves no whole timestep between two steps of this sampler; use at most {}", end - 1);
    }
    let times: Vec<f64> = match spacing {
        Spacing::Linspace => (0..points).rev().map(|i| lerp(0.0, (end - 1) as f64, i, points)).collect(),
        Spacing::Leading => (0..points).rev().map(|i| (i * (end / points)) as f64 + offset).collect(),
        Spacing::Trailing => trailing(train, end, steps),
    };
    let round = |t: f64| if grid == Grid::Points { t } else { t.round_ties_even() };
    Ok(times.into_iter().take(steps).map(round).collect())
}

fn trailing(train: usize, end: usize, steps: usize) -> Vec<f64> {
    let stride = train as f64 / steps as f64;
    let point = |i: usize| end as f64 - i as f64 * stride;
    (0..).map(point).take_while(|t| *t > 0.0).map(|t| t.round_ties_even() - 1.0).collect()
}

/// The `i`-th of `count` points from `from` to `to`; a single point is `from`.
fn lerp(from: f64, to: f64, i: usize, count: usize) -> f64 {
    if count < 2 { from } else { from + (to - from) * i as f64 / (count - 1) as f64 }
}

/// A step list of the user's own.
#[derive(Clone, Debug, PartialEq)]
pub enum Custom {
    /// Noise scales (`--sigmas`).
    Sigmas(Vec<f64>),
    /// Times as the network is told them (`--timesteps`).
    Timesteps(Vec<f64>),
}

impl Custom {
    /// The flag it came from.
    pub fn flag(&self) -> &'static str {
        match self {
            Self::Sigmas(_) => "--sigmas",
            Self::Timesteps(_) => "--timesteps",
        }
    }
}

/// Where a ratio list ends (config key `final_sigmas_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Final {
    /// At a clean state.
    Zero,
    /// At the table's smallest ratio.
    SigmaMin,
}

/// Names of the endings, as configurations write them.
pub const FINALS: &[(&str, Final)] = &[("zero", Final::Zero), ("sigma_min", Final::SigmaMin)];

impl Final {
    /// The last noise-to-signal ratio of a run on `table`.
    pub fn ratio(self, table: &Table) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::SigmaMin => table.range().0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::{Source, Value};
    use crate::sampling::schedule::TABLE_KEYS;

    fn config(spacing: &'static str, offset: f64) -> Config {
        let own: &'static [(&str, Value)] = &[("timestep_spacing", Value::Null)];
        let keys =
            [("timestep_spacing".to_owned(), Value::text(spacing)), ("steps_offset".to_owned(), Value::Number(offset))];
        Config::take_over("T", &[TABLE_KEYS, own], &Source { class: "T".into(), keys: keys.into() })
    }

    #[test]
    fn spacings() {
        let cases: [(&str, f64, Grid, &[f64]); 6] = [
            ("leading", 1.0, Grid::WholePoints, &[751.0, 501.0, 251.0, 1.0]),
            ("trailing", 1.0, Grid::WholePoints, &[999.0, 749.0, 499.0, 249.0]),
            ("linspace", 0.0, Grid::WholePoints, &[999.0, 666.0, 333.0, 0.0]),
            ("leading", 1.0, Grid::Intervals, &[801.0, 601.0, 401.0, 201.0]),
            ("linspace", 0.0, Grid::Intervals, &[999.0, 749.0, 500.0, 250.0]),
            ("trailing", 0.0, Grid::Intervals, &[999.0, 749.0, 499.0, 249.0]),
        ];
        for (spacing, offset, grid, want) in cases {
            let got = timesteps(&config(spacing, offset), grid, 4, 1000).unwrap();
            assert_eq!(got, want, "{spacing} {grid:?}");
        }
    }

    #[test]
    fn more_steps_than_timesteps_are_refused() {
        let error = timesteps(&config("leading", 0.0), Grid::Points, 1001, 1000).unwrap_err().to_string();
        assert!(error.contains("1001") && error.contains("1000"), "{error}");
    }
}
