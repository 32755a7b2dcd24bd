//! Moments of stochastic methods: on Gaussian data, with the exact denoiser and enough steps, the
//! results have the data's mean and deviation within the Monte-Carlo error and a small bias of steps.

use edrun::sampling::solver::{METHODS, Method, Tuning};
use edrun::sampling::steps::Custom;
use edrun::sampling::{Latent, Level, Noise, Seen, Want};

use crate::closed_form::Model;

const MEAN: f64 = 0.4;
const DEVIATION: f64 = 0.5;
const SIZE: usize = 8_000;
const STEPS: usize = 80;

/// Methods for consistency functions, which an exact denoiser is not.
const CONSISTENCY: &[&str] = &["lcm", "tcd", "consistency", "scm"];

/// How far the deviation may be off beyond the Monte-Carlo error, and why: first-order methods at this
/// number of steps, and an adaptive one at its own tolerance.
fn bias(method: &Method) -> f64 {
    match method.name {
        "ggf" => 0.1,
        "ddpm" | "euler-a" | "resshift" => 0.02,
        _ => 0.01,
    }
}

fn denoise(x: &Latent, level: Level) -> Latent {
    let (d2, s2) = (DEVIATION * DEVIATION, level.sigma * level.sigma);
    let spread = level.alpha * level.alpha * d2 + s2;
    x.mapv(|x| ((level.alpha * d2 * f64::from(x) + s2 * MEAN) / spread) as f32)
}

/// Mean and deviation of a run's results.
fn moments(method: &Method, model: Model) -> anyhow::Result<(f64, f64)> {
    let list = method.free_steps.then(|| Custom::Sigmas(model.sigmas(STEPS, 14.0, 0.02)));
    let tuning = Tuning { custom: list, ..Tuning::default() };
    let keys = [("clip_sample", edrun::sampling::config::Value::Bool(false))];
    let mut sampler = method.prepare(&model.source(&keys), STEPS + 1, &tuning)?;
    let mut noise = Noise::torch(5);
    let mut level = sampler.solver.start();
    let (a, s) = (level.alpha, level.sigma);
    // The exact law at the first level.
    let spread = (a * a * DEVIATION * DEVIATION + s * s).sqrt();
    let mut x = noise.normal(&[SIZE]).mapv(|z| (a * MEAN + spread * f64::from(z)) as f32);
    for turns in 0.. {
        assert!(turns < 100_000, "{} does not come to an end", method.name);
        let mut clean = denoise(&x, level);
        match sampler.solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, &mut noise) {
            Want::Next(next) | Want::Probe(next) => level = next,
            Want::Done => break,
        }
    }
    let mean = x.iter().map(|v| f64::from(*v)).sum::<f64>() / SIZE as f64;
    let square = x.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / SIZE as f64;
    Ok((mean, square.sqrt()))
}

#[test]
fn stochastic_methods_keep_the_law_of_the_data() {
    let (mut checked, mut wrong) = (0, Vec::new());
    for method in METHODS.iter().filter(|m| m.stochastic && !CONSISTENCY.contains(&m.name)) {
        for model in [Model::VariancePreserving, Model::Flow] {
            let Ok((mean, deviation)) = moments(method, model) else { continue };
            println!("MOM {:16} {model:?}: mean {mean:.3}, deviation {deviation:.3}", method.name);
            checked += 1;
            // Four standard errors.
            let error = 4.0 * DEVIATION / (SIZE as f64).sqrt();
            let allowed = error + bias(method);
            if (mean - MEAN).abs() > allowed || (deviation - DEVIATION).abs() > allowed {
                wrong.push(format!("{} on {model:?}: mean {mean:.3}, deviation {deviation:.3}", method.name));
            }
        }
    }
    assert!(checked >= 20, "only {checked} runs");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
