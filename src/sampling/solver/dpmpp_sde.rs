//! DPM-Solver++ singlestep with fresh noise: ancestral 2S and the SDE with a midpoint (k-diffusion).

use std::sync::Arc;

use anyhow::Result;

use super::increments::Increments;
use super::moves::split;
use super::{
    Config, Defaults, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want, keys, lms,
};
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::level::toward;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::{Grid, Step};

pub(super) const ANCESTRAL: Method = Method {
    name: "dpmpp-2s-a",
    aliases: &["sample_dpmpp_2s_ancestral", "dpmpp_2s_ancestral"],
    order: 2,
    evaluations: 2,
    stochastic: true,
    takes_eta: true,
    knobs: &[S_NOISE],
    paper: "k-diffusion, sample_dpmpp_2s_ancestral; Lu et al. 2022, arXiv 2211.01095",
    build,
    ..Method::BASE
};

pub(super) const METHOD: Method = Method {
    name: "dpmpp-sde",
    classes: &["DPMSolverSDEScheduler"],
    aliases: &["DPMSolverSDEScheduler", "sample_dpmpp_sde"],
    knobs: &[S_NOISE, R],
    paper: "k-diffusion, sample_dpmpp_sde; Lu et al. 2022, arXiv 2211.01095",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE, keys::STABLE_DIFFUSION, KEYS],
    ..ANCESTRAL
};

const KEYS: Defaults =
    &[("beta_start", Value::Number(0.00085)), ("beta_end", Value::Number(0.012)), ("noise_sampler_seed", Value::Null)];

/// Strength of the fresh noise.
pub(super) const S_NOISE: Knob =
    Knob { name: "s_noise", default: 1.0, range: (0.0, 2.0), help: "factor of the fresh noise" };

const R: Knob = Knob {
    name: "r",
    default: 0.5,
    range: (0.05, 1.0),
    help: "where in the step the second evaluation lies, in half log-SNR",
};

struct Midpoint {
    walk: Walk,
    schedule: Arc<dyn NoiseSchedule>,
    eta: f64,
    s_noise: f64,
    /// Where the second evaluation lies.
    share: f64,
    /// Whether it is reached with noise, too.
    noisy: bool,
    before: Latent,
    first: Latent,
    inside: bool,
    noise: Increments,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let noisy = setup.name == METHOD.name;
    let plan = if noisy { lms::unbounded_plan(setup, &METHOD)? } else { setup.plan(Grid::Points)? };
    let noise = if noisy { Increments::brownian(&plan, seed(setup.config)?) } else { Increments::drawn(&plan) };
    let Plan { steps, start_scale, schedule } = plan;
    let empty = || Latent::zeros(vec![0]);
    Sampler::walking(setup.config, steps, start_scale, |walk| Midpoint {
        noise,
        walk,
        schedule,
        eta: setup.tuning.eta.unwrap_or(1.0),
        s_noise: setup.knob(&S_NOISE),
        share: if noisy { setup.knob(&R) } else { R.default },
        noisy,
        before: empty(),
        first: empty(),
        inside: false,
    })
}

/// The key `noise_sampler_seed`, which makes the noise the same for every request.
fn seed(config: &Config) -> Result<Option<u64>> {
    match config.get("noise_sampler_seed") {
        Value::Null => Ok(None),
        _ => Ok(Some(config.count("noise_sampler_seed", 0)? as u64)),
    }
}

impl Solver for Midpoint {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if self.inside {
            self.inside = false;
            copy_into(x, &self.before);
            let second = 1.0 / (2.0 * self.share);
            combine(clean, second, &[(1.0 - second, &self.first)]);
            self.step(x, clean, at, to, noise);
            return self.walk.next();
        }
        match self.middle(at, to) {
            Some(middle) => {
                self.look(x, clean, at, middle, noise);
                Want::Probe(middle)
            }
            None => {
                self.step(x, clean, at, to, noise);
                self.walk.next()
            }
        }
    }
}

impl Midpoint {
    /// The level of the second evaluation; none where the step's length has no middle.
    fn middle(&self, at: Level, to: Level) -> Option<Level> {
        let end = if self.noisy { to } else { split(at, to, self.eta).0 };
        if at.alpha == 0.0 || end.is_clean() {
            return None;
        }
        let (from, end) = (at.half_log_snr(), end.half_log_snr());
        Some(self.schedule.at_half_log_snr(from + self.share * (end - from)))
    }

    /// Remembers the step's beginning and goes to its middle.
    fn look(&mut self, x: &mut Latent, clean: &Latent, at: Level, middle: Level, noise: &mut Noise) {
        copy_into(&mut self.before, x);
        copy_into(&mut self.first, clean);
        match self.noisy {
            true => self.step(x, clean, at, middle, noise),
            false => toward(x, clean, at, middle),
        }
        self.inside = true;
    }

    /// A step of first order with fresh noise.
    fn step(&mut self, x: &mut Latent, clean: &Latent, at: Level, to: Level, noise: &mut Noise) {
        let (down, up) = split(at, to, self.eta);
        toward(x, clean, at, down);
        if !to.is_clean() {
            combine(x, 1.0, &[(self.s_noise * up, self.noise.unit(at, to, clean, noise))]);
        }
    }
}
