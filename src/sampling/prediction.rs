//! What a network predicts, and its conversion to the clean estimate.

use anyhow::{Result, bail};
use ndarray::Axis;

use super::config::{Source, Value};
use super::latent::{combine, values, values_mut};
use super::schedule::{Bayesian, Damped, Kind, Residual, class_count};
use super::{Latent, Level};

/// What the output of a network means (config key `prediction_type`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Prediction {
    /// The noise (Ho et al. 2020).
    Epsilon,
    /// `v = alpha * noise - sigma * clean` (Salimans and Ho 2022).
    Velocity,
    /// The clean signal itself.
    Sample,
    /// The flow's velocity `noise - clean` (Liu et al. 2022; Lipman et al. 2023).
    Flow,
    /// The same velocity the other way, `clean - noise`, of flows whose time rises from noise to data.
    RisingFlow,
    /// The gradient of the log density (Song et al. 2021).
    Score,
    /// What is left to add to a scaled-down state (Karras et al. 2022, section 5; Song et al. 2023):
    /// `clean = skip * x + out * output`, where `x` enters the network with unit variance.
    Preconditioned {
        /// Standard deviation of the data.
        data: f64,
        /// The noise at which the state itself is the answer: 0, or the least of consistency models.
        least: f64,
        /// `1` or, for networks that are said to predict a velocity, `-1`.
        sign: f64,
    },
    /// The clean signal itself, of a state that enters the network as if the data had unit variance (Yue et al. 2023).
    ScaledSample,
    /// Of data of some classes, one a channel, the logits (Graves et al. 2023): the network sees the softmax of the state.
    Logits,
    /// Of a state with a velocity, the noise behind that (Dockhorn et al. 2022), for as many channels as the state has
    /// without it.
    Damped(Damped),
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
            // In units of the data's standard deviation, TrigFlow is v-prediction (Lu and Song 2025).
            "trigflow" => Ok(Self::Velocity),
            _ => bail!(
                "the scheduler key prediction_type is {text:?}; known are epsilon, v_prediction, sample and flow_prediction"
            ),
        }
    }

    /// What the network of a scheduler configuration predicts.
    ///
    /// # Errors
    /// For a type that is not known or does not fit the class, naming the key.
    pub fn of(source: &Source) -> Result<Self> {
        let number = |key: &str, default: f64| match source.keys.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(Value::Number(value)) if *value > 0.0 => Ok(*value),
            Some(other) => bail!("the scheduler key {key} is {other:?}; expected a number above 0"),
        };
        let kind = match source.keys.get("prediction_type") {
            None => None,
            Some(Value::Text(text)) => Some(text.as_ref()),
            Some(other) => bail!("the scheduler key prediction_type is {other:?}; expected a name"),
        };
        let data = |default| number("sigma_data", default);
        match (source.class.as_str(), kind) {
            ("ScoreSdeVeScheduler", _) => Ok(Self::Score),
            (Damped::CLASS, None | Some("epsilon")) => Ok(Self::Damped(Damped::from_source(source)?)),
            (Damped::CLASS, Some(other)) => {
                bail!("the scheduler key prediction_type is {other:?}; {} knows epsilon", Damped::CLASS)
            }
            (Residual::CLASS, None | Some("sample")) => Ok(Self::ScaledSample),
            (Bayesian::CLASS, None) if class_count(source)?.is_some() => Ok(Self::Logits),
            ("CMStochasticIterativeScheduler", _) => {
                Ok(Self::Preconditioned { data: data(0.5)?, least: number("sigma_min", 0.002)?, sign: 1.0 })
            }
            // The class reads every output as v, whatever its file says.
            ("IPNDMScheduler", _) | ("SCMScheduler", None) => Ok(Self::Velocity),
            (class, kind) if is_preconditioned(class) => {
                let cosine = class.starts_with("Cosine");
                let sign = match kind.unwrap_or(if cosine { "v_prediction" } else { "epsilon" }) {
                    "epsilon" => 1.0,
                    "v_prediction" => -1.0,
                    other => {
                        bail!("the scheduler key prediction_type is {other:?}; {class} knows epsilon and v_prediction")
                    }
                };
                Ok(Self::Preconditioned { data: data(if cosine { 1.0 } else { 0.5 })?, least: 0.0, sign })
            }
            (_, Some(text)) => Self::parse(text),
            (_, None) if Kind::of(source) == Kind::Flow => {
                let rises = source.keys.get("invert_sigmas") == Some(&Value::Bool(true));
                Ok(if rises { Self::RisingFlow } else { Self::Flow })
            }
            (_, None) => Ok(Self::Epsilon),
        }
    }

    /// Factor of the state on its way into the network.
    pub fn input_scale(self, level: Level) -> f64 {
        match self {
            Self::Preconditioned { data, .. } => 1.0 / level.sigma.hypot(level.alpha * data),
            Self::ScaledSample => 1.0 / level.sigma.hypot(1.0),
            // A flow's network on another path, such as SANA-Sprint's on TrigFlow, is told the flow time
            // of the same noise-to-signal ratio, `sigma / (alpha + sigma)`, and sees the flow's state.
            Self::Flow | Self::RisingFlow if (level.alpha + level.sigma - 1.0).abs() > 1e-9 => {
                1.0 / (level.alpha + level.sigma)
            }
            _ => 1.0,
        }
    }

    /// Whether the network sees a state as it is.
    pub fn sees_plain(self, level: Level) -> bool {
        self != Self::Logits && self.input_scale(level) as f32 == 1.0
    }

    /// Appends what the network sees of a state.
    pub fn write_input(self, x: &Latent, level: Level, into: &mut Vec<f32>) {
        match self {
            Self::Logits => into.extend(values(&softmax(x))),
            _ => {
                let scale = self.input_scale(level) as f32;
                into.extend(values(x).iter().map(|v| v * scale));
            }
        }
    }

    /// How many channels the network sees of a latent that has `channels`: twice as many of a state with a velocity.
    pub fn input_len(self, channels: usize) -> usize {
        if matches!(self, Self::Damped(_)) { 2 * channels } else { channels }
    }

    /// How many numbers a prediction for a state of `len` numbers has; they belong to the last ones of the state.
    pub fn output_len(self, len: usize) -> usize {
        if matches!(self, Self::Damped(_)) { len / 2 } else { len }
    }

    /// Turns `output` (what the network said about `x` at `level`) into the clean estimate.
    pub fn to_clean(self, output: &mut Latent, x: &Latent, level: Level) {
        let Level { alpha, sigma, .. } = level;
        match self {
            Self::Epsilon => combine(output, -sigma / alpha, &[(1.0 / alpha, x)]),
            Self::Velocity => combine(output, -sigma, &[(alpha, x)]),
            Self::Flow => combine(output, -sigma / (alpha + sigma), &[(1.0 / (alpha + sigma), x)]),
            Self::RisingFlow => combine(output, sigma / (alpha + sigma), &[(1.0 / (alpha + sigma), x)]),
            Self::Score => combine(output, sigma * sigma / alpha, &[(1.0 / alpha, x)]),
            Self::Preconditioned { data, least, sign } => {
                let (skip, out) = preconditioning(level, data, least);
                combine(output, sign * out, &[(skip, x)]);
            }
            Self::Logits => {
                let classes = output.len_of(Axis(0)) as f32;
                *output = softmax(output);
                output.mapv_inplace(|p| classes * p - 1.0);
            }
            Self::Damped(damped) => damped.to_clean(output, x, level.t),
            Self::Sample | Self::ScaledSample => {}
        }
    }

    /// The inverse of [`Prediction::to_clean`]: what the network must have said.
    pub fn from_clean(self, clean: &mut Latent, x: &Latent, level: Level) {
        let Level { alpha, sigma, .. } = level;
        match self {
            Self::Epsilon => combine(clean, -alpha / sigma, &[(1.0 / sigma, x)]),
            Self::Velocity => combine(clean, -1.0 / sigma, &[(alpha / sigma, x)]),
            Self::Flow => combine(clean, -(alpha + sigma) / sigma, &[(1.0 / sigma, x)]),
            Self::RisingFlow => combine(clean, (alpha + sigma) / sigma, &[(-1.0 / sigma, x)]),
            Self::Score => combine(clean, alpha / (sigma * sigma), &[(-1.0 / (sigma * sigma), x)]),
            Self::Preconditioned { data, least, sign } => {
                let (skip, out) = preconditioning(level, data, least);
                combine(clean, sign / out, &[(-sign * skip / out, x)]);
            }
            Self::Logits => {
                let classes = clean.len_of(Axis(0)) as f32;
                clean.mapv_inplace(|c| ((c + 1.0) / classes).max(f32::MIN_POSITIVE).ln());
            }
            Self::Damped(damped) => damped.from_clean(clean, x, level.t),
            Self::Sample | Self::ScaledSample => {}
        }
    }
}

