//! Pictures that a run starts from.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use edrun_modalities::image::{Encoder, LatentCodec, Picture, Posterior};
use edrun_onnx::Cancel;

use super::run::Ready;
use super::{Pipeline, Progress, Tell, Times};
use crate::sampling::latent::combine;
use crate::sampling::{Latent, Noise};

/// A picture that was given, encoded.
pub(super) struct Given {
    image: Posterior,
    /// 1 where the picture is made anew, of the latent's shape.
    pub(super) mask: Option<Latent>,
}

impl Given {
    /// Draws the picture's latent, scaled as the sampler works on it.
    pub(super) fn draw(&self, codec: &LatentCodec, noise: &mut Noise) -> Latent {
        let mut latent = self.image.mean.clone();
        if let Some(std) = &self.image.std {
            let mut draw = noise.normal(std.shape());
            draw *= std;
            combine(&mut latent, 1.0, &[(1.0, &draw)]);
        }
        codec.to_scaled(latent.view())
    }

    /// Skips the numbers that the reference draws to encode the masked picture, which only networks made for
    /// inpainting see.
    pub(super) fn skip_masked(&self, noise: &mut Noise) {
        if let (Some(_), Some(std)) = (&self.mask, &self.image.std) {
            noise.normal(std.shape());
        }
    }
}

impl Pipeline {
    /// Encodes the pictures that were given; an ask whose picture cannot be encoded fails alone.
    pub(super) fn encode_given(
        &mut self,
        ready: &mut Vec<Ready<'_>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        if ready.iter().all(|ready| ready.wish.init_image.is_none()) {
            return Ok(());
        }
        tell(Progress::Stage("encoding the picture"))?;
        let start = Instant::now();
        let mut encoder = Encoder::open_cancellable(&self.folder, &self.settings.graphs(), cancel)?;
        times.load += start.elapsed();
        let start = Instant::now();
        let mut kept = Vec::new();
        for mut ask in ready.drain(..) {
            match given(&mut encoder, &ask, &self.recipe.codec, cancel) {
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

fn given(encoder: &mut Encoder, ask: &Ready<'_>, codec: &LatentCodec, cancel: &Cancel) -> Result<Option<Given>> {
    let Some(picture) = &ask.wish.init_image else { return Ok(None) };
    let (width, height) = (ask.plan.width, ask.plan.height);
    let image = encoder.encode(&picture.resized(width, height)?, codec, cancel)?;
    if image.mean.shape() != ask.plan.latent_shape {
        bail!(
            "the vae_encoder gave a latent of {:?} where the model needs {:?}; export it again",
            image.mean.shape(),
            ask.plan.latent_shape
        );
    }
    let mask = ask.wish.mask.as_ref().map(|mask| spread(&mask.resized(width, height)?, &ask.plan.latent_shape));
    Ok(Some(Given { image, mask: mask.transpose()? }))
}

/// A mask in latent size, over all channels: the pixel at each latent's corner decides, as in the reference.
fn spread(mask: &Picture, shape: &[usize; 3]) -> Result<Latent> {
    let [_, height, width] = *shape;
    let (grey, step) = (mask.grey(), (mask.height / height, mask.width / width));
    let at = |y: usize, x: usize| grey.get(y * step.0 * mask.width + x * step.1).copied().unwrap_or_default();
    let plane = Latent::from_shape_fn(vec![height, width], |i| f32::from(at(i[0], i[1]) >= 0.5));
    plane.broadcast(shape.as_slice()).map(|all| all.to_owned()).context("the mask has another shape than the latent")
}
