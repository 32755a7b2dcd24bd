//! Models whose denoiser and whose probability flow are known exactly.

use edrun::sampling::config::{Source, Value};
use edrun::sampling::{Latent, Level};

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
