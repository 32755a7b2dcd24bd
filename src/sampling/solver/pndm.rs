//! Pseudo numerical methods (Liu et al. 2022): Runge-Kutta warm-up, then linear multistep.
//!
//! The history holds what the network said (noise or velocity), because the reference mixes that.

use anyhow::{Result, bail};

use super::{History, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Want};
use crate::sampling::Prediction;
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, timesteps};

pub(super) const METHOD: Method = Method {
    name: "pndm",
    classes: &["PNDMScheduler"],
    aliases: &["PNDMScheduler", "plms"],
    order: 2,
    free_steps: false,
    paper: "Liu et al. 2022, arXiv 2202.09778",
    defaults: &[TABLE_KEYS, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[
    ("skip_prk_steps", Value::Bool(false)),
    ("set_alpha_to_one", Value::Bool(false)),
    ("timestep_spacing", Value::text("leading")),
];

/// One evaluation: where the network looks, and which move of the state follows.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: Level,
    from: Level,
    to: Level,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The k-th slope of a Runge-Kutta step.
    Slope(u8),
    /// The first multistep move, before there is a history.
    First,
    /// The second look at the first move: its slopes are averaged.
    Second,
    /// Adams-Bashforth on the history.
    Multistep,
}

struct Pndm {
    moves: Vec<Move>,
    index: usize,
    prediction: Prediction,
    outputs: History,
    slope: Latent,
    before: Latent,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let table = setup.table(false)?;
    let prediction = super::prediction(setup.config)?;
    if matches!(prediction, Prediction::Sample | Prediction::Flow | Prediction::RisingFlow) {
        bail!(
            "the scheduler key prediction_type is neither epsilon nor v_prediction, which pndm cannot honour; choose another --sampler"
        );
    }
    let last = super::ddim::last_level(setup, &table)?;
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let times: Vec<i64> = setup.late(times.iter().map(|t| *t as i64).collect())?;
    let level = |t: i64| if t >= 0 { table.at(t) } else { last };
    let stride = (table.len() / setup.steps) as i64;
    let moves = match setup.config.flag("skip_prk_steps")? {
        true => multistep_moves(&times, stride, level),
        false => runge_kutta_moves(&times, stride, level)?,
    };
    let empty = || Latent::zeros(vec![0]);
    let solver = Pndm { moves, index: 0, prediction, outputs: History::new(4), slope: empty(), before: empty() };
    Ok(Sampler::new(times.len(), Box::new(solver), 1.0))
}

fn multistep_moves(times: &[i64], stride: i64, level: impl Fn(i64) -> Level) -> Vec<Move> {
    let plain = |t: &i64, stage| Move { at: level(*t), from: level(*t), to: level(t - stride), stage };
    let mut moves: Vec<Move> = times.iter().map(|t| plain(t, Stage::Multistep)).collect();
    if let Some(first) = moves.first_mut() {
        first.stage = Stage::First;
    }
    if let Some(t) = times.get(1) {
        moves.insert(1, Move { at: level(*t), from: level(t + stride), to: level(*t), stage: Stage::Second });
    }
    moves
}

/// Three classical fourth-order steps, each with the reference's own half-way timesteps.
fn runge_kutta_moves(times: &[i64], stride: i64, level: impl Fn(i64) -> Level) -> Result<Vec<Move>> {
    if times.len() < 4 {
        bail!("--steps {} is too few for pndm with Runge-Kutta steps; use at least 4 or --sampler ddim", times.len());
    }
    let half = stride / 2;
    let mut moves = Vec::new();
    for pair in times.windows(2).take(3) {
        let [from, next] = [pair[0], pair[1]];
        let targets = [(from, from - half), (next + half, next + half), (next + half, next), (next, next)];
        for (stage, (at, to)) in (0..).zip(targets) {
            moves.push(Move { at: level(at), from: level(from), to: level(to), stage: Stage::Slope(stage) });
        }
    }
    let plain = |t: &i64| Move { at: level(*t), from: level(*t), to: level(t - stride), stage: Stage::Multistep };
    moves.extend(times.iter().skip(3).map(plain));
    Ok(moves)
}

impl Solver for Pndm {
    fn start(&self) -> Level {
        self.moves.first().map_or(Level::CLEAN, |m| m.at)
    }

    fn advance(&mut self, Seen { x, clean: output, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Some(now) = self.moves.get(self.index).copied() else { return Want::Done };
        self.prediction.from_clean(output, x, now.at);
        match now.stage {
            Stage::Slope(k) => self.slope(k, x, output, now),
            Stage::First => {
                copy_into(&mut self.before, x);
                self.outputs.push(output);
                self.apply(x, now, &[1.0]);
            }
            Stage::Second => {
                copy_into(x, &self.before);
                combine(output, 0.5, &[]);
                self.slope_from(output);
                if let Some(first) = self.outputs.get(0) {
                    combine(&mut self.slope, 1.0, &[(0.5, first)]);
                }
                apply_slope(self.prediction, x, now, &self.slope);
            }
            Stage::Multistep => {
                self.outputs.push(output);
                let weights = adams_bashforth(self.outputs.len());
                self.apply(x, now, weights);
            }
        }
        self.index += 1;
        self.want(now)
    }
}

/// Adams-Bashforth weights, newest first.
fn adams_bashforth(order: usize) -> &'static [f64] {
    const FOUR: [f64; 4] = [55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0];
    match order {
        0 | 1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => &FOUR,
    }
}

/// Coefficients `(of the state, of the network's output)` of a DDIM move.
fn coefficients(prediction: Prediction, now: Move) -> (f64, f64) {
    let keep = now.to.alpha / now.from.alpha;
    let pull = now.to.sigma - keep * now.from.sigma;
    match prediction {
        Prediction::Velocity => (keep + pull * now.from.sigma, pull * now.from.alpha),
        _ => (keep, pull),
    }
}

fn apply_slope(prediction: Prediction, x: &mut Latent, now: Move, slope: &Latent) {
    let (keep, pull) = coefficients(prediction, now);
    combine(x, keep, &[(pull, slope)]);
}

impl Pndm {
    fn apply(&self, x: &mut Latent, now: Move, weights: &[f64]) {
        let (keep, pull) = coefficients(self.prediction, now);
        combine(x, keep, &[]);
        for (back, weight) in weights.iter().enumerate() {
            if let Some(output) = self.outputs.get(back) {
                combine(x, 1.0, &[(pull * weight, output)]);
            }
        }
    }

    fn slope_from(&mut self, output: &Latent) {
        copy_into(&mut self.slope, output);
    }

    /// Digests one of the four slopes of a Runge-Kutta step.
    fn slope(&mut self, k: u8, x: &mut Latent, output: &mut Latent, now: Move) {
        const WEIGHTS: [f64; 4] = [1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0];
        let weight = WEIGHTS.get(usize::from(k)).copied().unwrap_or_default();
        if k == 0 {
            copy_into(&mut self.before, x);
            self.slope_from(output);
            combine(&mut self.slope, weight, &[]);
        } else {
            combine(&mut self.slope, 1.0, &[(weight, output)]);
            copy_into(x, &self.before);
        }
        if k == 3 {
            apply_slope(self.prediction, x, now, &self.slope);
        } else {
            apply_slope(self.prediction, x, now, output);
        }
        if k == 0 {
            self.outputs.push(output);
        }
    }

    fn want(&self, done: Move) -> Want {
        let Some(next) = self.moves.get(self.index) else { return Want::Done };
        match done.stage {
            Stage::First | Stage::Slope(0..=2) => Want::Probe(next.at),
            _ => Want::Next(next.at),
        }
    }
}
