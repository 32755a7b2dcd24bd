//! Models whose denoiser and whose probability flow are known exactly.

use edrun::sampling::config::{Source, Value};
use edrun::sampling::solver::{Method, Tuning};
use edrun::sampling::steps::StepList;
use edrun::sampling::{Latent, Level, Noise, Seen, Want};

/// The law of the data, element by element.
#[derive(Clone, Copy, Debug)]
pub enum Data {
    Gaussian,
    Mixture,
}

impl Data {
    /// The exact clean estimate behind `y = clean + ratio * noise` in element `i`.
    pub fn denoise(self, i: usize, y: f64, ratio: f64) -> f64 {
        let mean = 0.8 * (i as f64 * 0.7).sin();
        let deviation = 0.6 + 0.5 * (i as f64 * 1.3).cos().abs();
        let (d2, s2) = (deviation * deviation, ratio * ratio);
        let one = |mean: f64| (d2 * y + s2 * mean) / (d2 + s2);
        match self {
            Self::Gaussian => one(mean),
            Self::Mixture => {
                let weight = |mean: f64| (-(y - mean).powi(2) / (2.0 * (d2 + s2))).exp();
                let (a, b) = (mean - 1.0, mean + 1.0);
                (0.3 * weight(a) * one(a) + 0.7 * weight(b) * one(b)) / (0.3 * weight(a) + 0.7 * weight(b))
            }
        }
    }

    /// Where `y` arrives when it flows from noise-to-signal ratio `high` down to `low`: `dy/dln(ratio) = y - clean`.
    pub fn flow(self, i: usize, mut y: f64, high: f64, low: f64) -> f64 {
        const STEPS: usize = 2000;
        let h = (low / high).ln() / STEPS as f64;
        for k in 0..STEPS {
            let slope = |y: f64, part: f64| y - self.denoise(i, y, high * (h * (k as f64 + part)).exp());
            let a = slope(y, 0.0);
            let b = slope(y + h / 2.0 * a, 0.5);
            let c = slope(y + h / 2.0 * b, 0.5);
            let d = slope(y + h * c, 1.0);
            y += h / 6.0 * (a + 2.0 * b + 2.0 * c + d);
        }
        y
    }
}

/// The clean estimate of a state.
pub fn denoise(data: Data, x: &Latent, level: Level) -> Latent {
    let estimate = |(i, x): (usize, &f32)| data.denoise(i, f64::from(*x) / level.alpha, level.ratio()) as f32;
    Latent::from_shape_vec(x.raw_dim(), x.iter().enumerate().map(estimate).collect()).unwrap()
}

/// A model as a configuration, and the noise scales to run between.
#[derive(Clone, Copy, Debug)]
pub enum Model {
    VariancePreserving,
    Flow,
    /// A Bayesian flow network.
    Bayesian,
}

impl Model {
    pub fn source(self, keys: &[(&str, Value)]) -> Source {
        let mut source = match self {
            Self::VariancePreserving => Source { class: "EulerDiscreteScheduler".into(), keys: Default::default() },
            Self::Flow => Source { class: "FlowMatchEulerDiscreteScheduler".into(), keys: Default::default() },
            Self::Bayesian => Source { class: "BayesianFlowScheduler".into(), keys: Default::default() },
        };
        if matches!(self, Self::VariancePreserving) {
            source.set("beta_schedule", Value::text("scaled_linear"));
            source.set("beta_start", Value::Number(0.00085));
            source.set("beta_end", Value::Number(0.012));
        }
        keys.iter().for_each(|(key, value)| source.set(key, value.clone()));
        source
    }

    /// The noise scales of `steps` steps, even in half log-SNR, from one ratio to another.
    pub fn sigmas(self, steps: usize, high: f64, low: f64) -> Vec<f64> {
        let ratio = |i: usize| high * (low / high).powf(i as f64 / steps as f64);
        let sigma = |ratio: f64| match self {
            Self::VariancePreserving | Self::Bayesian => ratio,
            Self::Flow => ratio / (1.0 + ratio),
        };
        (0..=steps).map(|i| sigma(ratio(i))).collect()
    }
}

/// Root mean square error of a run at a clean end, on the mixture with Stable Diffusion's table, and its evaluations of the
/// model; none where the method or the list is not for such models.
pub fn quality(
    method: &Method,
    keys: &[(&str, Value)],
    schedule: Option<&'static StepList>,
    steps: usize,
) -> Option<(f64, usize)> {
    const SIZE: usize = 256;
    let keys: Vec<_> = keys.iter().cloned().chain([("clip_sample", Value::Bool(false))]).collect();
    let tuning = Tuning { schedule, ..Tuning::default() };
    let mut solver = method.prepare(&Model::VariancePreserving.source(&keys), steps, &tuning).ok()?.solver;
    let mut noise = Noise::torch(1);
    let mut level = solver.start();
    let high = level.ratio();
    if high < 1.0 {
        // Some lists of one step begin at their clean end.
        return None;
    }
    let start = noise.normal(&[SIZE]).mapv(|z| z * (high * high + 1.0).sqrt() as f32);
    let mut x = &start * level.alpha as f32;
    for evaluations in 1.. {
        let mut clean = denoise(Data::Mixture, &x, level);
        match solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) {
            Want::Next(next) | Want::Probe(next) => level = next,
            Want::Done => {
                let off = |(i, (start, got)): (usize, (&f32, &f32))| {
                    Data::Mixture.flow(i, f64::from(*start), high, 1e-3) - f64::from(*got)
                };
                let square: f64 = start.iter().zip(&x).enumerate().map(off).map(|off| off * off).sum();
                return Some(((square / SIZE as f64).sqrt(), evaluations));
            }
        }
    }
    None
}
