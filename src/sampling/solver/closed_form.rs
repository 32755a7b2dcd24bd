//! Runs on Gaussian data, whose denoiser and probability flow are known in closed form.

use super::{Method, Seen, Tuning, Want};
use crate::sampling::config::{Source, Value};
use crate::sampling::{Latent, Level, Noise};

/// Mean and standard deviation of the data.
pub(super) const MEAN: f64 = 0.4;
pub(super) const DEVIATION: f64 = 0.6;

/// The kind of model.
#[derive(Clone, Copy, Debug)]
pub(super) enum Model {
    Table,
    Flow,
}

impl Model {
    pub(super) fn source(self) -> Source {
        match self {
            Self::Flow => Source { class: "FlowMatchEulerDiscreteScheduler".into(), keys: Default::default() },
            Self::Table => {
                let mut source = Source { class: "EulerDiscreteScheduler".into(), keys: Default::default() };
                source.set("beta_schedule", Value::text("scaled_linear"));
                source.set("beta_start", Value::Number(0.00085));
                source.set("beta_end", Value::Number(0.012));
                source
            }
        }
    }
}

/// The exact clean estimate.
pub(super) fn denoise(x: &Latent, level: Level) -> Latent {
    let Level { alpha, sigma, .. } = level;
    let gain = DEVIATION.powi(2) * alpha / ((alpha * DEVIATION).powi(2) + sigma * sigma);
    x.mapv(|x| (MEAN + gain * (f64::from(x) - alpha * MEAN)) as f32)
}

/// A run to be made.
pub(super) struct Run {
    method: &'static Method,
    source: Source,
    steps: usize,
    tuning: Tuning,
    size: usize,
}

/// A run that was made.
pub(super) struct Ended {
    pub(super) x: Latent,
    /// Where the probability flow would have arrived.
    pub(super) exact: Latent,
    pub(super) evaluations: usize,
}

impl Run {
    pub(super) fn new(name: &str, model: Model, steps: usize) -> Self {
        let method = Method::find(name).unwrap();
        Self { method, source: model.source(), steps, tuning: Tuning::default(), size: 64 }
    }

    pub(super) fn size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    pub(super) fn knob(mut self, name: &str, value: f64) -> Self {
        self.tuning.knobs.insert(name.into(), value);
        self
    }

    pub(super) fn finish(self) -> Ended {
        let sampler = self.method.prepare(&self.source, self.steps, &self.tuning).unwrap();
        let (mut solver, mut noise) = (sampler.solver, Noise::torch(11));
        let mut level = solver.start();
        let unit = noise.normal(&[self.size]);
        // Data and noise of the level, so that the start has the exact law.
        let spread = (level.alpha * DEVIATION).hypot(level.sigma);
        let mut x = unit.mapv(|z| (level.alpha * MEAN + spread * f64::from(z)) as f32);
        let exact = unit.mapv(|z| (MEAN + DEVIATION * f64::from(z)) as f32);
        let mut evaluations = 0;
        loop {
            evaluations += 1;
            let mut clean = denoise(&x, level);
            match solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) {
                Want::Done => return Ended { x, exact, evaluations },
                Want::Next(next) | Want::Probe(next) => level = next,
            }
        }
    }
}

impl Ended {
    /// Root mean square distance from the probability flow.
    pub(super) fn error(&self) -> f64 {
        let square = self.x.iter().zip(&self.exact).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
        (square / self.x.len() as f64).sqrt()
    }

    /// Mean and standard deviation must be the data's but for Monte-Carlo error and `bias`.
    pub(super) fn assert_moments(&self, bias: f64) {
        let count = self.x.len() as f64;
        let mean = self.x.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let deviation = (self.x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count).sqrt();
        let allowed = bias + 3.0 * DEVIATION / count.sqrt();
        assert!((mean - MEAN).abs() < allowed, "mean {mean}");
        assert!((deviation - DEVIATION).abs() < allowed, "deviation {deviation}");
    }
}
