//! Noise schedules: facts of the model that say how noisy each time is.

mod bayesian;
mod damped;
mod exploding;
mod flow;
mod log_snr;
mod residual;

use anyhow::{Result, bail};

use super::Level;
use super::config::{Config, Defaults, Source, Value};

pub use bayesian::{BAYESIAN_KEYS, Bayesian, class_count};
pub use damped::{DAMPED_KEYS, Damped};
pub use exploding::Exploding;
pub use flow::{FLOW_KEYS, Flow, ShiftBy};
pub use log_snr::{LOG_SNR_KEYS, LogSnr};
pub use residual::{RESIDUAL_KEYS, Residual};

/// How noisy a model's state is at each time.
///
/// `sigma` is the schedule's own noise scale, the one that step lists are written in: the
/// noise-to-signal ratio of variance-preserving and exploding models, the flow time of flows.
pub trait NoiseSchedule: Send + Sync + std::fmt::Debug {
    /// The level at the time that the network is told.
    fn level(&self, t: f64) -> Level;

    /// The level of a noise scale.
    fn at_sigma(&self, sigma: f64) -> Level;

    /// The noise scale of a level.
    fn sigma(&self, level: Level) -> f64;

    /// Smallest and largest noise scale that the model was trained at.
    fn sigmas(&self) -> (f64, f64);

    /// The level with a given half log signal-to-noise ratio.
    fn at_half_log_snr(&self, lambda: f64) -> Level;

    /// Number of times the model was trained at; a continuous schedule counts as a thousand.
    fn training_times(&self) -> usize {
        1000
    }

    /// The noise scale at a training time, counted from 0, the cleanest; a continuous schedule has
    /// them evenly spaced in the logarithm.
    fn training_sigma(&self, time: f64) -> f64 {
        let (low, high) = self.sigmas();
        low * (high / low).powf(time / (self.training_times() - 1) as f64)
    }
}

/// A level on the clock of its schedule: `x / scale` moves along `dX/dtime = (X - clean) / time`,
/// whatever the kind of model, so methods written for that equation serve all of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clock {
    /// What the state is divided by.
    pub scale: f64,
    /// The schedule's noise scale.
    pub time: f64,
}

impl Clock {
    /// Reads a level on the clock of `schedule`; it need not lie on the schedule's own curve.
    pub fn read(schedule: &dyn NoiseSchedule, level: Level) -> Self {
        if level.is_clean() {
            return Self { scale: level.alpha, time: 0.0 };
        }
        let time = schedule.sigma(schedule.at_half_log_snr(level.half_log_snr()));
        Self { scale: level.sigma / time, time }
    }
}

/// Which family of schedules a configuration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table of betas (DDPM and all that followed).
    Table,
    /// Straight paths from noise to data (rectified flow, flow matching).
    Flow,
    /// A signal that keeps its size (EDM, variance-exploding SDEs).
    Exploding,
    /// Bayesian flow networks.
    Bayesian,
    /// A function of time for the log signal-to-noise ratio.
    LogSnr,
    /// Residual shifting.
    Residual,
    /// States with a velocity (critically damped Langevin diffusion).
    Damped,
}

impl Kind {
    /// Reads the family off a configuration.
    pub fn of(source: &Source) -> Self {
        let flow =
            source.class.starts_with("FlowMatch") || source.keys.get("use_flow_sigmas") == Some(&Value::Bool(true));
        match flow {
            true => Self::Flow,
            false if Exploding::is(source) => Self::Exploding,
            false if source.class == Bayesian::CLASS => Self::Bayesian,
            false if source.class == LogSnr::CLASS => Self::LogSnr,
            false if source.class == Residual::CLASS => Self::Residual,
            false if Damped::is(source) => Self::Damped,
            false => Self::Table,
        }
    }
}

/// A variance-preserving schedule over discrete training timesteps (Ho et al. 2020).
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Cumulative signal power per timestep, as the reference holds it in f32.
    alphas_cumprod: Vec<f64>,
    /// Noise-to-signal ratio per timestep, and its logarithm, with the references' f32 roundings:
    /// they decide which whole timestep a ratio falls on.
    ratios: Vec<f64>,
    logs: Vec<f64>,
}

