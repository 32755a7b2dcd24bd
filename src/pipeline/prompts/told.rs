//! Conditioning of sound models: a text with the seconds that the sound lasts, or one embedding of the whole text.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use edrun_modalities::prompt::SecondsProjection;
use edrun_onnx::Cancel;
use ndarray::{ArrayView, ArrayView2, Axis, concatenate};

use super::{Conditions, Told as States, texts};
use crate::media::Extent;
use crate::network::{Condition, Input};
use crate::pipeline::Pipeline;
use crate::pipeline::run::Ready;
use crate::recipe::Told;
use crate::sampling::Latent;

impl Pipeline {
    /// Fills in the conditioning of every ask whose family's denoiser is told more than states, or less.
    pub(super) fn tell_more(
        &self,
        ready: &mut [Ready<'_>],
        states: &HashMap<String, States>,
        cancel: &Cancel,
    ) -> Result<()> {
        match self.recipe.family.told {
            Told::Class => ready.iter_mut().for_each(|ask| ask.conditions = embedded(ask, states)),
            Told::Seconds => self.tell_seconds(ready, states, cancel)?,
            Told::Words | Told::Speech => bail!("a family that is told words only has no more to be told"),
        }
        Ok(())
    }

    /// Puts the seconds that each ask's sound lasts behind its texts.
    fn tell_seconds(&self, ready: &mut [Ready<'_>], states: &HashMap<String, States>, cancel: &Cancel) -> Result<()> {
        let mut projection = SecondsProjection::open(&self.folder, &self.settings.graphs(), cancel)?;
        for ask in ready {
            let Extent::Sound { samples, sample_rate } = ask.plan.extent else { bail!("only sound lasts for seconds") };
            let seconds = samples as f64 / f64::from(sample_rate);
            let [positive, negative] = texts(ask).map(|text| text.and_then(|text| states.get(text)));
            let Some(positive) = positive else { continue };
            let positive = timed(&mut projection, positive, seconds, cancel)?;
            let negative = match negative {
                // As the reference has it, no negative prompt is nothing at all, not the empty text.
                Some(_) if ask.wish.negative_prompt.is_none() => Some(nothing(&positive)),
                Some(negative) => Some(timed(&mut projection, negative, seconds, cancel)?),
                None => None,
            };
            ask.conditions = Some(Conditions { positive: Arc::new(positive), negative: negative.map(Arc::new) });
        }
        Ok(())
    }
}

/// The text with both seconds behind it, and both seconds side by side.
fn timed(projection: &mut SecondsProjection, text: &States, seconds: f64, cancel: &Cancel) -> Result<Condition> {
    let mut made = projection.project(text.states.view(), 0.0, seconds, cancel)?;
    made.text.outer_iter_mut().zip(&text.mask).for_each(|(mut row, there)| row *= *there);
    let [start, end] = [row(&made.start)?, row(&made.end)?];
    let states = concatenate(Axis(0), &[made.text.view(), start.into_dyn(), end.into_dyn()])?;
    let seconds = concatenate(Axis(1), &[start, end])?;
    Ok([(Input::HiddenStates, states), (Input::Globals, seconds.into_dyn())].into_iter().collect())
}

fn row(values: &[f32]) -> Result<ArrayView2<'_, f32>> {
    Ok(ArrayView::from_shape((1, values.len()), values)?)
}

/// The same with no word said.
fn nothing(like: &Condition) -> Condition {
    let states = like.get(Input::HiddenStates).map(|states| (Input::HiddenStates, Latent::zeros(states.raw_dim())));
    let globals = like.get(Input::Globals).map(|seconds| (Input::Globals, seconds.clone()));
    states.into_iter().chain(globals).collect()
}

fn embedded(ask: &Ready<'_>, states: &HashMap<String, States>) -> Option<Conditions> {
    let [positive, negative] = texts(ask);
    let class = |text: &str| Some(Arc::new(Condition::from_iter([(Input::Class, unit(&states.get(text)?.states))])));
    let negative = match negative {
        Some(text) => Some(class(text)?),
        None => None,
    };
    Some(Conditions { positive: class(positive?)?, negative })
}

/// The embedding at unit length.
fn unit(embedding: &Latent) -> Latent {
    let length = embedding.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt().max(1e-12);
    embedding.mapv(|v| (f64::from(v) / length) as f32)
}
