//! Symmetric splitting for critically damped Langevin diffusion (Dockhorn et al. 2022): the linear part of a step
//! exactly, in two halves around a step of the velocity along its score.
//!
//! The halves of neighbouring steps are made as one, and the first, which would leave the noise a run starts from as it
//! is, not at all. The last evaluation gives the result.

use anyhow::{Result, bail};

use super::{Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Want, boxed, clip, keys};
use crate::sampling::latent::values_mut;
use crate::sampling::schedule::{Damped, TABLE_KEYS};

pub(super) const METHOD: Method = Method {
    name: "sscs",
    classes: &[Damped::CLASS],
    aliases: &["symmetric-splitting-cld"],
    stochastic: true,
    knobs: &[STRIDING],
    free_steps: false,
    paper: "Dockhorn et al. 2022, arXiv 2112.07068",
    defaults: &[TABLE_KEYS, keys::CLIP],
    build,
    ..Method::BASE
};

const STRIDING: Knob = Knob {
    name: "striding",
    default: 1.0,
    range: (1.0, 4.0),
    help: "power of the time left that steps are even in: 1 linear, 2 quadratic, shorter towards the end",
};

/// Time at which the last estimate is taken.
const END: f64 = 1e-3;

struct Sscs {
    damped: Damped,
    /// Times at which steps begin, from 1 on, and the last one's end.
    times: Vec<f64>,
    index: usize,
    draws: [Latent; 2],
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    if !Damped::is(setup.source) {
        bail!(
            "--sampler sscs is not defined on this model, whose states have no velocity (scheduler class {}); choose \
             another, such as euler or dpmpp-2m",
            Damped::CLASS
        );
    }
    if setup.tuning.strength.is_some() {
        bail!(
            "--init-image cannot be combined with --sampler sscs, whose states have a velocity that no picture gives"
        );
    }
    super::prediction(setup.config)?;
    let damped = Damped::from_source(setup.source)?;
    let empty = || Latent::zeros(vec![0]);
    let times = times(setup.steps, setup.knob(&STRIDING));
    let solver = Sscs { damped, times, index: 0, draws: [empty(), empty()] };
    let solver = boxed(solver, clip(setup.config)?);
    Ok(Sampler { velocity: Some(damped.mass.sqrt()), ..Sampler::new(setup.steps, solver, 1.0) })
}

/// One evaluation goes to the end, so there is one step less.
fn times(evaluations: usize, power: f64) -> Vec<f64> {
    let steps = evaluations.max(2) - 1;
    let left = |i: usize| END + (1.0 - END) * (1.0 - i as f64 / steps as f64).powf(power);
    (0..evaluations).map(left).collect()
}

impl Solver for Sscs {
    fn start(&self) -> Level {
        self.level()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Some(length) = self.length(self.index) else {
            *x = state(clean);
            return Want::Done;
        };
        self.damped.score(clean, x, self.level().t);
        self.damped.kick(x, clean, length);
        let next = self.length(self.index + 1).unwrap_or_default();
        self.draw(x, noise);
        self.damped.drift(x, (length + next) / 2.0, [&self.draws[0], &self.draws[1]]);
        self.index += 1;
        Want::Next(self.level())
    }
}

impl Sscs {
    fn level(&self) -> Level {
        self.damped.level(self.times.get(self.index).copied().unwrap_or(END))
    }

    /// How long a step is in time; none after the last.
    fn length(&self, index: usize) -> Option<f64> {
        Some(self.times.get(index)? - self.times.get(index + 1)?)
    }

    /// Two draws of the shape of a state without its velocity.
    fn draw(&mut self, x: &Latent, noise: &mut Noise) {
        for draw in &mut self.draws {
            if 2 * draw.len() != x.len() {
                *draw = state(x);
            }
            noise.fill_normal(values_mut(draw));
        }
    }
}

/// A doubled state without its velocity.
fn state(x: &Latent) -> Latent {
    x.slice_axis(ndarray::Axis(0), (..x.len_of(ndarray::Axis(0)) / 2).into()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::Source;
    use crate::sampling::solver::Tuning;

    const MEAN: f64 = 0.4;
    const DEVIATION: f64 = 0.6;

    /// The exact estimate of normal data; the solver reads the half of the state alone.
    fn denoise(x: &Latent, time: f64) -> Latent {
        let ([xx, xv, vv], [m, n]) = Damped::IMAGES.marginal(time);
        let d2 = DEVIATION * DEVIATION;
        let (wxx, wxv, wvv) = (xx + m * m * d2, xv + m * n * d2, vv + n * n * d2);
        let determinant = wxx * wvv - wxv * wxv;
        let half = x.len() / 2;
        let mut clean = x.clone();
        for i in 0..half {
            let (x, v) = (f64::from(x[[i]]) - m * MEAN, f64::from(x[[half + i]]) - n * MEAN);
            let part = (m * wvv - n * wxv) * x + (n * wxx - m * wxv) * v;
            clean[[i]] = (MEAN + d2 * part / determinant) as f32;
        }
        clean
    }

    fn run(steps: usize, striding: f64, size: usize) -> Latent {
        let source = Source { class: Damped::CLASS.into(), ..Source::default() };
        let mut tuning = Tuning::default();
        tuning.knobs.insert("striding".into(), striding);
        let sampler = METHOD.prepare(&source, steps, &tuning).unwrap();
        let mut noise = Noise::torch(5);
        let x = noise.normal(&[size]);
        let mut x = sampler.complete(x, &mut noise);
        assert_eq!(x.len(), 2 * size);
        let (mut solver, mut evaluations) = (sampler.solver, 0);
        let mut level = solver.start();
        loop {
            evaluations += 1;
            let mut clean = denoise(&x, level.t);
            match solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) {
                Want::Next(next) | Want::Probe(next) => level = next,
                Want::Done => break,
            }
        }
        assert_eq!(evaluations, steps);
        x
    }

    #[test]
    fn sampling_ends_at_the_law_of_the_data() {
        for (steps, striding) in [(400, 1.0), (100, 2.0), (200, 2.0)] {
            let x = run(steps, striding, 8000);
            let (mean, deviation) = (f64::from(x.mean().unwrap()), f64::from(x.std(0.0)));
            println!("{steps} steps, striding {striding}: mean {mean:.4}, deviation {deviation:.4}");
            assert!((mean - MEAN).abs() < 0.03 && (deviation - DEVIATION).abs() < 0.03, "{steps}: {mean} {deviation}");
        }
    }

    #[test]
    fn a_run_of_one_or_two_steps_is_finite_and_has_the_latents_shape() {
        for steps in [1, 2] {
            let x = run(steps, 1.0, 16);
            assert!(x.len() == 16 && x.iter().all(|v| v.is_finite()));
        }
    }

    #[test]
    fn other_models_are_refused_with_the_reason() {
        let table = Source { class: "DDIMScheduler".into(), ..Source::default() };
        let error = METHOD.prepare(&table, 4, &Tuning::default()).err().unwrap().to_string();
        assert!(error.contains("sscs") && error.contains("velocity"), "{error}");
    }
}
