//! Sounds brought to other channels and sample rates.

use super::Waveform;
use anyhow::{Result, anyhow, bail};
use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler, WindowFunction};

/// The least samples that the resampler works on at once.
const CHUNK: usize = 1024;

/// The window of its filter, with side lobes below what 16 bits resolve.
const WINDOW: WindowFunction = WindowFunction::BlackmanHarris2;

/// Of three to eight channels in the order of WAV and FLAC files: how much of each goes to the left. What is in the middle
/// goes to both sides with half its power, and what is behind likewise (ITU-R BS.775).
const HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
const LEFT: [&[f32]; 6] = [
    &[1.0, 0.0, HALF],
    &[1.0, 0.0, HALF, 0.0],
    &[1.0, 0.0, HALF, HALF, 0.0],
    &[1.0, 0.0, HALF, 0.0, HALF, 0.0],
    &[1.0, 0.0, HALF, 0.0, HALF, HALF, 0.0],
    &[1.0, 0.0, HALF, 0.0, HALF, 0.0, HALF, 0.0],
];
const RIGHT: [&[f32]; 6] = [
    &[0.0, 1.0, HALF],
    &[0.0, 1.0, 0.0, HALF],
    &[0.0, 1.0, HALF, 0.0, HALF],
    &[0.0, 1.0, HALF, 0.0, 0.0, HALF],
    &[0.0, 1.0, HALF, 0.0, HALF, 0.0, HALF],
    &[0.0, 1.0, HALF, 0.0, 0.0, HALF, 0.0, HALF],
];

impl Waveform {
    /// The sound with so many channels: one is the mean of all, two are those of loudspeakers on the left and right.
    ///
    /// # Errors
    /// When more than two are to be made of others.
    pub fn mixed(&self, channels: usize) -> Result<Self> {
        let planes = match (self.channels.len(), channels) {
            (own, wanted) if own == wanted => self.channels.clone(),
            (_, 1) => vec![self.mono()],
            (1, _) => vec![self.mono(); channels],
            (_, 2) => self.sides(),
            (own, _) => bail!("a sound of {own} channels cannot be brought to {channels}: give one of {channels} or 1"),
        };
        Self::new(self.sample_rate, planes)
    }

    fn sides(&self) -> Vec<Vec<f32>> {
        let own = self.channels.len();
        // Beyond eight, no order is usual: every other channel is on the left.
        let every_other = |odd: usize| (0..own).map(|i| f32::from(u8::from(i % 2 == odd))).collect::<Vec<_>>();
        let (left, right) = match (LEFT.get(own.wrapping_sub(3)), RIGHT.get(own.wrapping_sub(3))) {
            (Some(left), Some(right)) => (left.to_vec(), right.to_vec()),
            _ => (every_other(0), every_other(1)),
        };
        [left, right].iter().map(|weights| self.weighed(weights)).collect()
    }

    /// The sum of all channels under weights, which are brought to a sum of 1 so that nothing clips.
    fn weighed(&self, weights: &[f32]) -> Vec<f32> {
        let all: f32 = weights.iter().sum();
        let mut sum = vec![0.0; self.len()];
        for (channel, weight) in self.channels.iter().zip(weights) {
            sum.iter_mut().zip(channel).for_each(|(sum, v)| *sum += v * weight / all);
        }
        sum
    }

    /// The sound at another sample rate.
    ///
    /// # Errors
    /// When there is no filter from one rate to the other.
    pub fn resampled(&self, sample_rate: u32) -> Result<Self> {
        if sample_rate == self.sample_rate || self.is_empty() {
            return Self::new(sample_rate, self.channels.clone());
        }
        let (from, to, channels) = (self.sample_rate as usize, sample_rate as usize, self.channels.len());
        let failed = |why: &dyn std::fmt::Display| anyhow!("{from} Hz cannot be brought to {to} Hz: {why}");
        // Blocks of an even number of samples on both sides: the delay of others is no whole number of samples.
        let pair = 2 * from / common(from, to);
        let block = pair * CHUNK.div_ceil(pair);
        let filter = Fft::<f32>::new_custom(from, to, block, 1, channels, WINDOW, FixedSync::Both);
        let mut filter = filter.map_err(|why| failed(&why))?;
        let given = SequentialSliceOfVecs::new(&self.channels, channels, self.len()).map_err(|why| failed(&why))?;
        let made = filter.process_all(&given, self.len(), None).map_err(|why| failed(&why))?.take_data();
        let planes = (0..channels).map(|i| made.iter().skip(i).step_by(channels).copied().collect());
        Self::new(sample_rate, planes.collect())
    }
}

/// The greatest number that both are multiples of.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { common(b, a % b) }
}
