//! The Gaussian mixture solver (Guo et al. 2023): each reverse transition is a mixture of two Gaussians with the mean, the
//! variance and the third moment that the network gives.
//!
//! The network says the means of the noise's square and of its cube, element by element, in two groups of channels after
//! the noise itself.

use std::f64::consts::FRAC_PI_2;

use anyhow::Result;

use super::ddpm::Reverse;
use super::{Draw, Knob, Latent, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want, clip, keys};
use crate::sampling::Prediction;
use crate::sampling::config::{Defaults, Value};
use crate::sampling::latent::{copy_into, values, values_mut};
use crate::sampling::prediction::Clip;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, Step, chain, timesteps};

pub(super) const METHOD: Method = Method {
    name: "gms",
    aliases: &["gaussian-mixture-solver"],
    stochastic: true,
    extra_groups: 2,
    knobs: &[LAST],
    free_steps: false,
    paper: "Guo et al. 2023, arXiv 2311.00941",
    defaults: &[TABLE_KEYS, keys::CLIP, keys::RESCALE, KEYS],
    build,
    ..Method::BASE
};

const KEYS: Defaults = &[("clip_sample", Value::Bool(true)), ("timestep_spacing", Value::text("leading"))];

const LAST: Knob = Knob {
    name: "clip_pixel",
    default: 2.0,
    range: (0.0, 255.0),
    help: "most noise of the last step that adds any, in shades of 255 for data in -1..1",
};

struct Gms {
    walk: Walk,
    clip: Clip,
    /// Largest deviation of the last step that adds noise.
    last: f64,
    /// The network's own noise estimate, before a clip.
    first: Latent,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    super::prediction(setup.config)?;
    let table = setup.table(true)?;
    let times = timesteps(setup.config, Grid::WholePoints, setup.steps, table.len())?;
    let levels: Vec<Level> = times.iter().map(|t| table.at(*t as i64)).chain([Level::CLEAN]).collect();
    let steps = setup.late(chain(&levels))?;
    let count = steps.len();
    let solver = Gms {
        walk: Walk::new(steps),
        clip: clip(setup.config)?,
        last: setup.knob(&LAST) * 2.0 / 255.0 * FRAC_PI_2.sqrt(),
        first: Latent::zeros(vec![0]),
        draw: Draw::new(),
    };
    Ok(Sampler::new(count, Box::new(solver), 1.0))
}

impl Solver for Gms {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, extra }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        copy_into(&mut self.first, clean);
        Prediction::Epsilon.from_clean(&mut self.first, x, at);
        self.clip.apply(clean);
        match extra {
            Some(extra) if !to.is_clean() => self.transition(x, clean, extra, at, to, noise),
            _ => copy_into(x, clean),
        }
        self.walk.next()
    }

    fn extra_groups(&self) -> usize {
        METHOD.extra_groups
    }
}

impl Gms {
    /// Which part of the mixtures a state moves by is drawn once for all its elements, as in the reference.
    fn transition(&mut self, x: &mut Latent, clean: &Latent, extra: &Latent, at: Level, to: Level, noise: &mut Noise) {
        let (reverse, ratio) = (Reverse::between(at, to), at.ratio());
        let is_last = self.walk.left() == 1;
        let fresh = self.draw.normal(clean, noise);
        let mut choice = [0.0];
        noise.fill_normal(&mut choice);
        let far = f64::from(choice[0]) < Mixture::QUANTILE;
        let (second, third) = values(extra).split_at(clean.len().min(extra.len()));
        let said = values(&self.first).iter().zip(second).zip(third);
        for (((x, clean), fresh), ((first, second), third)) in
            values_mut(x).iter_mut().zip(values(clean)).zip(values(fresh)).zip(said)
        {
            let noise = [first, second, third].map(|v| f64::from(*v));
            let [mean, variance, third] = moments(reverse, ratio, f64::from(*x), f64::from(*clean), noise);
            let (mean, deviation) = match is_last {
                true => (mean, variance.sqrt().min(self.last)),
                false => Mixture::fitted(mean, variance, third).part(far),
            };
            *x = (mean + deviation * f64::from(*fresh)) as f32;
        }
    }
}

