//! True-peak limiting: nothing clips, neither in the samples nor between them.

use super::Waveform;
use std::collections::VecDeque;

/// The largest true peak that is left: -1 dBTP, as EBU R 128 asks for.
pub const CEILING: f32 = 0.891_250_9;

/// Points a sample at which the waveform is looked at, and samples around them that say what it is there.
const PHASES: usize = 4;
const TAPS: usize = 16;

/// Seconds over which the gain falls before a peak and rises behind it.
const SLOPE: f64 = 0.004;

/// Turns a sound down around peaks above `ceiling`, all channels alike; elsewhere it stays as it is.
pub fn limit(sound: &mut Waveform, ceiling: f32) {
    let mut limiter = Limiter::new(ceiling, sound.sample_rate, sound.channels.len());
    let parts = [limiter.push(sound), limiter.finish()];
    for (i, channel) in sound.channels.iter_mut().enumerate() {
        channel.clear();
        parts.iter().filter_map(|part| part.channels.get(i)).for_each(|part| channel.extend(part));
    }
}

/// The largest magnitude of any channel from each sample to the next, as a filter of four times the sample rate finds it
/// (ITU-R BS.1770-4, annex 2).
pub fn true_peaks(sound: &Waveform) -> Vec<f32> {
    let mut peaks = Peaks::new(sound.channels.len());
    let mut found = peaks.push(&sound.channels);
    found.extend(peaks.push(&vec![vec![0.0; TAPS / 2]; sound.channels.len()]));
    found
}

/// Limits a sound that comes in parts; what comes out does not depend on where it is cut.
pub struct Limiter {
    ceiling: f32,
    sample_rate: u32,
    peaks: Peaks,
    lowest: Lowest,
    means: Means,
    /// Samples whose gain is not known yet.
    waiting: Vec<VecDeque<f32>>,
}

impl Limiter {
    /// A limiter of so many channels.
    pub fn new(ceiling: f32, sample_rate: u32, channels: usize) -> Self {
        let reach = ((SLOPE * f64::from(sample_rate)).ceil() as usize).max(1);
        Self {
            ceiling,
            sample_rate,
            peaks: Peaks::new(channels),
            lowest: Lowest::new(reach),
            means: Means::new(reach),
            waiting: vec![VecDeque::new(); channels],
        }
    }

    /// Takes the next samples, and gives those that are ready.
    pub fn push(&mut self, sound: &Waveform) -> Waveform {
        let peaks = self.peaks.push(&sound.channels);
        self.waiting.iter_mut().zip(&sound.channels).for_each(|(waiting, own)| waiting.extend(own));
        let gains = self.gains(&peaks);
        self.ready(&gains)
    }

    /// Gives the samples that are left.
    pub fn finish(&mut self) -> Waveform {
        let silence = vec![vec![0.0; TAPS / 2]; self.waiting.len()];
        let peaks = self.peaks.push(&silence);
        let mut gains = self.gains(&peaks);
        let rest = self.lowest.finish();
        gains.extend(self.means.push(&rest));
        gains.extend(self.means.finish());
        self.ready(&gains)
    }

    /// A mean of lowest values is never above the value in the middle, so no peak is missed.
    fn gains(&mut self, peaks: &[f32]) -> Vec<f32> {
        let needed: Vec<f32> = peaks.iter().map(|peak| (self.ceiling / peak.max(1e-9)).min(1.0)).collect();
        let lowest = self.lowest.push(&needed);
        self.means.push(&lowest)
    }

    fn ready(&mut self, gains: &[f32]) -> Waveform {
        let channels = self.waiting.iter_mut().map(|waiting| {
            let now = waiting.drain(..gains.len().min(waiting.len()));
            now.zip(gains).map(|(v, gain)| v * gain).collect()
        });
        Waveform { sample_rate: self.sample_rate, channels: channels.collect() }
    }
}

/// Finds true peaks; of a sample when those behind it are known that say how the waveform goes on.
struct Peaks {
    filters: Vec<Vec<f32>>,
    /// The last samples of each channel.
    before: Vec<Vec<f32>>,
}

