//! The mel scale: frequencies as far apart as they sound.

/// Mels of a frequency (O'Shaughnessy 1987, as HTK has it).
pub fn mel(hertz: f64) -> f64 {
    2595.0 * (1.0 + hertz / 700.0).log10()
}

/// The frequency of so many mels.
pub fn hertz(mel: f64) -> f64 {
    700.0 * (10f64.powf(mel / 2595.0) - 1.0)
}

/// Bands of equal width in mels, from 0 to half the sample rate, as weights of the bins of a spectrum.
#[derive(Debug, Clone)]
pub struct MelBank {
    /// Of each band: its first bin and the weights from there on, whose sum is 1.
    bands: Vec<(usize, Vec<f32>)>,
}

impl MelBank {
    /// `bands` triangles over the bins of frames of `size` samples. A triangle too narrow for any bin takes the nearest.
    pub fn new(bands: usize, sample_rate: u32, size: usize) -> Self {
        let (top, step) = (mel(f64::from(sample_rate) / 2.0), f64::from(sample_rate) / size.max(1) as f64);
        let edge = |i: usize| hertz(top * i as f64 / (bands + 1) as f64) / step;
        Self { bands: (0..bands).map(|band| triangle([edge(band), edge(band + 1), edge(band + 2)])).collect() }
    }

    /// The bands of one frame of magnitudes or powers.
    pub fn of(&self, frame: &[f32]) -> Vec<f32> {
        let weighed = |first: usize, weights: &[f32]| {
            frame.iter().skip(first).zip(weights).map(|(v, weight)| v * weight).sum::<f32>()
        };
        self.bands.iter().map(|(first, weights)| weighed(*first, weights)).collect()
    }
}

/// The weights of a triangle between three places, in bins.
fn triangle([left, middle, right]: [f64; 3]) -> (usize, Vec<f32>) {
    let first = left.floor() as usize + 1;
    let rise = |bin: usize| (bin as f64 - left) / (middle - left);
    let fall = |bin: usize| (right - bin as f64) / (right - middle);
    let weights: Vec<f64> = (first..=right.floor() as usize).map(|bin| rise(bin).min(fall(bin)).max(0.0)).collect();
    let sum: f64 = weights.iter().sum();
    match sum > 0.0 {
        true => (first, weights.iter().map(|w| (w / sum) as f32).collect()),
        false => (middle.round() as usize, vec![1.0]),
    }
}
