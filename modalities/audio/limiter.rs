//! True-peak limiting: nothing clips, neither in the samples nor between them.

use super::Waveform;

/// The largest true peak that is left: -1 dBTP, as EBU R 128 asks for.
pub const CEILING: f32 = 0.891_250_9;

/// Points a sample at which the waveform is looked at, and samples around them that say what it is there.
const PHASES: usize = 4;
const TAPS: usize = 16;

/// Seconds over which the gain falls before a peak and rises behind it.
const SLOPE: f64 = 0.004;

/// Turns a sound down around peaks above `ceiling`, all channels alike; elsewhere it stays as it is.
pub fn limit(sound: &mut Waveform, ceiling: f32) {
    let peaks = true_peaks(sound);
    if peaks.iter().all(|peak| *peak <= ceiling) {
        return;
    }
    let gains: Vec<f32> = peaks.iter().map(|peak| (ceiling / peak.max(1e-9)).min(1.0)).collect();
    let reach = ((SLOPE * f64::from(sound.sample_rate)).ceil() as usize).max(1);
    // A mean of lowest values is never above the value in the middle, so no peak is missed.
    let smooth = means(&lowest(&gains, reach), reach);
    for channel in &mut sound.channels {
        channel.iter_mut().zip(&smooth).for_each(|(v, gain)| *v *= gain);
    }
}

/// The largest magnitude of any channel from each sample to the next, as a filter of four times the sample rate finds it
/// (ITU-R BS.1770-4, annex 2).
pub fn true_peaks(sound: &Waveform) -> Vec<f32> {
    let filters = filters();
    let mut peaks = vec![0.0f32; sound.len()];
    for channel in &sound.channels {
        let half = TAPS / 2;
        let padded = [&vec![0.0; half - 1][..], channel, &vec![0.0; half]].concat();
        for (peak, around) in peaks.iter_mut().zip(padded.windows(TAPS)) {
            let own = around.get(half - 1).copied().unwrap_or_default().abs();
            let between = filters.iter().map(|taps| taps.iter().zip(around).map(|(a, b)| a * b).sum::<f32>().abs());
            *peak = between.fold(peak.max(own), f32::max);
        }
    }
    peaks
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
fn lowest(values: &[f32], reach: usize) -> Vec<f32> {
    let mut queue = std::collections::VecDeque::<(usize, f32)>::new();
    let mut out = Vec::with_capacity(values.len());
    for i in 0..values.len() + reach {
        if let Some(value) = values.get(i) {
            while queue.back().is_some_and(|(_, last)| last >= value) {
                queue.pop_back();
            }
            queue.push_back((i, *value));
        }
        if i >= reach {
            while queue.front().is_some_and(|(at, _)| at + 2 * reach < i) {
                queue.pop_front();
            }
            out.push(queue.front().map_or(1.0, |(_, value)| *value));
        }
    }
    out
}

/// The mean within `reach` on both sides of each; beyond the ends the first and last values go on.
fn means(values: &[f32], reach: usize) -> Vec<f32> {
    let at = |i: isize| values.get(i.clamp(0, values.len() as isize - 1) as usize).copied().map_or(1.0, f64::from);
    let (reach, width) = (reach as isize, (2 * reach + 1) as f64);
    let mut sum: f64 = (-reach..=reach).map(at).sum();
    let mut out = Vec::with_capacity(values.len());
    for i in 0..values.len() as isize {
        out.push((sum / width) as f32);
        sum += at(i + reach + 1) - at(i - reach);
    }
    out
}
