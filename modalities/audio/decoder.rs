//! Latents to sound.

use super::griffin_lim::GriffinLim;
use super::{Stft, Waveform};
use crate::codec::LatentCodec;
use crate::graphs::{finite, input};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::ArrayViewD;

const DECODER: &str = "vae_decoder";
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];

/// The graph that turns latents into sound, and what its output needs to become a waveform.
pub struct Decoder {
    graph: Graph,
    latent: usize,
    head: Head,
    sample_rate: u32,
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
}

impl Decoder {
    /// Opens `vae_decoder` in `folder`.
    ///
    /// # Errors
    /// When the graph is missing, damaged or gives nothing that is sound.
    pub fn open(folder: &Folder, facts: &SoundFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(DECODER)?, options, cancel)?;
        let latent = input(&graph, DECODER, LATENT)?;
        let head = Head::of(&graph, facts)?;
        Ok(Self { graph, latent, head, sample_rate: facts.sample_rate })
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
        let scaled = codec.for_graph(DECODER, latent, &["length"])?;
        let shape = [&[1], scaled.shape()].concat();
        self.graph.set_f32(self.latent, &shape, scaled.as_slice().unwrap_or_default())?;
        self.graph.run(cancel)?;
        let channels = match &self.head {
            Head::Waveform { output } => self.planes(*output)?.0,
            Head::Magnitudes { output, stft } => {
                let (rows, [bins, _]) = self.planes(*output)?;
                ensure!(
                    bins == stft.bins(),
                    "{DECODER} gave {bins} frequencies where its config.json says {}",
                    stft.bins()
                );
                let frames = turned(&rows);
                vec![GriffinLim::default().sound(stft, &frames, (frames.len() / bins).max(1) * stft.hop())?]
            }
        };
        Ok(Waveform::new(self.sample_rate, channels)?.first(samples))
    }

    /// The rows of an output `[1, rows, columns]`.
    fn planes(&self, output: usize) -> Result<(Vec<Vec<f32>>, [usize; 2])> {
        let shape = self.graph.output_shape(output)?.to_vec();
        let [1, rows, columns] = shape[..] else {
            bail!(
                "{DECODER} gave {shape:?} instead of [1, channels, samples] or [1, bins, frames]: export its graph again"
            )
        };
        let mut values = vec![0.0; rows * columns];
        self.graph.read_f32(output, 0, &mut values)?;
        finite(DECODER, &values)?;
        Ok((values.chunks(columns.max(1)).map(<[f32]>::to_vec).collect(), [rows, columns]))
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
}

/// Rows as columns: `[bins, frames]` as `[frames, bins]`.
fn turned(rows: &[Vec<f32>]) -> Vec<f32> {
    let frames = rows.first().map_or(0, Vec::len);
    (0..frames).flat_map(|i| rows.iter().filter_map(move |row| row.get(i).copied())).collect()
}
