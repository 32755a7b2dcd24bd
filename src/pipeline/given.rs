//! What a run starts from.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Result, bail};
use edrun_modalities::Posterior;
use edrun_onnx::Cancel;

use super::run::Ready;
use super::{Pipeline, Progress, Tell, Times};
use crate::media::{Encode, Kept, Medium};
use crate::sampling::latent::combine;
use crate::sampling::{Latent, Noise};

/// What was given, encoded.
pub(super) struct Given {
    posterior: Posterior,
    /// 1 where it is made anew, of the latent's shape.
    pub(super) mask: Option<Latent>,
}

impl Given {
    /// Frames of a clip that stay as they are.
    pub(super) fn kept(Kept { clean, mask }: Kept) -> Self {
        Self { posterior: Posterior { mean: clean, std: None }, mask: Some(mask) }
    }

    /// Draws its latent, scaled as the sampler works on it.
    pub(super) fn draw(&self, medium: &dyn Medium, noise: &mut Noise) -> Latent {
        let mut latent = self.posterior.mean.clone();
        if let Some(std) = &self.posterior.std {
            let mut draw = noise.normal(std.shape());
            draw *= std;
            combine(&mut latent, 1.0, &[(1.0, &draw)]);
        }
        medium.scaled(latent)
    }

    /// Skips the numbers that the reference draws to encode what is left of it under the mask, which only networks made for
    /// inpainting see.
    pub(super) fn skip_masked(&self, noise: &mut Noise) {
        if let (Some(_), Some(std)) = (&self.mask, &self.posterior.std) {
            noise.normal(std.shape());
        }
    }
}

impl Pipeline {
    /// Encodes what was given; an ask whose own cannot be encoded fails alone.
    pub(super) fn encode_given(
        &mut self,
        ready: &mut Vec<Ready<'_>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        if ready.iter().all(|ready| ready.wish.init.is_none()) {
            return Ok(());
        }
        tell(Progress::Stage("encoding what was given"))?;
        let start = Instant::now();
        let medium = Arc::clone(&self.recipe.medium);
        let mut encoder = medium.encoder(&self.folder, &self.settings.graphs(), cancel)?;
        self.tell_news(tell)?;
        times.load += start.elapsed();
        let start = Instant::now();
        let mut kept = Vec::new();
        for mut ask in ready.drain(..) {
            let span = self.settings.trace.span("encode", "what was given");
            let encoded = given(&mut *encoder, &ask, &*medium, cancel);
            drop(span);
            match encoded {
                Ok(given) => {
                    ask.given = given;
                    kept.push(ask);
                }
                Err(error) if cancel.is_cancelled() => return Err(error),
                Err(error) => tell(Progress::Failed { ask: ask.ask, index: 0, error })?,
            }
        }
        *ready = kept;
        times.encode += start.elapsed();
        Ok(())
    }
}

fn given(encoder: &mut dyn Encode, ask: &Ready<'_>, medium: &dyn Medium, cancel: &Cancel) -> Result<Option<Given>> {
    let Some(media) = &ask.wish.init else { return Ok(None) };
    let (extent, shape) = (ask.plan.extent, &ask.plan.latent_shape);
    let posterior = encoder.encode(media, extent, cancel)?;
    if posterior.mean.shape() != shape.as_slice() {
        bail!(
            "the encoder gave a latent of {:?} where the model needs {shape:?}; export it again",
            posterior.mean.shape()
        );
    }
    let mask = ask.wish.mask.as_ref().map(|mask| medium.mask(mask, extent, shape)).transpose()?;
    Ok(Some(Given { posterior, mask }))
}
