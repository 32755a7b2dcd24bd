//! Samplers with Langevin steps: predictor-corrector (Song et al. 2021) and annealed Langevin
//! dynamics (Song and Ermon 2019).

use anyhow::Result;

use super::moves::split;
use super::{Draw, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{combine, values};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "pc",
    classes: &["ScoreSdeVeScheduler"],
    aliases: &["ScoreSdeVeScheduler", "predictor-corrector"],
    evaluations: 2,
    stochastic: true,
    knobs: &[SNR, CORRECTIONS],
    paper: "Song et al. 2021, arXiv 2011.13456, algorithms 2 and 4",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE, keys::CLIP, PC_KEYS],
    build,
    ..Method::BASE
};

pub(super) const ANNEALED: Method = Method {
    name: "ald",
    classes: &[],
    aliases: &["annealed-langevin"],
    evaluations: 100,
    knobs: &[STEP, INNER],
    paper: "Song and Ermon 2019, arXiv 1907.05600, algorithm 1",
    build: build_annealed,
    ..METHOD
};

const SNR: Knob = Knob { name: "snr", default: 0.16, range: (0.0, 10.0), help: "strength of a correction" };
const CORRECTIONS: Knob =
    Knob { name: "correct_steps", default: 1.0, range: (0.0, 1000.0), help: "Langevin steps before each step down" };
const STEP: Knob = Knob {
    name: "langevin_step",
    default: 0.2,
    range: (1e-6, 1.0),
    help: "length of a Langevin step over sigma^2 (the paper's epsilon / sigma_L^2)",
};
const INNER: Knob =
    Knob { name: "langevin_steps", default: 100.0, range: (1.0, 1e5), help: "Langevin steps at each level" };

/// Keys of the score SDE's class, which speaks of steps as the knobs do.
const PC_KEYS: Defaults = &[("snr", Value::Null), ("correct_steps", Value::Null)];

/// How long a Langevin step is.
#[derive(Clone, Copy, Debug)]
enum Length {
    /// So that the step's drift is a share of its noise: twice `(snr * |noise| / |score|)^2`.
    Ratio(f64),
    /// A share of the level's variance.
    Share(f64),
}

struct Langevin {
    walk: Walk,
    length: Length,
    /// Langevin steps at each level, and those still to come at this one.
    inner: usize,
    left: usize,
    /// Whether a step down is a step of the reverse diffusion; else the state stays as it is.
    predicts: bool,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    // The user's word, else the configuration's, else the default.
    let value = |knob: &Knob| match setup.config.optional_number(knob.name) {
        Ok(Some(value)) if !setup.tuning.knobs.contains_key(knob.name) => Ok(value),
        Ok(_) => Ok(setup.knob(knob)),
        Err(error) => Err(error),
    };
    sampler(setup, Length::Ratio(value(&SNR)?), value(&CORRECTIONS)? as usize, true)
}

fn build_annealed(setup: &Setup<'_>) -> Result<Sampler> {
    sampler(setup, Length::Share(setup.knob(&STEP)), setup.knob(&INNER) as usize, false)
}

fn sampler(setup: &Setup<'_>, length: Length, inner: usize, predicts: bool) -> Result<Sampler> {
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    Sampler::walking(setup.config, steps, start_scale, |walk| {
        let mut solver = Langevin { walk, length, inner, left: 0, predicts, draw: Draw::new() };
        solver.left = solver.inner_at(solver.start());
        solver
    })
}

impl Solver for Langevin {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if self.left > 0 {
            self.left -= 1;
            self.stir(x, clean, at, noise);
            // Annealed Langevin asks once more only where the run ends, for the clean estimate.
            if self.left > 0 || self.predicts || to.is_clean() {
                return Want::Probe(at);
            }
            combine(x, to.alpha / at.alpha, &[]);
        } else if to.is_clean() || at.alpha == 0.0 {
            self.ancestral(x, clean, at, to, noise);
        } else {
            self.predict(x, clean, at, to, noise);
        }
        let want = self.walk.next();
        self.left = self.inner_at(self.walk.step().at);
        want
    }
}

impl Langevin {
    /// Pure noise has its law already.
    fn inner_at(&self, level: Level) -> usize {
        if level.alpha == 0.0 { 0 } else { self.inner }
    }

    /// A Langevin step at one level, with the score `(alpha * clean - x) / sigma^2`.
    fn stir(&mut self, x: &mut Latent, clean: &mut Latent, at: Level, noise: &mut Noise) {
        let variance = at.sigma.powi(2);
        combine(clean, at.alpha / variance, &[(-1.0 / variance, x)]);
        let fresh = self.draw.normal(x, noise);
        let (drift, spread) = match self.length {
            Length::Ratio(snr) => {
                let (noise, score) = (norm(fresh), norm(clean));
                let length = if score > 0.0 { 2.0 * (snr * noise / score).powi(2) } else { 0.0 };
                (length, (2.0 * length).sqrt())
            }
            Length::Share(share) => (share * variance / 2.0, (share * variance).sqrt()),
        };
        combine(x, 1.0, &[(drift, clean), (spread, fresh)]);
    }

    /// A step of the reverse diffusion: the drift takes off the difference of the variances, and as
    /// much is added as noise (Song et al. 2021, appendix E).
    fn predict(&mut self, x: &mut Latent, clean: &Latent, at: Level, to: Level, noise: &mut Noise) {
        let share = (to.ratio() / at.ratio()).powi(2);
        let keep = to.alpha / at.alpha * share;
        let spread = to.alpha * at.ratio() * (1.0 - share).max(0.0).sqrt();
        let fresh = self.draw.normal(clean, noise);
        combine(x, keep, &[(to.alpha * (1.0 - share), clean), (spread, fresh)]);
    }

    /// The exact step from pure noise, and the one to the clean end.
    fn ancestral(&mut self, x: &mut Latent, clean: &Latent, at: Level, to: Level, noise: &mut Noise) {
        let (down, up) = split(at, to, 1.0);
        toward(x, clean, at, down);
        if up > 0.0 {
            self.draw.add(x, up, noise);
        }
    }
}

fn norm(x: &Latent) -> f64 {
    values(x).iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn many_corrected_steps_keep_the_law() {
        for model in [Model::Table, Model::Flow] {
            let run = Run::new("pc", model, 300).knob("snr", 0.05).size(4000).finish();
            run.assert_moments(0.03);
        }
    }

    #[test]
    fn annealed_langevin_finds_the_law() {
        for model in [Model::Table, Model::Flow] {
            let run = Run::new("ald", model, 40).knob("langevin_step", 0.1).size(1500).finish();
            // The clean estimate at the least noise has slightly less spread than the data.
            run.assert_moments(0.04);
        }
    }
}