impl Peaks {
    fn new(channels: usize) -> Self {
        Self { filters: filters(), before: vec![vec![0.0; TAPS / 2 - 1]; channels] }
    }

    fn push(&mut self, channels: &[Vec<f32>]) -> Vec<f32> {
        let mut peaks = Vec::new();
        for (before, channel) in self.before.iter_mut().zip(channels) {
            before.extend(channel);
            let count = (before.len() + 1).saturating_sub(TAPS);
            peaks.resize(count, 0.0f32);
            for (peak, around) in peaks.iter_mut().zip(before.windows(TAPS)) {
                let own = around.get(TAPS / 2 - 1).copied().unwrap_or_default().abs();
                let between = |taps: &Vec<f32>| taps.iter().zip(around).map(|(a, b)| a * b).sum::<f32>().abs();
                *peak = self.filters.iter().map(between).fold(peak.max(own), f32::max);
            }
            before.drain(..count);
        }
        peaks
    }
}

/// Interpolation at the points between samples: sinc under a Hann window, each of unit gain.
fn filters() -> Vec<Vec<f32>> {
    use std::f64::consts::PI;
    let half = (TAPS / 2) as f64;
    let tap = |phase: usize, i: usize| {
        let x = i as f64 - (half - 1.0) - phase as f64 / PHASES as f64;
        (PI * x).sin() / (PI * x) * (0.5 + 0.5 * (PI * x / half).cos())
    };
    let unit = |taps: Vec<f64>| {
        let sum: f64 = taps.iter().sum();
        taps.iter().map(|t| (t / sum) as f32).collect()
    };
    (1..PHASES).map(|phase| unit((0..TAPS).map(|i| tap(phase, i)).collect())).collect()
}

/// The lowest value within `reach` on both sides of each.
struct Lowest {
    reach: usize,
    /// Values that are the lowest from their place on, with their places.
    queue: VecDeque<(usize, f32)>,
    taken: usize,
    given: usize,
}

impl Lowest {
    fn new(reach: usize) -> Self {
        Self { reach, queue: VecDeque::new(), taken: 0, given: 0 }
    }

    fn push(&mut self, values: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            while self.queue.back().is_some_and(|(_, last)| last >= value) {
                self.queue.pop_back();
            }
            self.queue.push_back((self.taken, *value));
            self.taken += 1;
            if self.taken > self.reach {
                out.push(self.next());
            }
        }
        out
    }

    fn finish(&mut self) -> Vec<f32> {
        (self.given..self.taken).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> f32 {
        while self.queue.front().is_some_and(|(at, _)| at + self.reach < self.given) {
            self.queue.pop_front();
        }
        self.given += 1;
        self.queue.front().map_or(1.0, |(_, value)| *value)
    }
}

/// The mean within `reach` on both sides of each; beyond the ends the first and last values go on.
struct Means {
    reach: usize,
    /// The values around the next one: `2 * reach + 1` when complete.
    around: VecDeque<f32>,
    sum: f64,
}

impl Means {
    fn new(reach: usize) -> Self {
        Self { reach, around: VecDeque::new(), sum: 0.0 }
    }

    fn push(&mut self, values: &[f32]) -> Vec<f32> {
        let mut out = Vec::with_capacity(values.len());
        for value in values {
            if self.around.is_empty() {
                (0..self.reach).for_each(|_| self.take(*value));
            }
            self.take(*value);
            if self.around.len() == 2 * self.reach + 1 {
                out.push((self.sum / self.around.len() as f64) as f32);
                self.sum -= f64::from(self.around.pop_front().unwrap_or_default());
            }
        }
        out
    }

    fn finish(&mut self) -> Vec<f32> {
        let Some(last) = self.around.back().copied() else { return Vec::new() };
        self.push(&vec![last; self.reach])
    }

    fn take(&mut self, value: f32) {
        self.around.push_back(value);
        self.sum += f64::from(value);
    }
}
