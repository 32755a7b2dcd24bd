//! Sound.

use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use edrun_modalities::LatentCodec;
use edrun_modalities::audio::{Decoder, SoundFacts};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::Value as Json;

use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Wanted, whole};
use crate::sampling::Latent;

/// Sizes and scales of sound and its latents.
#[derive(Clone, Debug)]
struct Sounds {
    facts: SoundFacts,
    codec: LatentCodec,
    /// Latents of the longest sound, which the network makes every time.
    length: usize,
    /// Samples that a latent stands for.
    factor: usize,
}

/// The graph of the decoder, and what its latents mean.
struct Decoding {
    decoder: Decoder,
    codec: LatentCodec,
}

const DECODER: &str = "vae_decoder/config.json";
const DENOISER: &str = "transformer/config.json";

/// Reads the facts of sound that a transformer makes.
pub(crate) fn read(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let (decoder, transformer) = (folder.json(DECODER)?, folder.json(DENOISER)?);
    let key = |key| whole(decoder.as_ref(), DECODER, key);
    let Some(sample_rate) = key("sampling_rate")? else {
        bail!("{DECODER} does not state the sampling_rate; export the model again")
    };
    let Some(length) = whole(transformer.as_ref(), DENOISER, "sample_size")? else {
        bail!("{DENOISER} does not state the sample_size; export the model again")
    };
    let transform = match (key("n_fft")?, key("hop_length")?) {
        (Some(size), Some(hop)) => Some([size, hop, key("win_length")?.unwrap_or(size)]),
        _ => None,
    };
    let facts = SoundFacts { sample_rate: sample_rate as u32, transform };
    let codec = LatentCodec::from_configs(decoder.as_ref(), None, 1.0)?;
    Ok(Arc::new(Sounds { facts, codec, length, factor: factor(decoder.as_ref())? }))
}

/// Samples that a latent stands for: every stage of the encoder keeps one in so many.
fn factor(decoder: Option<&Json>) -> Result<usize> {
    let ratios = decoder.and_then(|config| config.get("downsampling_ratios")?.as_array());
    let ratios = ratios.and_then(|list| list.iter().map(Json::as_u64).collect::<Option<Vec<_>>>());
    match ratios.map(|list| list.iter().try_fold(1u64, |all, ratio| all.checked_mul(*ratio))) {
        Some(Some(factor @ 1..=0xF_FFFF)) => Ok(factor as usize),
        _ => bail!("{DECODER} does not state the downsampling_ratios as a list of numbers; export the model again"),
    }
}

impl Sounds {
    fn seconds(&self, samples: usize) -> f64 {
        samples as f64 / f64::from(self.facts.sample_rate)
    }
}

impl Medium for Sounds {
    fn modality(&self) -> Modality {
        Modality::Sound
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn measure(&self, wanted: &Wanted, _: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        let sample_rate = self.facts.sample_rate;
        let longest = self.length * self.factor;
        let samples = match wanted.seconds {
            None => longest,
            Some(seconds) => {
                ensure!(
                    seconds.is_finite() && seconds * f64::from(sample_rate) >= 1.0,
                    "--duration is {seconds}, but sound lasts more than 0 seconds"
                );
                (seconds * f64::from(sample_rate)).round() as usize
            }
        };
        ensure!(
            samples <= longest,
            "--duration is {}, but this model makes up to {:.2} seconds",
            wanted.seconds.unwrap_or_default(),
            self.seconds(longest)
        );
        Ok((Extent::Sound { samples, sample_rate }, vec![self.codec.channels, self.length]))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = Decoder::open(folder, &self.facts, options, cancel)?;
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
