//! Flow schedules: `x = (1 - sigma) * clean + sigma * noise` (Liu et al. 2022; Lipman et al. 2023).

use anyhow::{Result, bail};

use super::NoiseSchedule;
use crate::sampling::Level;
use crate::sampling::config::{Config, Defaults, Source, Value};

/// Configuration keys of diffusers' `FlowMatchEulerDiscreteScheduler`.
pub const FLOW_KEYS: Defaults = &[
    ("num_train_timesteps", Value::Number(1000.0)),
    ("shift", Value::Number(1.0)),
    ("use_dynamic_shifting", Value::Bool(false)),
    ("base_shift", Value::Number(0.5)),
    ("max_shift", Value::Number(1.15)),
    ("base_image_seq_len", Value::Number(256.0)),
    ("max_image_seq_len", Value::Number(4096.0)),
    ("invert_sigmas", Value::Bool(false)),
    ("shift_terminal", Value::Null),
    ("sigma_min", Value::Null),
    ("sigma_max", Value::Null),
    ("use_karras_sigmas", Value::Bool(false)),
    ("use_exponential_sigmas", Value::Bool(false)),
    ("use_beta_sigmas", Value::Bool(false)),
    ("time_shift_type", Value::text("exponential")),
    ("stochastic_sampling", Value::Bool(false)),
    // Of the classes that run flows by a switch.
    ("use_flow_sigmas", Value::Bool(false)),
    ("flow_shift", Value::Number(1.0)),
];

/// A flow whose network is told `sigma` times a number of training timesteps, or what is missing from that number where the
/// time rises from noise to data (`invert_sigmas`: Mochi, speech models).
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    train: f64,
    rises: bool,
    shift: Shift,
    terminal: Option<f64>,
    /// Whether the file is of a class that runs flows by `use_flow_sigmas`.
    by_switch: bool,
}

/// What a schedule with `use_dynamic_shifting` shifts by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShiftBy {
    /// The number of image tokens, through the configuration's line between two lengths.
    Tokens(usize),
    /// The shift `mu` itself.
    Mu(f64),
}

/// How steps are moved towards the noisy end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shift {
    /// `s * sigma / (1 + (s - 1) * sigma)` (Esser et al. 2024, eq. 23).
    Static(f64),
    /// `e^mu / (e^mu + (1/sigma - 1))`: by the number of image tokens, exponentially.
    Exponential(f64),
    /// `mu / (mu + (1/sigma - 1))`.
    Linear(f64),
}

impl Flow {
    /// Reads the schedule of a flow's configuration. `by` is what dynamic schedules shift by.
    ///
    /// # Errors
    /// For values that cannot be honoured, naming the key.
    pub fn from_source(source: &Source, by: Option<ShiftBy>) -> Result<(Self, Config)> {
        let config = Config::take_over("FlowMatchEulerDiscreteScheduler", &[FLOW_KEYS], source);
        let by_switch = config.flag("use_flow_sigmas")?;
        let shift = if by_switch { Shift::Static(config.number("flow_shift")?) } else { shift(&config, by)? };
        // One timestep is a time from 0 to 1.
        let train = config.count("num_train_timesteps", 1)? as f64;
        let rises = config.flag("invert_sigmas")?;
        let terminal = config.optional_number("shift_terminal")?.filter(|terminal| *terminal != 0.0);
        Ok((Self { train, rises, shift, terminal, by_switch }, config))
    }

    /// `steps` sigmas, noisiest first, without the clean end, as the configuration's class spreads them.
    pub fn spread(&self, steps: usize) -> Vec<f64> {
        if self.by_switch {
            let even = |i: usize| 1.0 - (1.0 + (self.least() - 1.0) * i as f64 / steps as f64);
            return (1..=steps).rev().map(|i| self.shifted(even(i))).collect();
        }
        // The class spreads between its own, already shifted ends, and then shifts again.
        let (low, high) = match self.shift {
            Shift::Static(_) => (self.shifted(self.least()), 1.0),
            _ => (self.least(), 1.0),
        };
        let even = |i: usize| if steps < 2 { high } else { high + (low - high) * i as f64 / (steps - 1) as f64 };
        self.stretched((0..steps).map(|i| self.shifted(even(i))).collect())
    }

    /// `steps` sigmas evenly from 1 to 1/steps, then shifted: what the pipelines of FLUX and LTX-Video
    /// hand to the class instead of letting it spread them.
    pub fn spread_evenly(&self, steps: usize) -> Vec<f64> {
        let low = 1.0 / steps as f64;
        let even = |i: usize| if steps < 2 { 1.0 } else { 1.0 + (low - 1.0) * i as f64 / (steps - 1) as f64 };
        self.stretched((0..steps).map(|i| self.shifted(even(i))).collect())
    }

    /// The least sigma of training, before it is shifted; a continuous time counts as a thousand timesteps.
    fn least(&self) -> f64 {
        1.0 / self.training_times() as f64
    }

    /// Moves a sigma towards the noisy end.
    pub fn shifted(&self, sigma: f64) -> f64 {
        match self.shift {
            Shift::Static(shift) => shift * sigma / (1.0 + (shift - 1.0) * sigma),
            Shift::Exponential(mu) => mu.exp() / (mu.exp() + (1.0 / sigma - 1.0)),
            Shift::Linear(mu) => mu / (mu + (1.0 / sigma - 1.0)),
        }
    }

