//! Gotta Go Fast (Jolicoeur-Martineau et al. 2021): an adaptive solver of the reverse diffusion.
//!
//! It runs in the form `y = clean + ratio * noise` with the logarithm of the ratio as time, in which
//! every model has the same diffusion `dy = 2 (y - clean) dtime + sqrt(2) ratio dW`, and chooses its
//! own levels. `--steps` bounds the steps it tries: the last quarter of them reaches the end, whatever
//! the tolerance.

use std::sync::Arc;

use anyhow::Result;

use super::adaptive::{Budget, root_mean_square};
use super::{Draw, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Want, boxed, clip};
use crate::sampling::latent::{combine, copy_into, values};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::NoiseSchedule;
use crate::sampling::steps::Grid;

pub(super) const METHOD: Method = Method {
    name: "ggf",
    aliases: &["gotta-go-fast"],
    evaluations: 2,
    stochastic: true,
    knobs: &[RELATIVE, ABSOLUTE],
    free_steps: false,
    paper: "Jolicoeur-Martineau et al. 2021, arXiv 2105.14080",
    defaults: Method::CLIPPED,
    build,
    ..Method::BASE
};

const RELATIVE: Knob =
    Knob { name: "rtol", default: 0.01, range: (1e-6, 10.0), help: "error allowed a step, relative to the state" };
const ABSOLUTE: Knob = Knob {
    name: "atol",
    default: 0.0078,
    range: (1e-6, 10.0),
    help: "error allowed a step: one of 256 shades for data in -1..1",
};

/// The paper's constants: first step over the whole range, safety, and exponent of the error.
const FIRST: f64 = 0.01;
const SAFETY: f64 = 0.9;
const EXPONENT: f64 = 0.9;

/// A ratio that stands for pure noise, where a model starts without any signal.
const PURE: f64 = 1000.0;

struct Ggf {
    schedule: Arc<dyn NoiseSchedule>,
    rtol: f64,
    atol: f64,
    /// Where the step begins: its ratio, its state, and the model's estimate of it.
    ratio: f64,
    y: Latent,
    clean: Latent,
    /// The first, plain step's state, also of the last accepted step.
    plain: Latent,
    plain_before: Latent,
    draw: Draw,
    /// Length of the step being tried, and whether it is.
    length: f64,
    trying: bool,
    budget: Budget,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let Plan { steps, start_scale, schedule } = setup.plan(Grid::Points)?;
    let first = steps.first().map_or(f64::INFINITY, |step| step.at.ratio());
    let ratio = first.min(PURE);
    let length = FIRST * (ratio / lowest(&*schedule)).ln();
    let empty = || Latent::zeros(vec![0]);
    let solver = Ggf {
        schedule,
        rtol: setup.knob(&RELATIVE),
        atol: setup.knob(&ABSOLUTE),
        ratio,
        y: empty(),
        clean: empty(),
        plain: empty(),
        plain_before: empty(),
        draw: Draw::new(),
        length,
        trying: false,
        budget: Budget::new(setup.steps),
    };
    Ok(Sampler::new(setup.steps, boxed(solver, clip(setup.config)?), start_scale))
}

/// The least ratio that the model was trained at.
fn lowest(schedule: &dyn NoiseSchedule) -> f64 {
    schedule.at_sigma(schedule.sigmas().0).ratio()
}

impl Solver for Ggf {
    fn start(&self) -> Level {
        self.level(self.ratio)
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        if self.trying {
            return self.judge(x, clean, noise);
        }
        let scale = 1.0 / self.level(self.ratio).alpha;
        copy_into(&mut self.y, x);
        combine(&mut self.y, scale, &[]);
        copy_into(&mut self.clean, clean);
        if self.plain_before.shape() != x.shape() {
            self.plain_before = Latent::zeros(x.raw_dim());
        }
        if self.rest() <= 1e-9 {
            copy_into(x, clean);
            return Want::Done;
        }
        self.attempt(x, noise)
    }
}

impl Ggf {
    fn level(&self, ratio: f64) -> Level {
        self.schedule.at_half_log_snr(-ratio.ln())
    }

