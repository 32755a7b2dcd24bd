//! Mel spectrograms as speech models have them, back to sound.
//!
//! Filters are those of transformers' `SpeechT5FeatureExtractor` and of librosa, triangles on Slaney's scale of pitch and of
//! equal area, or those of torchaudio, on HTK's scale and of equal height. A spectrum with given bands is found by multiplicative updates (Lee and Seung 2001), which keep it from
//! becoming negative; its phase by Griffin-Lim.

use super::vocoder::Mel;
use super::{GriffinLim, Stft};
use anyhow::{Result, ensure};

/// Rounds of fitting a spectrum to its bands; by then it changes by less than a thousandth.
const ROUNDS: usize = 40;

/// What a model's mel spectrograms are.
#[derive(Debug, Clone, PartialEq)]
pub struct MelFacts {
    /// Samples a second.
    pub sample_rate: u32,
    /// Bands of a frame.
    pub bands: usize,
    /// Samples of a frame's transform.
    pub size: usize,
    /// Samples from one frame to the next.
    pub hop: usize,
    /// Samples under the window.
    pub window: usize,
    /// The lowest and the highest frequency, in hertz.
    pub range: [f64; 2],
    /// The scale of pitch, and how the filters are weighed.
    pub filters: MelFilters,
}

/// Kinds of mel filters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MelFilters {
    /// Slaney's scale, triangles of area 1 (librosa's default).
    #[default]
    Slaney,
    /// HTK's scale, triangles of height 1 (torchaudio's default).
    Htk,
}

impl MelFilters {
    fn mel(self, hertz: f64) -> f64 {
        if self == Self::Htk { super::mel(hertz) } else { slaney(hertz) }
    }

    fn hertz(self, mel: f64) -> f64 {
        if self == Self::Htk { super::hertz(mel) } else { hertz(mel) }
    }

    /// What a triangle between two frequencies is multiplied with.
    fn weight(self, left: f64, right: f64) -> f64 {
        if self == Self::Htk { 1.0 } else { 2.0 / (right - left) }
    }
}

/// Turns mel spectrograms into sound and back.
pub struct Mels {
    stft: Stft,
    /// Of each band: its first bin and the weights from there on.
    filters: Vec<(usize, Vec<f32>)>,
}

impl Mels {
    /// Filters and transform of a model.
    ///
    /// # Errors
    /// When no such transform or filters exist.
    pub fn new(facts: &MelFacts) -> Result<Self> {
        let [low, high] = facts.range;
        let top = f64::from(facts.sample_rate) / 2.0;
        ensure!(
            (0.0..high).contains(&low) && high <= top && (1..=4096).contains(&facts.bands),
            "{} mel bands from {low} to {high} Hz are not possible at {} Hz",
            facts.bands,
            facts.sample_rate
        );
        let stft = Stft::new(facts.size, facts.hop, facts.window)?;
        let step = f64::from(facts.sample_rate) / facts.size as f64;
        let kind = facts.filters;
        let (first, last) = (kind.mel(low), kind.mel(high));
        let edge = |i: usize| kind.hertz(first + (last - first) * i as f64 / (facts.bands + 1) as f64);
        let filter = |band: usize| triangle([edge(band), edge(band + 1), edge(band + 2)], step, kind);
        let filters = (0..facts.bands).map(filter).collect();
        Ok(Self { stft, filters })
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.stft.hop()
    }

    /// The bands of magnitudes `[frames, bins]`, as `[frames, bands]`.
    pub fn bands(&self, magnitudes: &[f32]) -> Vec<f32> {
        magnitudes.chunks_exact(self.stft.bins()).flat_map(|frame| self.of(frame)).collect()
    }

    /// The bands, `[frames, bands]`, of a sound.
    ///
    /// # Errors
    /// When the transform fails.
    pub fn of_sound(&self, samples: &[f32]) -> Result<Mel> {
        let spectrum = self.stft.forward(samples, super::Padding::Reflect)?;
        Ok(Mel { bands: self.filters.len(), values: self.bands(&spectrum.magnitudes()) })
    }

    /// `samples` samples of sound with these bands, which are magnitudes and not their logarithms.
    ///
    /// # Errors
    /// When there is no whole frame.
    pub fn sound(&self, mel: &Mel, samples: usize) -> Result<Vec<f32>> {
        ensure!(
            mel.bands == self.filters.len() && !mel.values.is_empty() && mel.values.len().is_multiple_of(mel.bands),
            "{} numbers are no frames of {} mel bands",
            mel.values.len(),
            self.filters.len()
        );
        let magnitudes: Vec<f32> = mel.values.chunks_exact(mel.bands).flat_map(|frame| self.spectrum(frame)).collect();
        GriffinLim::default().sound(&self.stft, &magnitudes, samples)
    }

    fn of(&self, frame: &[f32]) -> Vec<f32> {
        let weighed = |(first, weights): &(usize, Vec<f32>)| {
            frame.iter().skip(*first).zip(weights).map(|(v, w)| v * w).sum::<f32>()
        };
        self.filters.iter().map(weighed).collect()
    }

    /// Adds each band's share to the bins it is made of.
    fn spread(&self, bands: &[f32], bins: &mut [f32]) {
        bins.fill(0.0);
        for ((first, weights), band) in self.filters.iter().zip(bands) {
            bins.iter_mut().skip(*first).zip(weights).for_each(|(bin, weight)| *bin += weight * band);
        }
    }

    /// Magnitudes of one frame with these bands; where no band hears anything, none.
    fn spectrum(&self, bands: &[f32]) -> Vec<f32> {
        let bins = self.stft.bins();
        let (mut aim, mut made) = (vec![0.0; bins], vec![0.0; bins]);
        self.spread(bands, &mut aim);
        let mut frame = aim.clone();
        for _ in 0..ROUNDS {
            self.spread(&self.of(&frame), &mut made);
            for ((value, aim), made) in frame.iter_mut().zip(&aim).zip(&made) {
                *value *= aim / made.max(1e-12);
            }
        }
        frame
    }
}

/// Slaney's scale of pitch: straight up to 1 kHz, logarithmic above.
fn slaney(hertz: f64) -> f64 {
    if hertz < 1000.0 { 3.0 * hertz / 200.0 } else { 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4f64.ln() }
}

/// The frequency of a place on Slaney's scale.
fn hertz(place: f64) -> f64 {
    if place < 15.0 { 200.0 * place / 3.0 } else { 1000.0 * ((place - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

/// A triangle between three frequencies, over bins that lie `step` apart.
fn triangle([left, middle, right]: [f64; 3], step: f64, kind: MelFilters) -> (usize, Vec<f32>) {
    let first = (left / step).floor() as usize + 1;
    let last = (right / step).ceil() as usize;
    let weight = |bin: usize| {
        let hertz = bin as f64 * step;
        let height = ((hertz - left) / (middle - left)).min((right - hertz) / (right - middle)).max(0.0);
        (height * kind.weight(left, right)) as f32
    };
    (first, (first..last).map(weight).collect())
}
