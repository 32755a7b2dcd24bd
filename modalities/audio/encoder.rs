//! Sound to latents.

use super::chunks::{Chunk, Joiner, chunks};
use super::{Padding, SoundFacts, Stft, Waveform};
use crate::Posterior;
use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, IxDyn};

const COMPONENT: &str = "vae_encoder";
const SAMPLES: &[&str] = &["sample", "audio", "waveform"];
const MAGNITUDES: &[&str] = &["magnitude", "magnitudes"];
const PARAMETERS: &[&str] = &["latent_parameters"];
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];

/// The graph that turns sound into latents.
pub struct Encoder {
    graph: Graph,
    input: usize,
    latent: usize,
    /// Whether it gives means and logarithms of variances.
    stacked: bool,
    face: Face,
    facts: SoundFacts,
    /// Latents that are encoded at once.
    at_once: usize,
}

/// What the graph takes.
enum Face {
    /// `[1, channels, samples]`; as many channels as the sound has where the graph does not say.
    Waveform { channels: Option<usize> },
    /// Magnitudes `[1, bins, frames]` of a short-time Fourier transform.
    Magnitudes(Stft),
}

impl Encoder {
    /// Opens `vae_encoder` in `folder`.
    ///
    /// # Errors
    /// When the graph is missing, damaged or takes no sound.
    pub fn open(folder: &Folder, facts: &SoundFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let input = input(&graph, COMPONENT, &[SAMPLES, MAGNITUDES].concat())?;
        let stacked = graph.output_of(PARAMETERS).is_some();
        let latent = output(&graph, COMPONENT, &[PARAMETERS, LATENT].concat())?;
        let dim = |axis: usize| match graph.inputs().get(input).and_then(|port| port.shape.get(axis)) {
            Some(Dim::Fixed(size)) => Some(*size),
            _ => None,
        };
        let (face, per_column) = match (graph.input_of(MAGNITUDES), facts.transform) {
            (Some(_), Some([size, hop, window])) => {
                let stft = Stft::new(size, hop, window);
                (Face::Magnitudes(stft.with_context(|| format!("the transform of {COMPONENT} is not possible"))?), hop)
            }
            (Some(_), None) => bail!(
                "{COMPONENT} takes magnitudes, but vae_decoder/config.json states no n_fft and hop_length: export the model again"
            ),
            (None, _) => (Face::Waveform { channels: dim(1) }, 1),
        };
        ensure!(
            facts.factor.is_multiple_of(per_column),
            "a latent of {} samples is no whole number of hops of {per_column}: export the model again",
            facts.factor
        );
        let fixed = dim(2).map(|columns| columns * per_column / facts.factor);
        let at_once = fixed.unwrap_or(facts.window).max(1);
        Ok(Self { input, latent, stacked, face, facts: facts.clone(), at_once, graph })
    }

    /// The latent distribution of the first `samples` samples of a sound, at the model's sample rate: silence follows where it
    /// is shorter, and up to what the model makes in one piece.
    ///
    /// # Errors
    /// When the graph fails, or gives values that are not finite or of another shape.
    pub fn encode(
        &mut self,
        sound: &Waveform,
        samples: usize,
        codec: &LatentCodec,
        cancel: &Cancel,
    ) -> Result<Posterior> {
        let length = self.facts.latents(samples);
        let rows = self.face.rows(sound, &self.facts, samples)?;
        let columns = rows.first().map_or(0, Vec::len) / length.max(1);
        let (mut joiner, mut latent) = (Joiner::default(), Vec::<Vec<f32>>::new());
        for chunk in chunks(length, self.at_once) {
            let given = joiner.push(&self.run(&rows, &chunk, columns, codec, cancel)?, &chunk)?;
            latent.resize(given.len(), Vec::new());
            latent.iter_mut().zip(given).for_each(|(all, part)| all.extend(part));
        }
        let shape = IxDyn(&[latent.len(), length]);
        let latent = ArrayD::from_shape_vec(shape, latent.concat()).context("the latent has no shape")?;
        Ok(Posterior::of(latent, codec.channels, self.stacked))
    }

    /// The latent of one chunk, channel by channel.
    fn run(
        &mut self,
        rows: &[Vec<f32>],
        chunk: &Chunk,
        columns: usize,
        codec: &LatentCodec,
        cancel: &Cancel,
    ) -> Result<Vec<Vec<f32>>> {
        let range = chunk.latents.start * columns..chunk.latents.end * columns;
        let given: Vec<f32> = rows.iter().flat_map(|row| row.get(range.clone()).unwrap_or_default()).copied().collect();
        self.graph.set_f32(self.input, &[1, rows.len(), range.len()], &given)?;
        self.graph.run(cancel)?;
        let latent = self.graph.output_f32(self.latent)?;
        let channels = codec.channels * if self.stacked { 2 } else { 1 };
        let length = chunk.latents.len();
        ensure!(
            latent.shape() == [1, channels, length],
            "{COMPONENT} gave a latent of shape {:?} instead of [1, {channels}, {length}]: export its graph again",
            latent.shape()
        );
        let values: Vec<f32> = latent.iter().copied().collect();
        finite(COMPONENT, &values)?;
        Ok(values.chunks(length.max(1)).map(<[f32]>::to_vec).collect())
    }
}

impl Face {
    /// A sound as the graph takes it: `samples` samples of it, then silence to the end of the latents.
    fn rows(&self, sound: &Waveform, facts: &SoundFacts, samples: usize) -> Result<Vec<Vec<f32>>> {
        let all = facts.latents(samples) * facts.factor;
        let whole = |channels: usize| -> Result<Waveform> {
            Ok(sound.mixed(channels)?.resampled(facts.sample_rate)?.first(samples).first(all))
        };
        match self {
            Self::Waveform { channels } => Ok(whole(channels.unwrap_or(sound.channels.len()))?.channels),
            Self::Magnitudes(stft) => {
                let (magnitudes, bins) = (stft.forward(&whole(1)?.mono(), Padding::Zeros)?.magnitudes(), stft.bins());
                let frames = all / stft.hop();
                Ok((0..bins)
                    .map(|bin| magnitudes.iter().skip(bin).step_by(bins).take(frames).copied().collect())
                    .collect())
            }
        }
    }
}
