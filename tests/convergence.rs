//! Orders of convergence on closed-form models.
//!
//! The data are Gaussian or a mixture of two Gaussians, so the exact denoiser is known, and a fine
//! Runge-Kutta integration in f64 gives the exact solution of the probability-flow ODE. Each method
//! runs over ever finer step lists and the error must fall with its stated order. Runs are compared
//! before their last step, which goes to a clean state and is of first order in most methods; they
//! begin where the denoiser hardly changes, so that the lower orders a multistep method begins with
//! do not show.

use edrun::sampling::config::{Source, Value};
use edrun::sampling::solver::{METHODS, Method, Tuning};
use edrun::sampling::steps::Custom;
use edrun::sampling::{Latent, Level, Noise, Seen, Want};

const SIZE: usize = 64;
const HIGH: f64 = 40.0;
const LOW: f64 = 0.3;

/// The law of the data, element by element.
#[derive(Clone, Copy, Debug)]
enum Data {
    Gaussian,
    Mixture,
}

impl Data {
    /// The exact clean estimate behind `y = clean + ratio * noise` in element `i`.
    fn denoise(self, i: usize, y: f64, ratio: f64) -> f64 {
        let mean = 0.8 * (i as f64 * 0.7).sin();
        let deviation = 0.6 + 0.5 * (i as f64 * 1.3).cos().abs();
        let (d2, s2) = (deviation * deviation, ratio * ratio);
        let one = |mean: f64| (d2 * y + s2 * mean) / (d2 + s2);
        match self {
            Self::Gaussian => one(mean),
            Self::Mixture => {
                let weight = |mean: f64| (-(y - mean).powi(2) / (2.0 * (d2 + s2))).exp();
                let (a, b) = (mean - 1.0, mean + 1.0);
                (weight(a) * one(a) + weight(b) * one(b)) / (weight(a) + weight(b))
            }
        }
    }

