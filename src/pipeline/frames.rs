//! What a clip's network is told beside its text: frames that are given, and where its latents lie.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use edrun_onnx::Cancel;

use super::given::Given;
use super::run::Ready;
use super::{Ask, Pipeline, Progress, Tell, Times};
use crate::media::{Picture, Show, Wanted};
use crate::network::Input;
use crate::recipe::Recipe;

/// Frames that are given of a clip.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FramesGiven {
    /// The first one.
    pub first: Option<Picture>,
    /// The last one; only with the first.
    pub last: Option<Picture>,
}

/// How far the aspects of a clip and of its first frame may be apart: the picture is stretched.
const STRETCH: f64 = 1.1;

/// The size of an ask: where it is left open, that of the first frame.
pub(super) fn size(recipe: &Recipe, ask: &Ask) -> Result<Wanted> {
    let medium = &recipe.medium;
    let goes_on = medium.input_channels() != medium.channels();
    match (&ask.frames, goes_on) {
        (FramesGiven { first: None, last: Some(_) }, _) => {
            bail!("--last-frame says how a clip ends that begins with a picture; give that with --first-frame")
        }
        (FramesGiven { first: Some(first), .. }, false) if medium.keeps_frames() => fitted(recipe, ask, first),
        (FramesGiven { first: Some(_), .. }, false) => {
            bail!("--first-frame is for models that go on from a picture, which this one does not; leave it out")
        }
        (FramesGiven { first: None, .. }, true) => {
            bail!("this model goes on from a picture; give one with --first-frame")
        }
        (FramesGiven { first: Some(first), .. }, true) => fitted(recipe, ask, first),
        (FramesGiven { first: None, last: None }, false) => Ok(ask.size),
    }
}

fn fitted(recipe: &Recipe, ask: &Ask, first: &Picture) -> Result<Wanted> {
    let (width, height) = recipe.medium.like(first.width, first.height);
    let wanted = match (ask.size.width, ask.size.height) {
        (None, None) => Wanted { width: Some(width), height: Some(height), ..ask.size },
        _ => ask.size,
    };
    let aspect = |width: usize, height: usize| width as f64 / height.max(1) as f64;
    if let (Some(asked_width), Some(asked_height)) = (wanted.width, wanted.height) {
        let stretch = aspect(asked_width, asked_height) / aspect(first.width, first.height);
        if !(1.0 / STRETCH..=STRETCH).contains(&stretch) && ask.size.width.is_some() {
            bail!(
                "the first frame has {}x{} pixels, which {asked_width}x{asked_height} would stretch; crop it, or ask for \
                 --width {width} --height {height}",
                first.width,
                first.height
            );
        }
    }
    Ok(wanted)
}

impl Pipeline {
    /// Encodes frames that are kept, as the network is told nothing of them; an ask whose own cannot be fails alone.
    pub(super) fn keep_frames(
        &mut self,
        ready: &mut Vec<Ready<'_>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        let medium = Arc::clone(&self.recipe.medium);
        if !medium.keeps_frames() || ready.iter().all(|ask| ask.wish.frames.first.is_none()) {
            return Ok(());
        }
        tell(Progress::Stage("encoding the frames that are given"))?;
        let start = Instant::now();
        let mut kept = Vec::new();
        for mut ask in ready.drain(..) {
            let FramesGiven { first, last } = &ask.wish.frames;
            let ends = [first.as_ref(), last.as_ref()];
            if ends[0].is_none() {
                kept.push(ask);
                continue;
            }
            match medium.keep(&self.folder, &self.settings.graphs(), ends, &ask.plan.latent_shape, cancel) {
                Ok(frames) => {
                    ask.given = Some(Given::kept(frames));
                    kept.push(ask);
                }
                Err(error) if cancel.is_cancelled() || !ask.company.several => return Err(error),
                Err(error) => tell(Progress::Failed { ask: ask.ask, index: 0, error })?,
            }
        }
        *ready = kept;
        self.tell_news(tell)?;
        times.encode += start.elapsed();
        Ok(())
    }

    /// Adds to every ask's conditioning what its network is told beside the text; an ask whose own frames cannot be encoded
    /// fails alone.
    pub(super) fn tell_frames(
        &mut self,
        ready: &mut Vec<Ready<'_>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        let medium = Arc::clone(&self.recipe.medium);
        for ask in ready.iter_mut() {
            let places = medium.places(ask.plan.extent, &self.seen_at_once(&ask.plan.latent_shape));
            if let (Some(conditions), Some(places)) = (&mut ask.conditions, &places) {
                conditions.add(Input::Coordinates, places);
            }
        }
        let Some(mut showing) = medium.showing(&self.folder, &self.settings.graphs()) else { return Ok(()) };
        tell(Progress::Stage("encoding the frames that are given"))?;
        let start = Instant::now();
        let mut kept = Vec::new();
        for mut ask in ready.drain(..) {
            match show(&mut *showing, &mut ask, cancel) {
                Ok(()) => kept.push(ask),
                Err(error) if cancel.is_cancelled() || !ask.company.several => return Err(error),
                Err(error) => tell(Progress::Failed { ask: ask.ask, index: 0, error })?,
            }
        }
        *ready = kept;
        self.tell_news(tell)?;
        times.encode += start.elapsed();
        Ok(())
    }
}

fn show(showing: &mut dyn Show, ask: &mut Ready<'_>, cancel: &Cancel) -> Result<()> {
    let FramesGiven { first: Some(first), last } = &ask.wish.frames else { return Ok(()) };
    let shown = showing.show(first, last.as_ref(), ask.plan.extent, cancel)?;
    let latent = &ask.plan.latent_shape;
    if shown.channels.shape().get(1..) != latent.get(1..) {
        bail!(
            "the encoder gave a latent of {:?} where the model needs {latent:?}; export it again",
            shown.channels.shape()
        );
    }
    if let Some(conditions) = &mut ask.conditions {
        conditions.add(Input::Channels, &shown.channels);
        if let Some(states) = &shown.states {
            conditions.add(Input::ImageStates, states);
        }
    }
    Ok(())
}
