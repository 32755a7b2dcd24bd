//! Pictures.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use edrun_modalities::image::{Decoder, Encoder, Picture};
use edrun_modalities::{LatentCodec, Posterior};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::Value as Json;

use super::projection::Projection;
use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Wanted, whole};
use crate::sampling::Latent;

/// Sizes and scales of pictures and their latents.
#[derive(Clone, Debug)]
struct Pictures {
    /// Latent scale and size.
    codec: LatentCodec,
    /// Latent height and width the network was trained at.
    sample_size: (usize, usize),
    /// What latent height and width must be multiples of: an exported UNet halves them and doubles
    /// them again, and fails where a half was rounded.
    latent_step: usize,
}

/// The graph of the decoder, and what its latents mean.
struct Decoding {
    decoder: Decoder,
    codec: LatentCodec,
}

/// The graph of the encoder, and what its latents mean.
struct Encoding {
    encoder: Encoder,
    codec: LatentCodec,
}

/// Latent scale of Stable Diffusion 1 and 2, for exports that do not state it.
const STABLE_DIFFUSION_SCALING: f32 = 0.18215;

/// Pixels that width and height must be multiples of, as in the reference pipelines.
const PIXEL_STEP: usize = 8;

/// What is said of media of another kind.
const FOREIGN: &str = "this model makes pictures, so it starts from pictures only";

/// The largest picture side, in pixels: above it a typing error is likelier than a wish.
const MAX_SIDE: usize = 16_384;

/// Reads the facts of pictures that a UNet makes.
pub(crate) fn read(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let unet = folder.json("unet/config.json")?;
    let decoder = folder.json("vae_decoder/config.json")?;
    let vae = folder.json("vae/config.json")?;
    let codec = LatentCodec::from_configs(decoder.as_ref(), vae.as_ref(), STABLE_DIFFUSION_SCALING)?;
    let (sample_size, latent_step) = (sample_size(unet.as_ref())?, latent_step(unet.as_ref()));
    Ok(Arc::new(Pictures { codec, sample_size, latent_step }))
}

impl Medium for Pictures {
    fn modality(&self) -> Modality {
        Modality::Image
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn measure(&self, wanted: &Wanted, init: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        let factor = self.codec.factor;
        let given =
            init.and_then(Media::picture).map(|picture| (self.whole(picture.width), self.whole(picture.height)));
        let (width, height) = given.unwrap_or((self.sample_size.1 * factor, self.sample_size.0 * factor));
        let (width, height) = (wanted.width.unwrap_or(width), wanted.height.unwrap_or(height));
        self.check_side("--width", width)?;
        self.check_side("--height", height)?;
        Ok((Extent::Picture { width, height }, vec![self.codec.channels, height / factor, width / factor]))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = Decoder::open_cancellable(folder, options, cancel)?;
        Ok(Box::new(Decoding { decoder, codec: self.codec.clone() }))
    }

    fn encoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Encode>> {
        let encoder = Encoder::open_cancellable(folder, options, cancel)?;
        Ok(Box::new(Encoding { encoder, codec: self.codec.clone() }))
    }

    fn linear_preview(&self, decoder: &mut dyn Decode, cancel: &Cancel) -> Result<Option<Box<dyn Decode>>> {
        let fitted = Projection::fit(decoder, self.codec.channels, self.codec.factor, self.latent_step, cancel)?;
        Ok(Some(Box::new(fitted)))
    }

    fn scaled(&self, latent: Latent) -> Latent {
        self.codec.to_scaled(latent.view())
    }

    fn mask(&self, mask: &Mask, extent: Extent, shape: &[usize]) -> Result<Latent> {
        let (Mask::Picture(mask), Extent::Picture { width, height }) = (mask, extent) else { bail!("{FOREIGN}") };
        spread(&mask.resized(width, height)?, shape)
    }
}

impl Pictures {
    /// What sides are multiples of.
    fn step(&self) -> usize {
        PIXEL_STEP.max(self.codec.factor * self.latent_step)
    }

    /// The side that a picture of so many pixels is brought to.
    fn whole(&self, pixels: usize) -> usize {
        (pixels / self.step() * self.step()).max(self.step())
    }

    fn check_side(&self, flag: &str, pixels: usize) -> Result<()> {
        let step = self.step();
        if pixels == 0 || !pixels.is_multiple_of(step) {
            let below = self.whole(pixels);
            bail!("{flag} is {pixels}, but must be a multiple of {step}; nearest are {below} and {}", below + step);
        }
        if pixels > MAX_SIDE {
            bail!("{flag} is {pixels}, but pictures end at {MAX_SIDE} pixels a side");
        }
        Ok(())
    }
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, _: Extent, cancel: &Cancel) -> Result<Media> {
        self.decoder.decode(latent.view(), &self.codec, cancel).map(Media::Picture)
    }
}

impl Encode for Encoding {
    fn encode(&mut self, media: &Media, extent: Extent, cancel: &Cancel) -> Result<Posterior> {
        let (Media::Picture(picture), Extent::Picture { width, height }) = (media, extent) else { bail!("{FOREIGN}") };
        self.encoder.encode(&picture.resized(width, height)?, &self.codec, cancel)
    }
}

/// A mask in latent size, over all channels: the pixel at each latent's corner decides, as in the reference.
fn spread(mask: &Picture, shape: &[usize]) -> Result<Latent> {
    let [_, height, width] = *shape else { bail!("a latent of {shape:?} is none of a picture") };
    let (grey, step) = (mask.grey(), (mask.height / height, mask.width / width));
    let at = |y: usize, x: usize| grey.get(y * step.0 * mask.width + x * step.1).copied().unwrap_or_default();
    let plane = Latent::from_shape_fn(vec![height, width], |i| f32::from(at(i[0], i[1]) >= 0.5));
    plane.broadcast(shape).map(|all| all.to_owned()).context("the mask has another shape than the latent")
}

/// `sample_size` is one number or a pair; 64 where an old export does not state it.
fn sample_size(unet: Option<&Json>) -> Result<(usize, usize)> {
    match unet.and_then(|config| config.get("sample_size")) {
        Some(Json::Array(pair)) => match pair.iter().map(Json::as_u64).collect::<Option<Vec<_>>>().as_deref() {
            Some([height, width]) => Ok((*height as usize, *width as usize)),
            _ => bail!("the key sample_size of unet/config.json must be a number or a pair of numbers"),
        },
        _ => whole(unet, "unet/config.json", "sample_size").map(|size| size.map_or((64, 64), |size| (size, size))),
    }
}

/// Every block of a UNet but the last halves its input.
fn latent_step(unet: Option<&Json>) -> usize {
    let blocks = unet.and_then(|config| config.get("down_block_types")?.as_array()).map_or(1, Vec::len);
    1 << (blocks.clamp(1, 8) - 1)
}
