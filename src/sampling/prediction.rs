//! What a network predicts, and its conversion to the clean estimate.

use anyhow::{Result, bail};

use super::latent::{combine, values, values_mut};
use super::{Latent, Level};

/// What the output of a network means (config key `prediction_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The noise (Ho et al. 2020).
    Epsilon,
    /// `v = alpha * noise - sigma * clean` (Salimans and Ho 2022).
    Velocity,
    /// The clean signal itself.
    Sample,
    /// The flow's velocity `noise - clean` (Liu et al. 2022; Lipman et al. 2023).
    Flow,
}

impl Prediction {
    /// Reads the value of `prediction_type` as diffusers writes it.
    ///
    /// # Errors
    /// For a type that is not known, naming the key.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "epsilon" => Ok(Self::Epsilon),
            "v_prediction" => Ok(Self::Velocity),
            "sample" | "original_sample" => Ok(Self::Sample),
            "flow_prediction" => Ok(Self::Flow),
            _ => bail!(
                "the scheduler key prediction_type is {text:?}; known are epsilon, v_prediction, sample and flow_prediction"
            ),
        }
    }

    /// Turns `output` (what the network said about `x` at `level`) into the clean estimate.
    pub fn to_clean(self, output: &mut Latent, x: &Latent, level: Level) {
        let Level { alpha, sigma, .. } = level;
        match self {
            Self::Epsilon => combine(output, -sigma / alpha, &[(1.0 / alpha, x)]),
            Self::Velocity => combine(output, -sigma, &[(alpha, x)]),
            Self::Flow => combine(output, -sigma / (alpha + sigma), &[(1.0 / (alpha + sigma), x)]),
            Self::Sample => {}
        }
    }

    /// The inverse of [`Prediction::to_clean`]: what the network must have said.
    pub fn from_clean(self, clean: &mut Latent, x: &Latent, level: Level) {
        let Level { alpha, sigma, .. } = level;
        match self {
            Self::Epsilon => combine(clean, -alpha / sigma, &[(1.0 / sigma, x)]),
            Self::Velocity => combine(clean, -1.0 / sigma, &[(alpha / sigma, x)]),
            Self::Flow => combine(clean, -(alpha + sigma) / sigma, &[(1.0 / sigma, x)]),
            Self::Sample => {}
        }
    }
}

/// Standard deviation over all elements (unbiased, as torch's `std`).
pub fn standard_deviation(x: &Latent) -> f64 {
    let values = values(x);
    let count = values.len() as f64;
    let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
    let square = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
    (square / (count - 1.0)).sqrt()
}

/// How far a clean estimate may go (config keys `clip_sample`, `thresholding` and their kin).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clip {
    /// Not limited.
    None,
    /// Clamped to `-range..=range`.
    Range(f64),
    /// Dynamic thresholding (Saharia et al. 2022): clamped to the `ratio` quantile `s` of the
    /// magnitudes, itself limited to `1..=max`, then divided by `s`.
    Dynamic {
        /// The quantile, in `0..=1`.
        ratio: f64,
        /// The largest threshold.
        max: f64,
    },
}

impl Clip {
    /// Limits an estimate in place.
    pub fn apply(self, clean: &mut Latent) {
        match self {
            Self::None => {}
            Self::Range(range) => clamp(clean, range as f32, 1.0),
            Self::Dynamic { ratio, max } => {
                // The reference clamps to at least 1 first and to at most `max` last.
                let limit = quantile_of_magnitude(clean, ratio).max(1.0).min(max as f32);
                clamp(clean, limit, limit);
            }
        }
    }
}

fn clamp(clean: &mut Latent, limit: f32, divide: f32) {
    values_mut(clean).iter_mut().for_each(|v| *v = v.clamp(-limit, limit) / divide);
}

/// The quantile of `|x|` with linear interpolation, as `torch.quantile`.
fn quantile_of_magnitude(x: &Latent, ratio: f64) -> f32 {
    let mut sorted: Vec<f32> = values(x).iter().map(|v| v.abs()).collect();
    sorted.sort_by(f32::total_cmp);
    let position = ratio * (sorted.len().max(1) - 1) as f64;
    let at = |i: usize| sorted.get(i).copied().unwrap_or_default();
    let (low, high) = (at(position.floor() as usize), at(position.ceil() as usize));
    low + (high - low) * (position - position.floor()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prediction_converts_to_the_same_clean_estimate() {
        let level = Level::from_ratio(1.0, 0.8);
        let clean = Latent::from_shape_fn(vec![5], |i| i[0] as f32 * 0.3 - 0.5);
        let noise = Latent::from_shape_fn(vec![5], |i| 1.0 - i[0] as f32 * 0.4);
        let (a, s) = (level.alpha as f32, level.sigma as f32);
        let x = &clean * a + &noise * s;
        let outputs = [
            (Prediction::Epsilon, noise.clone()),
            (Prediction::Velocity, &noise * a - &clean * s),
            (Prediction::Sample, clean.clone()),
            (Prediction::Flow, &noise - &clean),
        ];
        for (prediction, output) in outputs {
            let mut got = output.clone();
            prediction.to_clean(&mut got, &x, level);
            assert!(got.iter().zip(&clean).all(|(g, c)| (g - c).abs() < 1e-6), "{prediction:?}");
            prediction.from_clean(&mut got, &x, level);
            assert!(got.iter().zip(&output).all(|(g, o)| (g - o).abs() < 1e-5), "{prediction:?}");
        }
    }

    #[test]
    fn clips() {
        let x = || Latent::from_shape_vec(vec![5], vec![-4.0, -1.0, 0.0, 0.5, 2.0]).unwrap();
        let cases = [
            (Clip::None, [-4.0, -1.0, 0.0, 0.5, 2.0]),
            (Clip::Range(1.0), [-1.0, -1.0, 0.0, 0.5, 1.0]),
            (Clip::Dynamic { ratio: 1.0, max: 10.0 }, [-1.0, -0.25, 0.0, 0.125, 0.5]),
            (Clip::Dynamic { ratio: 1.0, max: 2.0 }, [-1.0, -0.5, 0.0, 0.25, 1.0]),
        ];
        for (clip, want) in cases {
            let mut got = x();
            clip.apply(&mut got);
            assert_eq!(got.as_slice().unwrap(), want, "{clip:?}");
        }
    }
}
