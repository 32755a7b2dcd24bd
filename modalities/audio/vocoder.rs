//! Latents to mel spectrograms, and those to sound.

use super::{MelConfig, Mels, Waveform};
use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::ArrayViewD;

const DECODER: &str = "vae_decoder";
const VOCODER: &str = "vocoder";
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];
const MEL: &[&str] = &["sample", "mel", "mel_spectrogram"];
const SPECTROGRAM: &[&str] = &["spectrogram", "mel", "mels", "mel_spectrogram", "input_features"];
const WAVEFORM: &[&str] = &["waveform", "audio", "sample", "audio_values"];

/// The graph that turns latents into a mel spectrogram, and what makes it sound.
pub struct MelDecoder {
    decoder: Graph,
    latent: usize,
    mel: usize,
    voicing: Voicing,
}

/// What makes a mel spectrogram sound.
enum Voicing {
    /// A graph.
    Vocoder(Box<Vocoder>),
    /// A phase that is found for it.
    GriffinLim(Mels, MelConfig),
}

/// The graph that turns mel spectrograms into sound.
pub struct Vocoder {
    graph: Graph,
    spectrogram: usize,
    waveform: usize,
    sample_rate: u32,
}

/// A mel spectrogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Mel {
    /// Bands of a frame.
    pub bands: usize,
    /// `[frames, bands]`, as the model has them.
    pub values: Vec<f32>,
}

impl MelDecoder {
    /// Opens `vae_decoder` in `folder`, and `vocoder` unless its configuration says that phases are to be found.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    pub fn open(folder: &Folder, sample_rate: u32, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let decoder = Graph::load_cancellable(&folder.graph(DECODER)?, options, cancel)?;
        let latent = input(&decoder, DECODER, LATENT)?;
        let mel = output(&decoder, DECODER, MEL)?;
        let voicing = match MelConfig::read(folder)? {
            Some(config) => Voicing::GriffinLim(Mels::new(&config.facts)?, config),
            None => Voicing::Vocoder(Box::new(Vocoder::open(folder, sample_rate, options, cancel)?)),
        };
        Ok(Self { decoder, latent, mel, voicing })
    }

    /// The first `samples` samples of the sound of one latent `[channels, frames, bands]`, as the sampler leaves it.
    ///
    /// # Errors
    /// When the latent or what a graph makes of it is not finite, or has another shape than a spectrogram.
    pub fn decode(
        &mut self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        samples: usize,
        cancel: &Cancel,
    ) -> Result<Waveform> {
        let scaled = codec.for_graph(DECODER, latent, &["frames", "bands"])?;
        let shape = [&[1], scaled.shape()].concat();
        self.decoder.set_f32(self.latent, &shape, scaled.as_slice().unwrap_or_default())?;
        self.decoder.run(cancel)?;
        let mel = self.mel()?;
        match &mut self.voicing {
            Voicing::Vocoder(vocoder) => Ok(vocoder.sound(&mel, cancel)?.first(samples)),
            Voicing::GriffinLim(mels, config) => {
                let magnitudes = Mel { bands: mel.bands, values: config.magnitudes(&mel.values) };
                Waveform::new(config.facts.sample_rate, vec![mels.sound(&magnitudes, samples)?])
            }
        }
    }

    fn mel(&self) -> Result<Mel> {
        let [1, 1, frames, bands] = self.decoder.output_shape(self.mel)?[..] else {
            bail!(
                "{DECODER} gave {:?} instead of a mel spectrogram [1, 1, frames, bands]: export its graph again",
                self.decoder.output_shape(self.mel)?
            )
        };
        let mut values = vec![0.0; frames * bands];
        self.decoder.read_f32(self.mel, 0, &mut values)?;
        finite(DECODER, &values)?;
        Ok(Mel { bands, values })
    }
}

impl Vocoder {
    /// Opens `vocoder` in `folder`, whose sound has so many samples a second.
    ///
    /// # Errors
    /// When the graph is missing, damaged or foreign.
    pub fn open(folder: &Folder, sample_rate: u32, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(VOCODER)?, options, cancel)?;
        let spectrogram = input(&graph, VOCODER, SPECTROGRAM)?;
        let waveform = output(&graph, VOCODER, WAVEFORM)?;
        Ok(Self { graph, spectrogram, waveform, sample_rate })
    }

    /// The sound of a mel spectrogram: one channel.
    ///
    /// # Errors
    /// When the graph fails, or gives another shape or values that are not finite.
    pub fn sound(&mut self, mel: &Mel, cancel: &Cancel) -> Result<Waveform> {
        let frames = mel.values.len() / mel.bands.max(1);
        ensure!(frames > 0, "{VOCODER} was given a spectrogram without frames");
        self.graph.set_f32(self.spectrogram, &[1, frames, mel.bands], &mel.values)?;
        self.graph.run(cancel)?;
        let shape = self.graph.output_shape(self.waveform)?.to_vec();
        let ([1, samples] | [1, 1, samples]) = shape[..] else {
            bail!("{VOCODER} gave {shape:?} instead of [1, samples]: export its graph again")
        };
        let mut values = vec![0.0; samples];
        self.graph.read_f32(self.waveform, 0, &mut values)?;
        finite(VOCODER, &values)?;
        Waveform::new(self.sample_rate, vec![values])
    }
}