/// Mean, variance and third central moment of a reverse transition of one element, from its state, its clean estimate
/// and the mean powers of its noise. The clean signal's moments are those of the noise, scaled.
fn moments(reverse: Reverse, ratio: f64, x: f64, clean: f64, [first, second, third]: [f64; 3]) -> [f64; 3] {
    // The variance of data in -1..1 is at most 1.
    let spread = (ratio.powi(2) * (second - first * first)).clamp(0.0, 1.0);
    let skew = -ratio.powi(3) * (third - 3.0 * first * second + 2.0 * first.powi(3));
    let Reverse { of_x, of_clean, least, .. } = reverse;
    [of_x * x + of_clean * clean, least + of_clean.powi(2) * spread, of_clean.powi(3) * skew]
}

/// Two Gaussians of one deviation: a third of the weight at `far`, two thirds at `near`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mixture {
    far: f64,
    near: f64,
    deviation: f64,
}

impl Mixture {
    /// A standard normal number falls below this with the weight of the lighter part.
    const QUANTILE: f64 = -0.430_727_299_295_457_6;

    /// The mixture with given mean, variance and third central moment.
    ///
    /// In closed form, where the reference fits it by 70 steps of gradient descent: with `b` the distance of the heavier
    /// part, the variance between the parts is `2 b^2` and the third moment `-2 b^3`. Where that leaves the parts less
    /// than a tenth of the variance, they are drawn together.
    fn fitted(mean: f64, variance: f64, third: f64) -> Self {
        let most = (0.45 * variance).sqrt();
        let b = (-(third / 2.0).cbrt()).clamp(-most, most);
        Self { far: mean - 2.0 * b, near: mean + b, deviation: (variance - 2.0 * b * b).max(0.0).sqrt() }
    }

    /// Mean and deviation of one of its parts.
    fn part(self, far: bool) -> (f64, f64) {
        (if far { self.far } else { self.near }, self.deviation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::Source;
    use crate::sampling::solver::Tuning;

    #[test]
    fn the_mixture_has_the_moments() {
        for (mean, variance, third) in [(0.3, 0.5, 0.2), (-1.0, 0.02, -0.001), (0.0, 1.0, 0.0), (2.0, 0.3, -0.09)] {
            let Mixture { far, near, deviation } = Mixture::fitted(mean, variance, third);
            let moment = |f: &dyn Fn(f64) -> f64| (f(far - mean) + 2.0 * f(near - mean)) / 3.0;
            let v = deviation * deviation;
            assert!(moment(&|d| d).abs() < 1e-10);
            assert!((moment(&|d| d * d + v) - variance).abs() < 1e-10);
            assert!((moment(&|d| d.powi(3) + 3.0 * d * v) - third).abs() < 1e-10);
        }
    }

    #[test]
    fn too_much_skew_keeps_mean_and_variance() {
        let Mixture { far, near, deviation } = Mixture::fitted(0.1, 0.2, 5.0);
        let between = ((far - 0.1).powi(2) + 2.0 * (near - 0.1).powi(2)) / 3.0;
        assert!(((far + 2.0 * near) / 3.0 - 0.1).abs() < 1e-12);
        assert!((between + deviation * deviation - 0.2).abs() < 1e-12 && (deviation.powi(2) - 0.02).abs() < 1e-12);
    }

    /// Data of two values, which makes every posterior a sum of two.
    const ATOMS: [(f64, f64); 2] = [(-0.6, 0.25), (0.5, 0.75)];

    /// The mean of a function of the clean signal behind a state.
    fn posterior(x: f64, level: Level, f: impl Fn(f64) -> f64) -> f64 {
        let distance = |c: f64| (x - level.alpha * c).powi(2) / (2.0 * level.sigma.powi(2));
        // Of the nearer value: far from both, neither density is above zero.
        let least = ATOMS.iter().map(|(c, _)| distance(*c)).fold(f64::INFINITY, f64::min);
        let density = |c: f64| (least - distance(c)).exp();
        let total: f64 = ATOMS.iter().map(|(c, w)| w * density(*c)).sum();
        ATOMS.iter().map(|(c, w)| w * density(*c) * f(*c)).sum::<f64>() / total
    }

    fn noise_powers(x: f64, level: Level) -> [f64; 3] {
        [1, 2, 3].map(|n| posterior(x, level, |c| ((x - level.alpha * c) / level.sigma).powi(n)))
    }

    #[test]
    fn moments_are_those_of_the_exact_posterior() {
        let (from, to) = (Level::from_ratio(0.0, 1.4), Level::from_ratio(0.0, 0.9));
        let (x, reverse) = (0.37, Reverse::between(from, to));
        let center = |c: f64| reverse.of_x * x + reverse.of_clean * c;
        let mean = posterior(x, from, center);
        let square = reverse.least + posterior(x, from, |c| (center(c) - mean).powi(2));
        let want = [mean, square, posterior(x, from, |c| (center(c) - mean).powi(3))];
        let got = moments(reverse, from.ratio(), x, posterior(x, from, |c| c), noise_powers(x, from));
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-10), "{got:?} {want:?}");
    }