    /// Time left to the least noise.
    fn rest(&self) -> f64 {
        (self.ratio / lowest(&*self.schedule)).ln()
    }

    /// Makes the plain step and asks the model about its end.
    fn attempt(&mut self, x: &mut Latent, noise: &mut Noise) -> Want {
        if self.length < self.budget.least(self.rest()) {
            return self.hurry(x, noise);
        }
        self.length = self.length.min(self.rest());
        let fresh = self.draw.normal(&self.y, noise);
        let (drift, spread) = (-2.0 * self.length, (2.0 * self.length).sqrt() * self.ratio);
        copy_into(&mut self.plain, &self.y);
        combine(&mut self.plain, 1.0 + drift, &[(-drift, &self.clean), (spread, fresh)]);
        self.trying = true;
        let end = self.level(self.ratio * (-self.length).exp());
        copy_into(x, &self.plain);
        combine(x, end.alpha, &[]);
        Want::Probe(end)
    }

    /// The step that is exact for an estimate that stays, of any length: where there are too few steps
    /// left for the tolerance, the plain step would not be stable.
    fn hurry(&mut self, x: &mut Latent, noise: &mut Noise) -> Want {
        let length = self.budget.least(self.rest());
        let (keep, end) = ((-2.0 * length).exp(), self.level(self.ratio * (-length).exp()));
        let fresh = self.draw.normal(&self.y, noise);
        copy_into(x, &self.y);
        let terms = [(end.alpha * (1.0 - keep), &self.clean), (end.sigma * (1.0 - keep).sqrt(), fresh)];
        combine(x, end.alpha * keep, &terms);
        self.ratio = end.ratio();
        self.budget.spend();
        Want::Next(end)
    }

    /// Accepts the mean of the plain step and the one from its end, or tries a shorter step.
    fn judge(&mut self, x: &mut Latent, clean: &Latent, noise: &mut Noise) -> Want {
        self.trying = false;
        let end = self.ratio * (-self.length).exp();
        let spread = (2.0 * self.length).sqrt() * end;
        // The step from the end of the plain one, drawn with the same noise; then their mean.
        let improved = x;
        copy_into(improved, &self.y);
        let drift = -2.0 * self.length;
        let terms = [(drift / 2.0, &self.plain), (-drift / 2.0, clean), (spread / 2.0, &self.draw.0)];
        combine(improved, 0.5, &terms);
        combine(improved, 1.0, &[(0.5, &self.plain)]);
        let error = self.error(improved);
        let used = self.length;
        self.length = SAFETY * used * error.max(1e-6).powf(-EXPONENT);
        self.budget.spend();
        if error > 1.0 || error.is_nan() {
            self.length = self.length.min(SAFETY * used);
            return self.attempt(improved, noise);
        }
        self.ratio = end;
        std::mem::swap(&mut self.plain, &mut self.plain_before);
        let level = self.level(end);
        combine(improved, level.alpha, &[]);
        Want::Next(level)
    }

    /// Distance of the two steps over what is allowed, as a root mean square.
    fn error(&self, improved: &Latent) -> f64 {
        let pairs = values(improved).iter().zip(values(&self.plain)).zip(values(&self.plain_before));
        root_mean_square(pairs.map(|((improved, plain), before)| {
            let size = f64::from(plain.abs().max(before.abs()));
            (f64::from(improved - plain), self.atol.max(self.rtol * size))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};

    #[test]
    fn the_law_is_kept_and_a_looser_tolerance_is_cheaper() {
        for model in [Model::Table, Model::Flow] {
            let run = |tol| Run::new("ggf", model, 1000).size(2000).knob("rtol", tol).knob("atol", tol).finish();
            let (tight, loose) = (run(0.02), run(0.1));
            tight.assert_moments(0.03);
            assert!(loose.evaluations < tight.evaluations, "{} {}", loose.evaluations, tight.evaluations);
        }
    }

    #[test]
    fn the_step_count_bounds_the_work() {
        for model in [Model::Table, Model::Flow] {
            for steps in [1, 2, 7] {
                let run = Run::new("ggf", model, steps).finish();
                assert!(run.evaluations <= 2 * steps + 1 && run.x.iter().all(|v| v.is_finite()));
            }
        }
    }
}