    /// Where `y` arrives when it flows from `HIGH` to `LOW`: `dy/dln(ratio) = y - clean`.
    fn flow(self, i: usize, mut y: f64) -> f64 {
        const STEPS: usize = 2000;
        let h = (LOW / HIGH).ln() / STEPS as f64;
        for k in 0..STEPS {
            let slope = |y: f64, part: f64| y - self.denoise(i, y, HIGH * (h * (k as f64 + part)).exp());
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
fn denoise(data: Data, x: &Latent, level: Level) -> Latent {
    let estimate = |(i, x): (usize, &f32)| data.denoise(i, f64::from(*x) / level.alpha, level.ratio()) as f32;
    Latent::from_shape_vec(x.raw_dim(), x.iter().enumerate().map(estimate).collect()).unwrap()
}

/// A model as a configuration, and the noise scales to run between.
#[derive(Clone, Copy, Debug)]
enum Model {
    VariancePreserving,
    Flow,
}

impl Model {
    fn source(self, keys: &[(&str, Value)]) -> Source {
        let mut source = match self {
            Self::VariancePreserving => Source { class: "EulerDiscreteScheduler".into(), keys: Default::default() },
            Self::Flow => Source { class: "FlowMatchEulerDiscreteScheduler".into(), keys: Default::default() },
        };
        if matches!(self, Self::VariancePreserving) {
            source.set("beta_schedule", Value::text("scaled_linear"));
            source.set("beta_start", Value::Number(0.00085));
            source.set("beta_end", Value::Number(0.012));
        }
        keys.iter().for_each(|(key, value)| source.set(key, value.clone()));
        source
    }

    /// `steps` steps, even in half log-SNR, and one more to the clean end.
    fn sigmas(self, steps: usize) -> Vec<f64> {
        let ratio = |i: usize| HIGH * (LOW / HIGH).powf(i as f64 / steps as f64);
        let sigma = |ratio: f64| match self {
            Self::VariancePreserving => ratio,
            Self::Flow => ratio / (1.0 + ratio),
        };
        (0..=steps).map(|i| sigma(ratio(i))).collect()
    }
}

/// Root mean square error of the state after `steps` steps.
fn error(method: &Method, model: Model, data: Data, keys: &[(&str, Value)], steps: usize) -> f64 {
    let tuning = Tuning { custom: Some(Custom::Sigmas(model.sigmas(steps))), ..Tuning::default() };
    let mut solver = method.prepare(&model.source(keys), steps + 1, &tuning).unwrap().solver;
    let mut noise = Noise::torch(3);
    let start = noise.normal(&[SIZE]).mapv(|z| z * HIGH as f32);
    let mut level = solver.start();
    let mut x = &start * level.alpha as f32;
    let mut done = 0;
    while done < steps {
        let mut clean = denoise(data, &x, level);
        match solver.advance(Seen { x: &mut x, clean: &mut clean }, &mut noise) {
            Want::Next(next) => {
                level = next;
                done += 1;
            }
            Want::Probe(next) => level = next,
            Want::Done => panic!("{} ended early", method.name),
        }
    }
    let off = |(i, (start, got)): (usize, (&f32, &f32))| data.flow(i, f64::from(*start)) - f64::from(*got) / level.alpha;
    let square: f64 = start.iter().zip(&x).enumerate().map(off).map(|off| off * off).sum();
    (square / SIZE as f64).sqrt()
}

/// The slope of log error over log steps.
fn slope(points: &[(usize, f64)]) -> f64 {
    let logs: Vec<(f64, f64)> = points.iter().map(|(n, e)| ((*n as f64).ln(), e.ln())).collect();
    let count = logs.len() as f64;
    let mean = logs.iter().fold((0.0, 0.0), |m, p| (m.0 + p.0 / count, m.1 + p.1 / count));
    let covariance: f64 = logs.iter().map(|p| (p.0 - mean.0) * (p.1 - mean.1)).sum();
    let variance: f64 = logs.iter().map(|p| (p.0 - mean.0).powi(2)).sum();
    -covariance / variance
}

/// A row: method, configuration keys, stated order, step counts fine enough for the order to show and
/// coarse enough for f32.
type Row = (&'static str, &'static [(&'static str, Value)], f64, &'static [usize]);

const ROWS: &[Row] = &[
    ("euler", &[], 1.0, &[64, 128, 256]),
    ("heun", &[], 2.0, &[32, 64, 128]),
    ("dpmpp-2m", &[("solver_order", Value::Number(1.0))], 1.0, &[64, 128, 256]),
    ("dpmpp-2m", &[], 2.0, &[64, 96, 128]),
    ("dpmpp-2m", &[("solver_type", Value::text("heun"))], 2.0, &[32, 64, 128]),
];

#[test]
fn errors_fall_with_the_stated_order() {
    let mut wrong = Vec::new();
    for (name, keys, order, counts) in ROWS {
        for (model, data) in [
            (Model::VariancePreserving, Data::Gaussian),
            (Model::VariancePreserving, Data::Mixture),
            (Model::Flow, Data::Gaussian),
            (Model::Flow, Data::Mixture),
        ] {
            let method = Method::find(name).unwrap();
            let points: Vec<_> = counts.iter().map(|steps| (*steps, error(method, model, data, keys, *steps))).collect();
            let measured = slope(&points);
            let errors: Vec<_> = points.iter().map(|(n, e)| format!("{n}: {e:.1e}")).collect();
            let row = format!("{name} {keys:?} {model:?} {data:?}: order {measured:.2} of {order}; {}", errors.join(", "));
            println!("{row}");
            if (measured - order).abs() > 0.15 {
                wrong.push(row);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_deterministic_method_with_free_steps_has_a_row() {
    let rows = |method: &Method| ROWS.iter().any(|(name, ..)| *name == method.name);
    let missing: Vec<_> = METHODS.iter().filter(|m| !m.stochastic && m.free_steps && !rows(m)).map(|m| m.name).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}
