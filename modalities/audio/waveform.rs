//! Sound, in memory.

use std::path::Path;

use super::{Depth, Shape, Writer, read};
use crate::Info;
use anyhow::{Result, ensure};

/// Sound as a waveform.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Samples a second of each channel.
    pub sample_rate: u32,
    /// The channels, all of one length; full scale is -1..=1.
    pub channels: Vec<Vec<f32>>,
}

/// Sample rates that sound has, from telephones to measuring instruments.
const RATES: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// Channels a file may have.
const MAX_CHANNELS: usize = 64;

impl Waveform {
    /// A waveform of `channels`, each with one value per sample.
    pub fn new(sample_rate: u32, channels: Vec<Vec<f32>>) -> Result<Self> {
        ensure!(
            RATES.contains(&sample_rate),
            "a sample rate of {sample_rate} Hz is outside {} to {} Hz",
            RATES.start(),
            RATES.end()
        );
        ensure!((1..=MAX_CHANNELS).contains(&channels.len()), "sound has 1 to {MAX_CHANNELS} channels");
        let length = channels.first().map_or(0, Vec::len);
        ensure!(channels.iter().all(|channel| channel.len() == length), "the channels of a sound differ in length");
        Ok(Self { sample_rate, channels })
    }

    /// Reads the first sound of a WAV, FLAC, MP3 or Ogg Vorbis file, whatever its name.
    ///
    /// # Errors
    /// When the file is none of them, damaged, cut off, empty, or has samples that are not finite.
    pub fn open(path: &Path) -> Result<Self> {
        read::open(path)
    }

    /// Samples of each channel.
    pub fn len(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Duration in seconds.
    pub fn seconds(&self) -> f64 {
        self.len() as f64 / f64::from(self.sample_rate)
    }

    /// Adds the samples of another sound at the end, channel by channel.
    pub fn extend(&mut self, more: &Self) {
        self.channels.iter_mut().zip(&more.channels).for_each(|(channel, more)| channel.extend(more));
    }

    /// Its first `samples` samples; silence follows where it has fewer.
    pub fn first(mut self, samples: usize) -> Self {
        self.channels.iter_mut().for_each(|channel| channel.resize(samples, 0.0));
        self
    }

    /// Writes the sound in the format that the ending of `path` names, with `info` in it; whole or not at all, and
    /// [limited](Writer).
    pub fn save(&self, path: &Path, info: &Info, depth: Depth) -> Result<()> {
        let mut writer = Writer::create(path, self.shape(depth), info)?;
        writer.write(self)?;
        writer.finish()
    }

    /// What a file of it is like.
    pub fn shape(&self, depth: Depth) -> Shape {
        Shape { sample_rate: self.sample_rate, channels: self.channels.len(), samples: Some(self.len()), depth }
    }

    /// The largest distance of a sample from 0.
    pub fn peak(&self) -> f32 {
        self.channels.iter().flatten().fold(0.0, |peak, v| peak.max(v.abs()))
    }

    /// Samples in the order of files: all channels of the first moment, then of the next.
    pub fn interleaved(&self) -> impl Iterator<Item = f32> + '_ {
        (0..self.len()).flat_map(move |i| self.channels.iter().filter_map(move |channel| channel.get(i).copied()))
    }

    /// The mean of all channels.
    pub fn mono(&self) -> Vec<f32> {
        let share = 1.0 / self.channels.len().max(1) as f32;
        let mut mean = vec![0.0; self.len()];
        for channel in &self.channels {
            mean.iter_mut().zip(channel).for_each(|(sum, v)| *sum += v * share);
        }
        mean
    }

    /// The same sound with every sample multiplied.
    pub fn scaled(mut self, factor: f32) -> Self {
        self.channels.iter_mut().flatten().for_each(|v| *v *= factor);
        self
    }
}
