//! Sound.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use edrun_modalities::audio::{Decoder, Encoder, SoundFacts, Waveform};
use edrun_modalities::{LatentCodec, Posterior};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::Value as Json;

use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Part, Span, Wanted, whole};
use crate::sampling::Latent;
use crate::sampling::windows::Window;

/// Sizes and scales of sound and its latents.
#[derive(Clone, Debug)]
struct Sounds {
    facts: SoundFacts,
    codec: LatentCodec,
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

const DECODER: &str = "vae_decoder/config.json";
const DENOISER: &str = "transformer/config.json";

/// What is said of media of another kind.
const FOREIGN: &str = "this model makes sound, so it starts from sound only";

/// Memory that sampling may take, when nothing else is said.
const MEMORY: u64 = 1 << 30;

/// How often a latent is in memory while it is sampled: state, estimate, noise, what is known and its mask, and what a solver
/// remembers.
const COPIES: u64 = 8;

/// Reads the facts of sound that a transformer makes.
pub(crate) fn read(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let (decoder, transformer) = (folder.json(DECODER)?, folder.json(DENOISER)?);
    let key = |key| whole(decoder.as_ref(), DECODER, key);
    let Some(sample_rate) = key("sampling_rate")? else {
        bail!("{DECODER} does not state the sampling_rate; export the model again")
    };
    let Some(window) = whole(transformer.as_ref(), DENOISER, "sample_size")? else {
        bail!("{DENOISER} does not state the sample_size; export the model again")
    };
    let transform = match (key("n_fft")?, key("hop_length")?) {
        (Some(size), Some(hop)) => Some([size, hop, key("win_length")?.unwrap_or(size)]),
        _ => None,
    };
    let factor = factor(decoder.as_ref())?;
    let facts = SoundFacts { sample_rate: sample_rate as u32, transform, window, factor };
    let codec = LatentCodec::from_configs(decoder.as_ref(), None, 1.0)?;
    Ok(Arc::new(Sounds { facts, codec }))
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
    /// Samples of so many seconds.
    fn samples(&self, seconds: f64) -> usize {
        (seconds * f64::from(self.facts.sample_rate)).round() as usize
    }

    /// How many samples are wanted: as asked, as long as what is given, or as long as the model makes in one piece.
    fn wanted(&self, wanted: &Wanted, init: Option<&Waveform>) -> Result<usize> {
        match (wanted.seconds, init) {
            (None, None) => Ok(self.facts.window * self.facts.factor),
            (None, Some(init)) => Ok(self.samples(init.seconds()).max(1)),
            (Some(seconds), _) => {
                ensure!(
                    seconds.is_finite() && seconds * f64::from(self.facts.sample_rate) >= 1.0,
                    "--duration is {seconds}, but sound lasts more than 0 seconds"
                );
                Ok(self.samples(seconds))
            }
        }
    }

    /// Refuses what would not fit into memory while it is sampled.
    fn check_memory(&self, wanted: &Wanted, samples: usize, latents: usize) -> Result<()> {
        let bytes = |latents: u64| COPIES * 4 * self.codec.channels as u64 * latents;
        let (needed, allowed) = (bytes(latents as u64), wanted.memory.unwrap_or(MEMORY));
        let longest = (allowed / bytes(1).max(1)) as f64 * self.facts.factor as f64 / f64::from(self.facts.sample_rate);
        ensure!(
            needed <= allowed,
            "a sound of {:.0} seconds takes {:.1} GiB of memory to make: ask for a --duration up to {longest:.0}, or allow \
             more with --max-memory",
            samples as f64 / f64::from(self.facts.sample_rate),
            needed as f64 / f64::from(1u32 << 30),
        );
        Ok(())
    }
}

impl Medium for Sounds {
    fn modality(&self) -> Modality {
        Modality::Sound
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn window(&self) -> Option<Window> {
        Some(Window::of(self.facts.window))
    }

    fn measure(&self, wanted: &Wanted, init: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        let init = init.map(|init| init.sound().context(FOREIGN)).transpose()?;
        let samples = self.wanted(wanted, init)?;
        let latents = self.facts.latents(samples);
        self.check_memory(wanted, samples, latents)?;
        let extent = Extent::Sound { samples, sample_rate: self.facts.sample_rate };
        Ok((extent, vec![self.codec.channels, latents]))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = Decoder::open(folder, &self.facts, options, cancel)?;
        Ok(Box::new(Decoding { decoder, codec: self.codec.clone() }))
    }

    fn encoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Encode>> {
        let encoder = Encoder::open(folder, &self.facts, options, cancel)?;
        Ok(Box::new(Encoding { encoder, codec: self.codec.clone() }))
    }

    fn scaled(&self, latent: Latent) -> Latent {
        self.codec.to_scaled(latent.view())
    }

    fn mask(&self, mask: &Mask, extent: Extent, shape: &[usize]) -> Result<Latent> {
        let (Mask::Spans(spans), Extent::Sound { samples, sample_rate }, [_, length]) = (mask, extent, shape) else {
            bail!("{FOREIGN}")
        };
        let mut row = vec![0.0; *length];
        for span in spans {
            row.get_mut(self.latents(span, samples, sample_rate, *length)?).unwrap_or_default().fill(1.0);
        }
        let row = Latent::from_shape_vec(vec![1, *length], row)?;
        row.broadcast(shape).map(|all| all.to_owned()).context("the mask has another shape than the latent")
    }
}

impl Sounds {
    /// The latents that a span touches. One that reaches the end of the sound takes in what the model makes behind it.
    fn latents(&self, span: &Span, samples: usize, sample_rate: u32, length: usize) -> Result<std::ops::Range<usize>> {
        let seconds = samples as f64 / f64::from(sample_rate);
        ensure!(span.from < seconds, "--mask {span} begins behind the sound, which lasts {seconds:.3} s");
        let to = span.to.filter(|to| *to < seconds).map_or(length, |to| self.samples(to).div_ceil(self.facts.factor));
        Ok(self.samples(span.from) / self.facts.factor..to)
    }
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media> {
        self.decoder.decode(latent.view(), &self.codec, samples(extent)?, cancel).map(Media::Sound)
    }

    fn decode_parts(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel, tell: &mut Part<'_>) -> Result<Media> {
        let mut last: Option<Waveform> = None;
        self.decoder.decode_parts(latent.view(), &self.codec, samples(extent)?, cancel, &mut |part| match last
            .replace(part)
        {
            Some(part) => tell(&Media::Sound(part)),
            None => Ok(()),
        })?;
        last.map(Media::Sound).context("the decoder gave no sound")
    }
}

impl Encode for Encoding {
    fn encode(&mut self, media: &Media, extent: Extent, cancel: &Cancel) -> Result<Posterior> {
        let (sound, samples) = (media.sound().context(FOREIGN)?, samples(extent)?);
        self.encoder.encode(sound, samples, &self.codec, cancel)
    }
}

fn samples(extent: Extent) -> Result<usize> {
    match extent {
        Extent::Sound { samples, .. } => Ok(samples),
        _ => bail!("sound was asked to be something else"),
    }
}