/// Configuration keys of every table; classes differ in the defaults of the first three.
pub const TABLE_KEYS: Defaults = &[
    ("num_train_timesteps", Value::Number(1000.0)),
    ("beta_start", Value::Number(0.0001)),
    ("beta_end", Value::Number(0.02)),
    ("beta_schedule", Value::text("linear")),
    ("trained_betas", Value::Null),
    ("prediction_type", Value::text("epsilon")),
    ("steps_offset", Value::Number(0.0)),
    ("snr_shift_scale", Value::Null),
    // Of models that have no table.
    ("sigma_data", Value::Null),
    ("sampling_eps", Value::Null),
];

/// How betas run from start to end (config key `beta_schedule`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BetaSchedule {
    Linear,
    ScaledLinear,
    SquaredCosCapV2,
    Sigmoid,
    Laplace,
    Exp,
}

const BETA_SCHEDULES: &[(&str, BetaSchedule)] = &[
    ("linear", BetaSchedule::Linear),
    ("scaled_linear", BetaSchedule::ScaledLinear),
    ("squaredcos_cap_v2", BetaSchedule::SquaredCosCapV2),
    ("sigmoid", BetaSchedule::Sigmoid),
    ("laplace", BetaSchedule::Laplace),
    ("exp", BetaSchedule::Exp),
];

/// What stands for a terminal signal of zero where a ratio must stay finite
/// (diffusers: the smallest positive f16).
const ALMOST_NO_SIGNAL: f64 = 1.0 / 16_777_216.0;

impl Table {
    /// Builds the table that a scheduler configuration describes.
    ///
    /// `finite` keeps the last ratio finite under `rescale_betas_zero_snr`, as the samplers that
    /// work on ratios need it.
    ///
    /// # Errors
    /// For values out of range or unknown names, naming the key.
    pub fn from_config(config: &Config, finite: bool) -> Result<Self> {
        for key in ["sigma_data", "sampling_eps"] {
            config.require(key, &Value::Null, "it belongs to a model that has no table of betas")?;
        }
        let betas = betas(config)?;
        let rescale = config.flag("rescale_betas_zero_snr")?;
        let mut cumulative = match (config.optional_number("snr_shift_scale")?, rescale) {
            (Some(scale), _) => shifted(cumulative_alphas(&betas), scale, rescale)?,
            (None, true) => cumulative_alphas(&rescale_zero_terminal_snr(&betas)),
            (None, false) => cumulative_alphas(&betas),
        };
        if let Some(last) = cumulative.last_mut().filter(|_| rescale && finite) {
            *last = ALMOST_NO_SIGNAL;
        }
        Ok(Self::from_alphas_cumprod(cumulative))
    }

    /// Builds a table from cumulative signal powers, one per timestep.
    pub fn from_alphas_cumprod(alphas_cumprod: Vec<f64>) -> Self {
        let ratio = |power: &f64| ((1.0 - *power as f32) / *power as f32).sqrt();
        let ratios: Vec<f32> = alphas_cumprod.iter().map(ratio).collect();
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect();
        let logs = wide(ratios.iter().map(|r| r.ln()).collect());
        Self { alphas_cumprod, ratios: wide(ratios), logs }
    }

    /// Number of training timesteps.
    pub fn len(&self) -> usize {
        self.ratios.len()
    }

    /// Never true for a table made from a configuration.
    pub fn is_empty(&self) -> bool {
        self.ratios.is_empty()
    }

    /// The level of a whole timestep, clamped to the table.
    pub fn at(&self, timestep: i64) -> Level {
        let last = self.len().saturating_sub(1);
        let index = (timestep.max(0) as usize).min(last);
        let power = self.alphas_cumprod.get(index).copied().unwrap_or(1.0);
        Level::from_alphas_cumprod(timestep as f64, power)
    }

    /// The noise-to-signal ratio at a fractional timestep, linear between neighbours.
    pub fn ratio_at(&self, timestep: f64) -> f64 {
        let last = self.len().saturating_sub(1);
        let low = (timestep.max(0.0).floor() as usize).min(last);
        let weight = (timestep - low as f64).clamp(0.0, 1.0);
        self.ratio(low) + weight * (self.ratio((low + 1).min(last)) - self.ratio(low))
    }

    /// The fractional timestep of a ratio: log-linear between neighbours, clamped to the table.
    pub fn timestep_of(&self, ratio: f64) -> f64 {
        let log = ratio.max(1e-10).ln();
        let above = self.logs.partition_point(|known| *known <= log);
        let low = above.saturating_sub(1).min(self.len().saturating_sub(2));
        let at = |i: usize| self.logs.get(i).copied().unwrap_or_default();
        low as f64 + ((log - at(low)) / (at(low + 1) - at(low))).clamp(0.0, 1.0)
    }