    /// The results of many runs of one element each, sorted.
    fn runs(name: &str, steps: usize) -> Vec<f64> {
        let source = Source { class: "DDPMScheduler".into(), ..Source::default() };
        let tuning = Tuning { extra_groups: 2, ..Tuning::default() };
        let mut noise = Noise::torch(4);
        let mut ends: Vec<f64> = (0..4000)
            .map(|_| {
                let mut solver = Method::find(name).unwrap().prepare(&source, steps, &tuning).unwrap().solver;
                let (mut x, mut level) = (noise.normal(&[1]), solver.start());
                loop {
                    let state = f64::from(x[[0]]);
                    let mut clean = Latent::from_elem(vec![1], posterior(state, level, |c| c) as f32);
                    let said = noise_powers(state, level).map(|v| v as f32);
                    let extra = Latent::from_shape_vec(vec![2], said[1..].to_vec()).unwrap();
                    let seen = Seen { x: &mut x, clean: &mut clean, extra: Some(&extra) };
                    match solver.advance(seen, &mut noise) {
                        Want::Next(next) | Want::Probe(next) => level = next,
                        Want::Done => break f64::from(x[[0]]),
                    }
                }
            })
            .collect();
        ends.sort_by(f64::total_cmp);
        ends
    }

    #[test]
    fn few_steps_end_nearer_to_the_data_than_ddpms() {
        // Wasserstein distance: the data's quantiles are its two values.
        let distance = |ends: &[f64]| {
            let quantile =
                |i: usize| if (i as f64 + 0.5) / (ends.len() as f64) < ATOMS[0].1 { ATOMS[0].0 } else { ATOMS[1].0 };
            ends.iter().enumerate().map(|(i, end)| (end - quantile(i)).abs()).sum::<f64>() / ends.len() as f64
        };
        for steps in [5, 10] {
            let (mixture, gaussian) = (distance(&runs("gms", steps)), distance(&runs("ddpm", steps)));
            println!("{steps} steps: gms {mixture:.4}, ddpm {gaussian:.4}");
            assert!(mixture < 0.9 * gaussian, "{steps} steps: {mixture} {gaussian}");
        }
    }

    #[test]
    fn a_network_without_moments_is_refused() {
        let source = Source { class: "DDPMScheduler".into(), ..Source::default() };
        let error = METHOD.prepare(&source, 5, &Tuning::default()).err().unwrap().to_string();
        assert!(error.contains("gms") && error.contains("beyond its prediction"), "{error}");
    }
}