/// The softmax over the first axis.
fn softmax(x: &Latent) -> Latent {
    let most = x.fold_axis(Axis(0), f32::NEG_INFINITY, |most, v| most.max(*v));
    let mut shares = x - &most;
    shares.mapv_inplace(f32::exp);
    let sums = shares.sum_axis(Axis(0));
    shares /= &sums;
    shares
}

/// Classes of diffusers whose networks are preconditioned.
fn is_preconditioned(class: &str) -> bool {
    ["EDMEulerScheduler", "EDMDPMSolverMultistepScheduler", "CosineDPMSolverMultistepScheduler"].contains(&class)
}

/// Shares of the state and of the network's output in the clean estimate (Karras et al. 2022,
/// table 1; with `least` the boundary condition of Song et al. 2023, appendix C).
fn preconditioning(level: Level, data: f64, least: f64) -> (f64, f64) {
    let ratio = level.ratio();
    let above = ratio - least;
    (data * data / (above * above + data * data) / level.alpha, above * data / ratio.hypot(data))
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
            (Prediction::RisingFlow, &clean - &noise),
            (Prediction::Score, &noise * (-1.0 / s)),
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
    fn preconditioning_keeps_unit_variance_and_its_boundary() {
        let edm = Prediction::Preconditioned { data: 0.5, least: 0.0, sign: -1.0 };
        for ratio in [0.01, 1.0, 80.0] {
            let level = Level::exploding(0.0, ratio);
            assert!((edm.input_scale(level) * ratio.hypot(0.5) - 1.0).abs() < 1e-12);
            let (skip, out) = preconditioning(level, 0.5, 0.0);
            // What the network has to say about data of its own deviation has unit variance.
            let target = (1.0 - skip).powi(2) * 0.25 + skip.powi(2) * ratio.powi(2);
            assert!((target / out.powi(2) - 1.0).abs() < 1e-12, "{ratio}");
            let scaled = Level { alpha: 0.3, sigma: 0.3 * ratio, ..level };
            let x = Latent::from_elem(vec![2], 0.7);
            let (mut plain, mut small) = (x.clone(), x.clone());
            edm.to_clean(&mut plain, &x, level);
            edm.to_clean(&mut small, &(&x * 0.3), scaled);
            assert!((plain[[0]] - small[[0]]).abs() < 1e-6);
            edm.from_clean(&mut plain, &x, level);
            assert!((plain[[0]] - 0.7).abs() < 1e-4);
        }
        let consistency = Prediction::Preconditioned { data: 0.5, least: 0.002, sign: 1.0 };
        let (x, mut output) = (Latent::from_elem(vec![1], 0.7), Latent::from_elem(vec![1], 9.0));
        consistency.to_clean(&mut output, &x, Level::exploding(0.0, 0.002));
        assert!((output[[0]] - 0.7).abs() < 1e-7);
    }

    #[test]
    fn logits_become_shares_of_the_classes() {
        let logits = Latent::from_shape_vec(vec![2, 2], vec![0.0, 3f32.ln(), 0.0, 0.0]).unwrap();
        let level = Level { t: 0.5, alpha: 0.1, sigma: 0.2 };
        let mut seen = Vec::new();
        Prediction::Logits.write_input(&logits, level, &mut seen);
        assert!(seen.iter().zip([0.5, 0.75, 0.5, 0.25]).all(|(a, b)| (a - b).abs() < 1e-6), "{seen:?}");
        let mut clean = logits.clone();
        Prediction::Logits.to_clean(&mut clean, &logits, level);
        assert!(clean.iter().zip([0.0, 0.5, 0.0, -0.5]).all(|(a, b)| (a - b).abs() < 1e-6), "{clean}");
        Prediction::Logits.from_clean(&mut clean, &logits, level);
        // Logits are the same but for what all classes have in common.
        assert!((clean[[0, 1]] - clean[[1, 1]] - 3f32.ln()).abs() < 1e-6, "{clean}");
    }

    #[test]
    fn predictions_of_classes() {
        let of = |class: &str, kind: Option<&'static str>| {
            let keys = kind.map(|kind| ("prediction_type".to_owned(), Value::text(kind)));
            Prediction::of(&Source { class: class.into(), keys: keys.into_iter().collect() })
        };
        assert_eq!(of("DDIMScheduler", None).unwrap(), Prediction::Epsilon);
        assert_eq!(of("FlowMatchEulerDiscreteScheduler", None).unwrap(), Prediction::Flow);
        let edm = Prediction::Preconditioned { data: 0.5, least: 0.0, sign: -1.0 };
        assert_eq!(of("EDMEulerScheduler", Some("v_prediction")).unwrap(), edm);
        let audio = Prediction::Preconditioned { data: 1.0, least: 0.0, sign: -1.0 };
        assert_eq!(of("CosineDPMSolverMultistepScheduler", None).unwrap(), audio);
        assert_eq!(of("SCMScheduler", Some("trigflow")).unwrap(), Prediction::Velocity);
        assert!(of("EDMEulerScheduler", Some("sample")).is_err());
        assert_eq!(of(Bayesian::CLASS, None).unwrap(), Prediction::Epsilon);
        assert_eq!(of(Damped::CLASS, None).unwrap(), Prediction::Damped(Damped::IMAGES));
        assert!(of(Damped::CLASS, Some("v_prediction")).is_err());
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