    /// Smallest and largest ratio.
    pub fn range(&self) -> (f64, f64) {
        (self.ratio(0), self.ratio(self.len().saturating_sub(1)))
    }

    /// Number of timesteps whose half log-SNR is at least `lambda` (config `lambda_min_clipped`).
    pub fn count_above(&self, lambda: f64) -> usize {
        self.ratios.iter().filter(|ratio| -ratio.ln() >= lambda).count()
    }

    fn ratio(&self, index: usize) -> f64 {
        self.ratios.get(index).copied().unwrap_or_default()
    }
}

impl NoiseSchedule for Table {
    fn level(&self, t: f64) -> Level {
        Level::from_ratio(t, self.ratio_at(t))
    }

    fn at_sigma(&self, sigma: f64) -> Level {
        Level::from_ratio(self.timestep_of(sigma), sigma)
    }

    fn sigma(&self, level: Level) -> f64 {
        level.ratio()
    }

    fn sigmas(&self) -> (f64, f64) {
        self.range()
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        self.at_sigma((-lambda).exp())
    }

    fn training_times(&self) -> usize {
        self.len()
    }

    fn training_sigma(&self, time: f64) -> f64 {
        let last = self.len().saturating_sub(1);
        let low = (time.max(0.0).floor() as usize).min(last);
        let (a, b) = (self.ratio(low), self.ratio((low + 1).min(last)));
        // Log-linear between neighbours, as k-diffusion has it.
        a * (b / a).powf((time - low as f64).clamp(0.0, 1.0))
    }
}

