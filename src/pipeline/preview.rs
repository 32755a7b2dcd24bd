//! Looks at results while they are sampled.

use std::collections::HashMap;

use anyhow::{Result, bail};
use edrun_onnx::Cancel;

use super::{Pipeline, Preview, PreviewBy, Progress, Tell};
use crate::media::{Decode, Extent};
use crate::sampling::{Latent, RequestId};

/// What a look at a result needs to know of it.
pub(super) struct Looked {
    pub(super) ask: usize,
    pub(super) index: usize,
    pub(super) done: usize,
    pub(super) total: usize,
    /// Steps of the pieces before it.
    pub(super) before: usize,
    pub(super) extent: Extent,
}

/// The looks of a run.
#[derive(Default)]
pub(super) struct Previews {
    /// Steps from one look to the next; 0 for none.
    every: usize,
    /// In place of the run's decoder.
    linear: Option<Box<dyn Decode>>,
    /// Estimates of steps that are looked at when they are complete.
    kept: HashMap<RequestId, Latent>,
}

impl Pipeline {
    /// Whether the decoder is needed while the denoiser runs.
    pub(super) fn previews_by_decoder(&self) -> bool {
        self.settings.preview.is_some_and(|preview| preview.by == PreviewBy::Decoder)
    }

    /// Gets ready to look: before the denoiser is loaded, so that a fit needs no memory beside it.
    pub(super) fn previews(&mut self, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Previews> {
        let Some(Preview { every, by }) = self.settings.preview else { return Ok(Previews::default()) };
        let every = every.max(1);
        if by == PreviewBy::Decoder {
            return Ok(Previews { every, ..Previews::default() });
        }
        let mut decoder = self.decoder(cancel, tell)?;
        let linear = self.recipe.medium.linear_preview(&mut *decoder, cancel)?;
        if self.settings.keep_loaded {
            self.decoder = Some(decoder);
        }
        match linear {
            Some(linear) => Ok(Previews { every, linear: Some(linear), ..Previews::default() }),
            None => bail!("--preview-by linear is for pictures; look through the decoder"),
        }
    }
}

impl Previews {
    /// Keeps an estimate if the step it belongs to is looked at.
    pub(super) fn keep(&mut self, request: RequestId, done: usize, clean: &Latent) {
        if self.every > 0 && (done + 1).is_multiple_of(self.every) {
            self.kept.insert(request, clean.clone());
        }
    }

    /// Shows a step's estimate, if it was kept. A look that fails ends the looking, not the run.
    pub(super) fn show(
        &mut self,
        request: RequestId,
        looked: &Looked,
        decoder: &mut Option<Box<dyn Decode>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
    ) -> Result<()> {
        let Some(latent) = self.kept.remove(&request) else { return Ok(()) };
        // The result itself follows at once.
        if looked.done == looked.total {
            return Ok(());
        }
        let Some(by) = self.linear.as_mut().or(decoder.as_mut()) else { return Ok(()) };
        match by.decode(&latent, looked.extent, cancel) {
            Ok(media) => {
                let done = looked.before + looked.done;
                tell(Progress::Preview { ask: looked.ask, index: looked.index, done, media: &media })
            }
            Err(error) if cancel.is_cancelled() => Err(error),
            Err(error) => {
                self.every = 0;
                tell(Progress::Note(&format!("no more previews: {error:#}")))
            }
        }
    }
}