    /// Stretches a list so that it ends at `shift_terminal` (LTX-Video).
    fn stretched(&self, mut sigmas: Vec<f64>) -> Vec<f64> {
        if let (Some(terminal), Some(last)) = (self.terminal, sigmas.last().copied()) {
            let scale = (1.0 - last) / (1.0 - terminal);
            sigmas.iter_mut().for_each(|sigma| *sigma = 1.0 - (1.0 - *sigma) / scale);
        }
        sigmas
    }
}

fn shift(config: &Config, by: Option<ShiftBy>) -> Result<Shift> {
    if !config.flag("use_dynamic_shifting")? {
        let shift = config.number("shift")?;
        if !(shift > 0.0 && shift.is_finite()) {
            bail!("the scheduler key shift is {shift}, but must be above 0");
        }
        return Ok(Shift::Static(shift));
    }
    let mu = match by {
        Some(ShiftBy::Mu(mu)) => mu,
        Some(ShiftBy::Tokens(tokens)) => mu_of(config, tokens as f64)?,
        None => bail!(
            "the scheduler key use_dynamic_shifting needs the number of image tokens, which this model family does not give"
        ),
    };
    Ok(match config.choice("time_shift_type", &[("exponential", true), ("linear", false)])? {
        true => Shift::Exponential(mu),
        false => Shift::Linear(mu),
    })
}

/// The line through `(base_image_seq_len, base_shift)` and `(max_image_seq_len, max_shift)`.
fn mu_of(config: &Config, tokens: f64) -> Result<f64> {
    let low = (config.number("base_image_seq_len")?, config.number("base_shift")?);
    let high = (config.number("max_image_seq_len")?, config.number("max_shift")?);
    Ok(low.1 + (high.1 - low.1) / (high.0 - low.0) * (tokens - low.0))
}

impl NoiseSchedule for Flow {
    fn level(&self, t: f64) -> Level {
        let share = t / self.train;
        let sigma = if self.rises { 1.0 - share } else { share };
        Level { t, alpha: 1.0 - sigma, sigma }
    }

    fn at_sigma(&self, sigma: f64) -> Level {
        let share = if self.rises { 1.0 - sigma } else { sigma };
        Level { t: share * self.train, alpha: 1.0 - sigma, sigma }
    }

    fn sigma(&self, level: Level) -> f64 {
        level.sigma
    }

    fn sigmas(&self) -> (f64, f64) {
        (self.shifted(self.least()), 1.0)
    }

    fn at_half_log_snr(&self, lambda: f64) -> Level {
        self.at_sigma(1.0 / (1.0 + lambda.exp()))
    }

    fn training_times(&self) -> usize {
        if self.train > 1.0 { self.train as usize } else { 1000 }
    }

    fn training_sigma(&self, time: f64) -> f64 {
        self.shifted((time + 1.0) * self.least())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(keys: &[(&str, Value)], by: Option<ShiftBy>) -> Result<Flow> {
        let keys = keys.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        Flow::from_source(&Source { class: "FlowMatchEulerDiscreteScheduler".into(), keys }, by).map(|(flow, _)| flow)
    }

    #[test]
    fn a_shift_moves_the_middle_and_keeps_the_ends() {
        let flow = flow(&[("shift", Value::Number(3.0))], None).unwrap();
        assert_eq!((flow.shifted(1.0), flow.shifted(0.0)), (1.0, 0.0));
        assert!((flow.shifted(0.5) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn dynamic_shift_needs_tokens() {
        let keys = [("use_dynamic_shifting", Value::Bool(true))];
        assert!(flow(&keys, None).is_err());
        let flow = flow(&keys, Some(ShiftBy::Tokens(256))).unwrap();
        assert!((flow.shifted(0.5) - 0.5f64.exp() / (0.5f64.exp() + 1.0)).abs() < 1e-12);
    }

    #[test]
    fn half_log_snr_and_levels_are_inverse() {
        let rising = [("invert_sigmas", Value::Bool(true)), ("num_train_timesteps", Value::Number(1.0))];
        for flow in [flow(&[], None).unwrap(), flow(&rising, None).unwrap()] {
            for sigma in [0.01, 0.5, 0.97] {
                let level = flow.at_sigma(sigma);
                assert!((flow.at_half_log_snr(level.half_log_snr()).sigma - sigma).abs() < 1e-12);
                assert!((flow.level(level.t).sigma - sigma).abs() < 1e-12);
            }
        }
    }

    /// `t_i = s u / (1 + (s - 1) u)` with `u = i / steps`, as ZipVoice spreads its times, is a shift of `1 / s`.
    #[test]
    fn rising_times_are_shifted_by_the_inverse() {
        for (t_shift, steps) in [(0.5, 4), (0.7, 3), (1.0, 5)] {
            let keys = [
                ("invert_sigmas", Value::Bool(true)),
                ("num_train_timesteps", Value::Number(1.0)),
                ("shift", Value::Number(1.0 / t_shift)),
            ];
            let flow = flow(&keys, None).unwrap();
            for (i, sigma) in flow.spread_evenly(steps).into_iter().enumerate() {
                let u = i as f64 / steps as f64;
                let want = t_shift * u / (1.0 + (t_shift - 1.0) * u);
                assert!((flow.at_sigma(sigma).t - want).abs() < 1e-12, "{i} of {steps}, {t_shift}");
            }
        }
    }
}
