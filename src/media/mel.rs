//! Sound by way of mel spectrograms.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use edrun_modalities::LatentCodec;
use edrun_modalities::audio::{MelConfig, MelDecoder};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::Value as Json;

use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Wanted, whole};
use crate::sampling::Latent;

/// Sizes and scales of mel spectrograms and their latents.
#[derive(Clone, Debug)]
struct Spectrograms {
    codec: LatentCodec,
    sample_rate: u32,
    /// Bands of a frame of the spectrogram.
    bands: usize,
    /// Samples that a frame becomes.
    hop: usize,
    /// Frames of a latent when no duration is asked for.
    length: usize,
    /// What frames of a latent must be multiples of.
    step: usize,
    /// Whether phases are found instead of made by a vocoder.
    griffin_lim: bool,
}

struct Decoding {
    decoder: MelDecoder,
    codec: LatentCodec,
}

const DENOISER: &str = "unet/config.json";
const DECODER: &str = "vae_decoder/config.json";
const VOCODER: &str = "vocoder/config.json";

/// Ten minutes: what is longer is likelier a typing error than a wish, and would fill the memory.
const LONGEST: f64 = 600.0;

/// Reads the facts of spectrograms that a UNet makes.
pub(crate) fn read(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let [unet, decoder, vocoder] = [folder.json(DENOISER)?, folder.json(DECODER)?, folder.json(VOCODER)?];
    let key = |config: &Option<Json>, file: &str, key: &str| {
        whole(config.as_ref(), file, key)?
            .with_context(|| format!("{file} does not state the {key}; export the model again"))
    };
    let codec = LatentCodec::from_configs(decoder.as_ref(), folder.json("vae/config.json")?.as_ref(), 1.0)?;
    let found = MelConfig::read(folder)?.map(|config| config.facts);
    let bands = found.as_ref().map_or_else(|| key(&vocoder, VOCODER, "model_in_dim"), |facts| Ok(facts.bands))?;
    ensure!(
        bands.is_multiple_of(codec.factor),
        "the spectrograms of {VOCODER} have {bands} bands, which the decoder's factor {} does not divide; export the model \
         again",
        codec.factor
    );
    Ok(Arc::new(Spectrograms {
        sample_rate: key(&vocoder, VOCODER, "sampling_rate")? as u32,
        bands,
        hop: found.as_ref().map_or_else(|| hop(vocoder.as_ref()), |facts| Ok(facts.hop))?,
        griffin_lim: found.is_some(),
        length: key(&unet, DENOISER, "sample_size")?,
        step: step(unet.as_ref()),
        codec,
    }))
}

/// Every stage of the vocoder makes so many of one.
fn hop(vocoder: Option<&Json>) -> Result<usize> {
    let rates = vocoder.and_then(|config| config.get("upsample_rates")?.as_array());
    let rates = rates.and_then(|list| list.iter().map(Json::as_u64).collect::<Option<Vec<_>>>());
    match rates.map(|list| list.iter().try_fold(1u64, |all, rate| all.checked_mul(*rate))) {
        Some(Some(hop @ 1..=0xFFFF)) => Ok(hop as usize),
        _ => bail!("{VOCODER} does not state the upsample_rates as a list of numbers; export the model again"),
    }
}

/// Every block of a UNet but the last halves its input; an exported one fails where a half was rounded.
fn step(unet: Option<&Json>) -> usize {
    let blocks = unet.and_then(|config| config.get("down_block_types")?.as_array()).map_or(1, Vec::len);
    1 << (blocks.clamp(1, 8) - 1)
}

impl Medium for Spectrograms {
    fn modality(&self) -> Modality {
        Modality::Sound
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn does_without(&self, component: &str) -> bool {
        self.griffin_lim && component == "vocoder"
    }

    fn measure(&self, wanted: &Wanted, _: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        let (rate, factor) = (f64::from(self.sample_rate), self.codec.factor);
        let own = (self.length * factor * self.hop) as f64 / rate;
        let seconds = wanted.seconds.unwrap_or(own);
        // As the reference has it, which rounds down and then up to whole latents.
        let frames = (seconds * rate / self.hop as f64) as usize;
        ensure!(
            seconds.is_finite() && frames >= factor,
            "--duration is {seconds}, but this model makes {:.3} seconds at least",
            (factor * self.hop) as f64 / rate
        );
        ensure!(seconds <= LONGEST, "--duration is {seconds}, but this model makes up to {LONGEST} seconds at once");
        let length = frames.div_ceil(factor).next_multiple_of(self.step);
        let extent = Extent::Sound { samples: (seconds * rate) as usize, sample_rate: self.sample_rate };
        Ok((extent, vec![self.codec.channels, length, self.bands / factor]))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = MelDecoder::open(folder, self.sample_rate, options, cancel)?;
        Ok(Box::new(Decoding { decoder, codec: self.codec.clone() }))
    }

    fn encoder(&self, folder: &Folder, _: &GraphOptions, _: &Cancel) -> Result<Box<dyn Encode>> {
        bail!("{} cannot start from a sound that is given", folder.path().display())
    }

    fn scaled(&self, latent: Latent) -> Latent {
        self.codec.to_scaled(latent.view())
    }

    fn mask(&self, _: &Mask, _: Extent, _: &[usize]) -> Result<Latent> {
        bail!("a mask is none of a sound")
    }
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media> {
        let Extent::Sound { samples, .. } = extent else { bail!("a decoder of sound was asked for something else") };
        self.decoder.decode(latent.view(), &self.codec, samples, cancel).map(Media::Sound)
    }
}
