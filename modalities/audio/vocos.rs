//! Mel spectrograms to sound by way of a spectrum that a graph makes (Siuzdak 2023, "Vocos").

use super::{Spectrum, Stft, Waveform};
use crate::graphs::{finite, input, output};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Graph};
use realfft::num_complex::Complex32;

const COMPONENT: &str = "vocoder";
const MELS: &[&str] = &["mels", "mel", "x", "features"];

/// A graph that gives magnitudes, cosines and sines `[1, bins, frames]` for a spectrogram `[1, bands, frames]`; what its
/// transform is stands in its metadata.
pub struct Vocos {
    graph: Graph,
    mels: usize,
    /// Magnitudes, cosines and sines.
    parts: [usize; 3],
    stft: Stft,
    sample_rate: u32,
}

impl Vocos {
    /// Takes a loaded graph.
    ///
    /// # Errors
    /// When it is foreign, or its transform is not possible.
    pub fn new(graph: Graph, sample_rate: u32) -> Result<Self> {
        let number = |key: &str, usual: usize| match graph.metadata(key) {
            None => Ok(usual),
            Some(text) => {
                text.trim().parse().with_context(|| format!("the {key} of {COMPONENT} is {text:?}, no number"))
            }
        };
        let (size, hop) = (number("n_fft", 1024)?, number("hop_length", 256)?);
        let said = |key: &str, usual: &str| graph.metadata(key).unwrap_or_else(|| usual.to_owned());
        ensure!(
            (said("window_type", "hann"), said("center", "1"), said("normalized", "0"))
                == ("hann".into(), "1".into(), "0".into()),
            "the transform of {COMPONENT} has another window or other frames than a centred Hann window"
        );
        let stft = Stft::new(size, hop, number("win_length", size)?)
            .with_context(|| format!("the transform of {COMPONENT} is not possible"))?;
        let mels = input(&graph, COMPONENT, MELS)?;
        let [mag, cosine, sine] = ["mag", "x", "y"].map(|name| output(&graph, COMPONENT, &[name]));
        Ok(Self { mels, parts: [mag?, cosine?, sine?], graph, stft, sample_rate })
    }

    /// Samples that a spectrogram of so many frames becomes.
    pub fn samples(&self, frames: usize) -> usize {
        frames.saturating_sub(1) * self.stft.hop()
    }

    /// The sound of a spectrogram `[bands, frames]` of logarithms.
    ///
    /// # Errors
    /// When the graph fails, or gives another shape or values that are not finite.
    pub fn sound(&mut self, bands: usize, frames: usize, mels: &[f32], cancel: &Cancel) -> Result<Waveform> {
        self.graph.set_f32(self.mels, &[1, bands, frames], mels)?;
        self.graph.run(cancel)?;
        let bins = self.stft.bins();
        let mut parts = Vec::new();
        for part in self.parts {
            let shape = self.graph.output_shape(part)?;
            if shape != [1, bins, frames] {
                bail!("{COMPONENT} gave {shape:?} instead of [1, {bins}, {frames}]; it is of another model");
            }
            let mut values = vec![0.0; bins * frames];
            self.graph.read_f32(part, 0, &mut values)?;
            finite(COMPONENT, &values)?;
            parts.push(values);
        }
        let at =
            |part: usize, place: usize| parts.get(part).and_then(|part| part.get(place)).copied().unwrap_or_default();
        let value = |place: usize| Complex32::new(at(1, place), at(2, place)) * at(0, place);
        let values = (0..frames * bins).map(|i| value(i % bins * frames + i / bins)).collect();
        let samples = self.stft.inverse(&Spectrum { bins, values }, self.samples(frames))?;
        Waveform::new(self.sample_rate, vec![samples])
    }
}
