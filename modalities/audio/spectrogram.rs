//! Pictures of sound: which frequencies are in it when.

use super::mel::MelBank;
use super::plot::{Axis, Plot};
use super::stft::Framer;
use super::{Stft, Waveform};
use crate::image::Picture;
use anyhow::Result;

/// Bands from the bottom to the top of the picture, and columns from its left to its right.
const BANDS: usize = 128;
const COLUMNS: usize = 800;

/// Pixels of a band.
const BAND_HEIGHT: usize = 3;

/// Decibels from the loudest band down to black.
const RANGE: f32 = 80.0;

/// Seconds of a frame: long enough for low notes, short enough for drums.
const FRAME: f64 = 0.05;

/// A picture of a sound that comes in parts. It takes no more memory than the picture, however long the sound is.
pub struct Spectrogram {
    sample_rate: u32,
    samples: usize,
    framer: Framer,
    hop: usize,
    bank: MelBank,
    /// The mean of all channels, from the beginning of the next frame on.
    waiting: Vec<f32>,
    /// Samples of `waiting` that lie before the next frame.
    skip: usize,
    /// Frames so far.
    frames: usize,
    /// Frames in all.
    total: usize,
    /// The loudest power of each band, column by column.
    columns: Vec<Vec<f32>>,
}

impl Spectrogram {
    /// Begins the picture of `samples` samples of sound.
    ///
    /// # Errors
    /// When there is no transform for the sample rate.
    pub fn new(sample_rate: u32, samples: usize) -> Result<Self> {
        let window = ((f64::from(sample_rate) * FRAME) as usize).next_power_of_two();
        let size = 2 * window;
        let hop = (samples / COLUMNS).clamp(1, window / 4);
        let total = 1 + samples / hop;
        let framer = Stft::new(size, hop, window)?.framer();
        Ok(Self {
            sample_rate,
            samples,
            framer,
            hop,
            bank: MelBank::new(BANDS, sample_rate, size),
            waiting: vec![0.0; size / 2],
            skip: 0,
            frames: 0,
            total,
            columns: vec![vec![0.0; BANDS]; total.min(COLUMNS)],
        })
    }

    /// Looks at the next samples.
    ///
    /// # Errors
    /// When the transform fails.
    pub fn push(&mut self, sound: &Waveform) -> Result<()> {
        self.look(&sound.mono())
    }

    fn look(&mut self, samples: &[f32]) -> Result<()> {
        self.waiting.extend_from_slice(samples);
        while let Some(frame) = self.waiting.get(self.skip..self.skip + self.framer.size()) {
            let powers: Vec<f32> = self.framer.spectrum(frame)?.iter().map(|v| v.norm_sqr()).collect();
            self.keep(&powers);
            self.frames += 1;
            self.skip += self.hop;
        }
        let passed = self.skip.min(self.waiting.len());
        self.waiting.drain(..passed);
        self.skip -= passed;
        Ok(())
    }

    fn keep(&mut self, powers: &[f32]) {
        let at = self.frames * self.columns.len() / self.total.max(1);
        let Some(column) = self.columns.get_mut(at) else { return };
        column.iter_mut().zip(self.bank.of(powers)).for_each(|(most, power)| *most = most.max(power));
    }

    /// The picture of a sound that is all there.
    ///
    /// # Errors
    /// When it is empty.
    pub fn of(sound: &Waveform) -> Result<Picture> {
        let mut spectrogram = Self::new(sound.sample_rate, sound.len())?;
        spectrogram.push(sound)?;
        spectrogram.finish()
    }

    /// The picture: time to the right, frequency upwards, brightness in decibels below the loudest band.
    ///
    /// # Errors
    /// When the transform fails.
    pub fn finish(mut self) -> Result<Picture> {
        self.look(&vec![0.0; self.framer.size() / 2])?;
        let top = self.columns.iter().flatten().fold(1e-12f32, |top, power| top.max(*power));
        let decibels = |power: f32| 10.0 * (power / top).max(1e-12).log10();
        let brightness = |x: usize, y: usize| {
            let column = self.columns.get(x * self.columns.len() / COLUMNS);
            let power = column.and_then(|column| column.get(BANDS - 1 - y / BAND_HEIGHT)).copied().unwrap_or_default();
            (1.0 + decibels(power) / RANGE).clamp(0.0, 1.0)
        };
        let seconds = self.samples as f64 / f64::from(self.sample_rate);
        Plot {
            width: COLUMNS,
            height: BANDS * BAND_HEIGHT,
            across: Axis::seconds(seconds),
            up: Axis::mels(f64::from(self.sample_rate) / 2.0),
            range: RANGE,
        }
        .picture(brightness)
    }
}