fn betas(config: &Config) -> Result<Vec<f32>> {
    if let Value::Numbers(betas) = config.get("trained_betas") {
        return checked(betas.iter().map(|b| *b as f32).collect(), "trained_betas");
    }
    config.require("trained_betas", &Value::Null, "it must be a list of numbers")?;
    let count = config.count("num_train_timesteps", 2)?;
    let (start, end) = (config.number("beta_start")?, config.number("beta_end")?);
    let betas = match config.choice("beta_schedule", BETA_SCHEDULES)? {
        BetaSchedule::Linear => linspace(start, end, count),
        BetaSchedule::ScaledLinear => linspace(start.sqrt(), end.sqrt(), count).iter().map(|b| b * b).collect(),
        BetaSchedule::SquaredCosCapV2 => {
            betas_for_alpha_bar(count, |t| ((t + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2))
        }
        BetaSchedule::Laplace => betas_for_alpha_bar(count, laplace_alpha_bar),
        BetaSchedule::Exp => betas_for_alpha_bar(count, |t| (-12.0 * t).exp()),
        BetaSchedule::Sigmoid => {
            let (start, end) = (start as f32, end as f32);
            linspace(-6.0, 6.0, count).iter().map(|x| 1.0 / (1.0 + (-x).exp()) * (end - start) + start).collect()
        }
    };
    checked(betas, "beta_start, beta_end or beta_schedule")
}

fn checked(betas: Vec<f32>, keys: &str) -> Result<Vec<f32>> {
    if betas.len() < 2 || betas.iter().any(|b| !(b.is_finite() && *b > 0.0 && *b < 1.0)) {
        bail!("the scheduler keys {keys} give betas outside 0..1; correct them in scheduler_config.json");
    }
    Ok(betas)
}

/// `torch.linspace` in f32: from both ends towards the middle.
fn linspace(start: f64, end: f64, count: usize) -> Vec<f32> {
    let (start, end) = (start as f32, end as f32);
    let step = (end - start) / (count - 1) as f32;
    let value = |i: usize| if i < count / 2 { start + step * i as f32 } else { end - step * (count - 1 - i) as f32 };
    (0..count).map(value).collect()
}

/// Discretises a continuous cumulative signal power (Nichol and Dhariwal 2021).
fn betas_for_alpha_bar(count: usize, alpha_bar: impl Fn(f64) -> f64) -> Vec<f32> {
    let at = |i: usize| alpha_bar(i as f64 / count as f64);
    (0..count).map(|i| (1.0 - at(i + 1) / at(i)).min(0.999) as f32).collect()
}

/// The Laplace schedule as diffusers has it (Hang et al. 2024).
fn laplace_alpha_bar(t: f64) -> f64 {
    let lambda = -0.5 * (0.5 - t).signum() * (1.0 - 2.0 * (0.5 - t).abs() + 1e-6).ln();
    let snr = lambda.exp();
    (snr / (1.0 + snr)).sqrt()
}

/// `torch.cumprod` of f32 values: accumulated in f64, kept in f32.
fn cumulative_alphas(betas: &[f32]) -> Vec<f64> {
    let alphas = betas.iter().map(|b| f64::from(1.0 - b));
    let products = alphas.scan(1.0, |product, alpha| {
        *product *= alpha;
        Some(*product)
    });
    products.map(|product| f64::from(product as f32)).collect()
}

/// Divides the signal-to-noise ratio by a factor (CogVideoX, after Esser et al. 2024), before any rescaling.
fn shifted(powers: Vec<f64>, scale: f64, rescale: bool) -> Result<Vec<f64>> {
    if !(scale > 0.0 && scale.is_finite()) {
        bail!("the scheduler key snr_shift_scale is {scale}, but must be above 0");
    }
    let powers: Vec<f64> = powers.into_iter().map(|power| power / (scale + (1.0 - scale) * power)).collect();
    Ok(if rescale { without_terminal_signal(&powers).into_iter().map(f64::from).collect() } else { powers })
}

/// Shifts cumulative signal powers so that the last one is 0 and the first stays (Lin et al. 2023, algorithm 1).
fn without_terminal_signal(powers: &[f64]) -> Vec<f32> {
    let roots: Vec<f32> = powers.iter().map(|a| (*a as f32).sqrt()).collect();
    let (first, last) = (roots.first().copied().unwrap_or(1.0), roots.last().copied().unwrap_or(0.0));
    roots.iter().map(|r| ((r - last) * (first / (first - last))).powi(2)).collect()
}

/// Shifts betas so that the last step keeps no signal.
fn rescale_zero_terminal_snr(betas: &[f32]) -> Vec<f32> {
    let powers = without_terminal_signal(&cumulative_alphas(betas));
    let before = std::iter::once(1.0).chain(powers.iter().copied());
    powers.iter().zip(before).map(|(power, before)| 1.0 - power / before).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::config::Source;

    fn table(keys: &[(&str, Value)]) -> Result<Table> {
        let keys = keys.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        let rescale: Defaults = &[("rescale_betas_zero_snr", Value::Bool(false))];
        let config = Config::take_over("T", &[TABLE_KEYS, rescale], &Source { class: "T".into(), keys });
        Table::from_config(&config, true)
    }

    const SD15: &[(&str, Value)] = &[
        ("beta_start", Value::Number(0.00085)),
        ("beta_end", Value::Number(0.012)),
        ("beta_schedule", Value::text("scaled_linear")),
    ];

    #[test]
    fn stable_diffusion_ends_at_the_published_sigmas() {
        let (low, high) = table(SD15).unwrap().range();
        assert!((low - 0.029_167).abs() < 1e-5, "{low}");
        assert!((high - 14.614_642).abs() < 1e-4, "{high}");
    }

    #[test]
    fn laws_of_every_beta_schedule() {
        for (name, _) in BETA_SCHEDULES {
            let table = table(&[("beta_schedule", Value::Text((*name).into()))]).unwrap();
            assert!(table.ratios.windows(2).all(|w| w[0] < w[1]), "{name}: noise must grow");
            assert!(table.ratios.iter().all(|r| r.is_finite() && *r > 0.0), "{name}");
            for t in [0.0, 17.25, 500.5, 998.75, 999.0] {
                let back = table.timestep_of(table.ratio_at(t));
                assert!((back - t).abs() < 0.3, "{name}: {t} came back as {back}");
            }
        }
    }

    #[test]
    fn zero_terminal_snr_keeps_the_first_level() {
        let mut keys = SD15.to_vec();
        let plain = table(&keys).unwrap();
        keys.push(("rescale_betas_zero_snr", Value::Bool(true)));
        let rescaled = table(&keys).unwrap();
        assert!((rescaled.ratio(0) / plain.ratio(0) - 1.0).abs() < 1e-3);
        assert!((rescaled.range().1 - 4096.0).abs() < 1.0);
    }

    #[test]
    fn impossible_betas_are_refused() {
        let cases: [&[(&str, Value)]; 4] = [
            &[("beta_end", Value::Number(1.5))],
            &[("beta_schedule", Value::text("zigzag"))],
            &[("num_train_timesteps", Value::Number(1.0))],
            &[("trained_betas", Value::Numbers(vec![0.1]))],
        ];
        for keys in cases {
            let error = table(keys).unwrap_err().to_string();
            assert!(error.contains(keys[0].0), "{error}");
        }
    }
}
