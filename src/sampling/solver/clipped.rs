//! Solvers whose clean estimates are limited before they see them.

use anyhow::{Result, bail};

use super::{Config, Level, Noise, Seen, Solver, Value, Want};
use crate::sampling::prediction::{Clip, Prediction};

/// A solver whose clean estimates are limited before it sees them.
struct Clipped<S> {
    inner: S,
    clip: Clip,
}

impl<S: Solver> Solver for Clipped<S> {
    fn start(&self) -> Level {
        self.inner.start()
    }

    fn advance(&mut self, seen: Seen<'_>, noise: &mut Noise) -> Want {
        self.clip.apply(seen.clean);
        self.inner.advance(seen, noise)
    }

    fn extra_groups(&self) -> usize {
        self.inner.extra_groups()
    }
}

/// Boxes a solver, with a clip around it where the configuration asks for one.
pub(super) fn boxed(solver: impl Solver + 'static, clip: Clip) -> Box<dyn Solver> {
    if clip == Clip::None { Box::new(solver) } else { Box::new(Clipped { inner: solver, clip }) }
}

/// The clip that a configuration asks for; thresholding wins, as in the references.
pub(super) fn clip(config: &Config) -> Result<Clip> {
    if config.flag("thresholding")? {
        let (ratio, max) = (config.number("dynamic_thresholding_ratio")?, config.number("sample_max_value")?);
        if !(0.0..=1.0).contains(&ratio) {
            bail!("the scheduler key dynamic_thresholding_ratio is {ratio}, but must lie in 0..=1");
        }
        return Ok(Clip::Dynamic { ratio, max });
    }
    match config.flag("clip_sample")? {
        true => Ok(Clip::Range(config.number("clip_sample_range")?)),
        false => Ok(Clip::None),
    }
}

/// The prediction type of a configuration.
pub(super) fn prediction(config: &Config) -> Result<Prediction> {
    match config.get("prediction_type") {
        Value::Text(text) => Prediction::parse(text),
        other => bail!(
            "the scheduler key prediction_type is {other:?}; known are epsilon, v_prediction, sample and flow_prediction"
        ),
    }
}
