//! Latents to sound.

use super::chunks::{Chunk, Joiner, chunks};
use super::griffin_lim::{GriffinLim, Phases};
use super::{Stft, Waveform};
use crate::codec::LatentCodec;
use crate::graphs::{finite, input};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

const DECODER: &str = "vae_decoder";
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];

/// The graph that turns latents into sound, and what its output needs to become a waveform.
pub struct Decoder {
    graph: Graph,
    latent: usize,
    head: Head,
    sample_rate: u32,
    /// Latents that are decoded at once.
    at_once: usize,
}

/// What the last graph gives.
enum Head {
    /// `[1, channels, samples]`.
    Waveform { output: usize },
    /// Magnitudes `[1, bins, frames]` of a short-time Fourier transform, whose phase is to be found.
    Magnitudes { output: usize, stft: Stft },
}

const WAVEFORM: &[&str] = &["audio", "waveform", "sample"];
const MAGNITUDES: &[&str] = &["magnitude", "magnitudes"];

/// What a deployment says of its sound.
#[derive(Debug, Clone, PartialEq)]
pub struct SoundFacts {
    /// Samples a second.
    pub sample_rate: u32,
    /// Frame, hop and window in samples, where the decoder gives magnitudes.
    pub transform: Option<[usize; 3]>,
    /// Latents of the longest sound that the model makes in one piece.
    pub window: usize,
    /// Samples that a latent stands for.
    pub factor: usize,
}

impl SoundFacts {
    /// Latents of so many samples: never less than the model makes in one piece.
    pub fn latents(&self, samples: usize) -> usize {
        samples.div_ceil(self.factor).max(self.window)
    }
}

/// Receives a sound part by part. An error stops the decoding.
pub type Part<'t> = dyn FnMut(Waveform) -> Result<()> + 't;

/// The fewest latents that are worth a run of the graph.
const LEAST: usize = 64;

impl Decoder {
    /// Opens `vae_decoder` in `folder`.
    ///
    /// # Errors
    /// When the graph is missing, damaged or gives nothing that is sound.
    pub fn open(folder: &Folder, facts: &SoundFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(DECODER)?, options, cancel)?;
        let latent = input(&graph, DECODER, LATENT)?;
        let head = Head::of(&graph, facts)?;
        let fixed = graph.inputs().get(latent).and_then(|port| port.shape.last()).and_then(|dim| match dim {
            Dim::Fixed(length) => Some(*length),
            _ => None,
        });
        let at_once = fixed.unwrap_or(facts.window.max(LEAST)).max(1);
        Ok(Self { graph, latent, head, sample_rate: facts.sample_rate, at_once })
    }

    /// The first `samples` samples of the sound of one latent, channels first as the sampler leaves it.
    ///
    /// # Errors
    /// When the latent or what the graph makes of it is not finite, or has another shape than sound.
    pub fn decode(
        &mut self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        samples: usize,
        cancel: &Cancel,
    ) -> Result<Waveform> {
        let mut whole: Option<Waveform> = None;
        self.decode_parts(latent, codec, samples, cancel, &mut |part| {
            match &mut whole {
                Some(whole) => whole.extend(&part),
                None => whole = Some(part),
            }
            Ok(())
        })?;
        whole.context("the decoder gave no sound")
    }

    /// As [`decode`](Self::decode), in parts that are handed over as soon as they are ready: together they are the sound.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and when `tell` fails.
    pub fn decode_parts(
        &mut self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        samples: usize,
        cancel: &Cancel,
        tell: &mut Part<'_>,
    ) -> Result<()> {
        let scaled = codec.for_graph(DECODER, latent, &["length"])?;
        let total = scaled.shape().last().copied().unwrap_or_default();
        let (mut voice, mut joiner, mut left) = (self.head.voice(), Joiner::default(), samples);
        for chunk in chunks(total, self.at_once) {
            let rows = joiner.push(&self.rows(&scaled, &chunk, cancel)?, &chunk)?;
            let last = chunk.latents.end == total;
            let sound = Waveform::new(self.sample_rate, voice.channels(rows, last)?)?;
            let part = if last { left } else { left.min(sound.len()) };
            left -= part;
            if part > 0 {
                tell(sound.first(part))?;
            }
            if left == 0 {
                break;
            }
        }
        Ok(())
    }

    /// What the graph makes of one chunk.
    fn rows(&mut self, scaled: &ArrayD<f32>, chunk: &Chunk, cancel: &Cancel) -> Result<Vec<Vec<f32>>> {
        let own = scaled.slice_axis(Axis(1), Slice::from(chunk.latents.clone()));
        let shape = [&[1], own.shape()].concat();
        let values: Vec<f32> = own.iter().copied().collect();
        self.graph.set_f32(self.latent, &shape, &values)?;
        self.graph.run(cancel)?;
        self.planes(self.head.output())
    }

    /// The rows of an output `[1, rows, columns]`.
    fn planes(&self, output: usize) -> Result<Vec<Vec<f32>>> {
        let shape = self.graph.output_shape(output)?.to_vec();
        let [1, rows, columns] = shape[..] else {
            bail!(
                "{DECODER} gave {shape:?} instead of [1, channels, samples] or [1, bins, frames]: export its graph again"
            )
        };
        let mut values = vec![0.0; rows * columns];
        self.graph.read_f32(output, 0, &mut values)?;
        finite(DECODER, &values)?;
        Ok(values.chunks(columns.max(1)).map(<[f32]>::to_vec).collect())
    }
}

impl Head {
    fn of(graph: &Graph, facts: &SoundFacts) -> Result<Self> {
        if let (Some(output), Some([size, hop, window])) = (graph.output_of(MAGNITUDES), facts.transform) {
            let stft =
                Stft::new(size, hop, window).with_context(|| format!("the transform of {DECODER} is not possible"))?;
            return Ok(Self::Magnitudes { output, stft });
        }
        match graph.output_of(WAVEFORM) {
            Some(output) => Ok(Self::Waveform { output }),
            None => {
                let given: Vec<_> = graph.outputs().iter().map(|port| port.name.as_str()).collect();
                bail!(
                    "the graph of {DECODER} gives {}, which is no sound: export it with {}",
                    given.join(", "),
                    WAVEFORM.join(" or ")
                )
            }
        }
    }

    fn output(&self) -> usize {
        match self {
            Self::Waveform { output } | Self::Magnitudes { output, .. } => *output,
        }
    }

    /// What turns the rows of one latent into channels.
    fn voice(&self) -> Voice {
        match self {
            Self::Waveform { .. } => Voice::Waveform,
            Self::Magnitudes { stft, .. } => Voice::Magnitudes(Phases::new(GriffinLim::default(), stft.clone())),
        }
    }
}

/// Turns joined rows into channels, part by part.
enum Voice {
    Waveform,
    Magnitudes(Phases),
}

impl Voice {
    fn channels(&mut self, rows: Vec<Vec<f32>>, last: bool) -> Result<Vec<Vec<f32>>> {
        match self {
            Self::Waveform => Ok(rows),
            Self::Magnitudes(phases) => {
                let (given, bins) = (rows.len(), phases.bins());
                ensure!(given == bins, "{DECODER} gave {given} frequencies where its config.json says {bins}");
                Ok(vec![phases.push(&turned(&rows), last)?])
            }
        }
    }
}

/// Rows as columns: `[bins, frames]` as `[frames, bins]`.
fn turned(rows: &[Vec<f32>]) -> Vec<f32> {
    let frames = rows.first().map_or(0, Vec::len);
    (0..frames).flat_map(|i| rows.iter().filter_map(move |row| row.get(i).copied())).collect()
}
