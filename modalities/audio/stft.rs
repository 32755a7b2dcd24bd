//! Short-time Fourier transforms, as torch and librosa define them: frames centred on multiples of the hop, a periodic Hann
//! window.

use std::fmt;
use std::sync::Arc;

use anyhow::{Result, ensure};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// What stands before the first sample and after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// Silence.
    Zeros,
    /// The sound mirrored at its ends.
    Reflect,
}

/// A transform of one frame length and hop.
#[derive(Clone)]
pub struct Stft {
    hop: usize,
    window: Vec<f32>,
    to_spectrum: Arc<dyn RealToComplex<f32>>,
    to_samples: Arc<dyn ComplexToReal<f32>>,
}

/// A spectrum over time, frame by frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    /// Frequencies of a frame, from 0 to half the sample rate.
    pub bins: usize,
    /// `[frames, bins]`.
    pub values: Vec<Complex32>,
}

impl Spectrum {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.values.len() / self.bins.max(1)
    }

    /// Magnitudes, `[frames, bins]`.
    pub fn magnitudes(&self) -> Vec<f32> {
        self.values.iter().map(|v| v.norm()).collect()
    }
}

impl fmt::Debug for Stft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stft of {} samples every {}", self.size(), self.hop)
    }
}

impl Stft {
    /// Frames of `size` samples every `hop` samples, under a Hann window of `window` samples in their middle.
    pub fn new(size: usize, hop: usize, window: usize) -> Result<Self> {
        ensure!((2..=1 << 20).contains(&size), "frames of {size} samples cannot be transformed");
        ensure!((1..=window).contains(&hop) && window <= size, "a hop of {hop} under a window of {window} leaves gaps");
        let mut planner = RealFftPlanner::new();
        let (to_spectrum, to_samples) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
        Ok(Self { hop, window: centred_hann(size, window), to_spectrum, to_samples })
    }

    /// Samples of a frame.
    pub fn size(&self) -> usize {
        self.window.len()
    }

    /// Frequencies of a frame.
    pub fn bins(&self) -> usize {
        self.size() / 2 + 1
    }

    /// Samples from one frame to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Frames of so many samples.
    pub fn frames(&self, samples: usize) -> usize {
        1 + samples / self.hop
    }

    /// The spectrum of `samples`.
    pub fn forward(&self, samples: &[f32], padding: Padding) -> Result<Spectrum> {
        let mut spectrum = Spectrum { bins: self.bins(), values: Vec::new() };
        self.forward_into(samples, padding, &mut spectrum)?;
        Ok(spectrum)
    }

    /// As [`forward`](Self::forward), into memory that is there already.
    pub fn forward_into(&self, samples: &[f32], padding: Padding, spectrum: &mut Spectrum) -> Result<()> {
        let (size, half, frames) = (self.size(), self.size() / 2, self.frames(samples.len()));
        spectrum.bins = self.bins();
        spectrum.values.resize(frames * self.bins(), Complex32::default());
        let padded = padded(samples, half, padding);
        let mut framer = self.framer();
        for (i, out) in spectrum.values.chunks_exact_mut(self.bins()).enumerate() {
            framer.spectrum_into(padded.get(i * self.hop..i * self.hop + size).unwrap_or_default(), out)?;
        }
        Ok(())
    }

    /// What transforms one frame after another.
    pub fn framer(&self) -> Framer {
        Framer {
            window: self.window.clone(),
            frame: self.to_spectrum.make_input_vec(),
            scratch: self.to_spectrum.make_scratch_vec(),
            spectrum: self.to_spectrum.make_output_vec(),
            transform: Arc::clone(&self.to_spectrum),
        }
    }

    /// The `samples` samples whose spectrum is nearest to `spectrum` (Griffin and Lim 1984): frames overlap and add, divided
    /// by the windows' squares.
    pub fn inverse(&self, spectrum: &Spectrum, samples: usize) -> Result<Vec<f32>> {
        ensure!(spectrum.bins == self.bins(), "a spectrum of {} bins is not one of {self:?}", spectrum.bins);
        let (size, half) = (self.size(), self.size() / 2);
        let length = (spectrum.frames().max(1) - 1) * self.hop + size;
        let (mut sum, mut weight) = (vec![0.0f32; length], vec![0.0f32; length]);
        let (mut bins, mut frame) = (self.to_samples.make_input_vec(), self.to_samples.make_output_vec());
        let mut scratch = self.to_samples.make_scratch_vec();
        for (i, values) in spectrum.values.chunks_exact(self.bins()).enumerate() {
            bins.copy_from_slice(values);
            real_ends(&mut bins, size);
            self.to_samples.process_with_scratch(&mut bins, &mut frame, &mut scratch)?;
            let places = sum.iter_mut().zip(&mut weight).skip(i * self.hop);
            for ((sum, weight), (v, w)) in places.zip(frame.iter().zip(&self.window)) {
                *sum += v * w;
                *weight += w * w;
            }
        }
        let scale = 1.0 / size as f32;
        let whole = sum.iter().zip(&weight).map(|(v, w)| if *w > 1e-8 { v * scale / w } else { 0.0 });
        let mut out: Vec<f32> = whole.skip(half).take(samples).collect();
        out.resize(samples, 0.0);
        Ok(out)
    }
}

/// Transforms frames that are handed to it.
pub struct Framer {
    window: Vec<f32>,
    transform: Arc<dyn RealToComplex<f32>>,
    frame: Vec<f32>,
    scratch: Vec<Complex32>,
    spectrum: Vec<Complex32>,
}

impl Framer {
    /// Samples of a frame.
    pub fn size(&self) -> usize {
        self.window.len()
    }

    /// The spectrum of one frame under the window.
    ///
    /// # Errors
    /// When the frame has another size.
    pub fn spectrum(&mut self, samples: &[f32]) -> Result<&[Complex32]> {
        let mut out = std::mem::take(&mut self.spectrum);
        let done = self.spectrum_into(samples, &mut out);
        self.spectrum = out;
        done.map(|()| self.spectrum.as_slice())
    }

    fn spectrum_into(&mut self, samples: &[f32], out: &mut [Complex32]) -> Result<()> {
        ensure!(samples.len() == self.size(), "a frame of {} samples is none of {}", samples.len(), self.size());
        for ((to, v), w) in self.frame.iter_mut().zip(samples).zip(&self.window) {
            *to = v * w;
        }
        self.transform.process_with_scratch(&mut self.frame, out, &mut self.scratch)?;
        Ok(())
    }
}

/// The first bin of real sound is real, and the last of an even size: an estimate may say otherwise.
fn real_ends(bins: &mut [Complex32], size: usize) {
    if let Some(first) = bins.first_mut() {
        first.im = 0.0;
    }
    if let (true, Some(last)) = (size.is_multiple_of(2), bins.last_mut()) {
        last.im = 0.0;
    }
}

fn centred_hann(size: usize, window: usize) -> Vec<f32> {
    let left = (size - window) / 2;
    let hann = |i: usize| (0.5 - 0.5 * (2.0 * std::f64::consts::PI * i as f64 / window as f64).cos()) as f32;
    (0..size).map(|i| if (left..left + window).contains(&i) { hann(i - left) } else { 0.0 }).collect()
}

/// `samples` with `half` more on both sides.
fn padded(samples: &[f32], half: usize, padding: Padding) -> Vec<f32> {
    let length = samples.len();
    let mirrored = |i: isize| {
        // Sounds shorter than half a frame are mirrored more than once.
        let period = 2 * (length.max(2) - 1) as isize;
        let i = i.rem_euclid(period) as usize;
        samples.get(if i < length { i } else { period as usize - i }).copied().unwrap_or_default()
    };
    match padding {
        Padding::Zeros => [&vec![0.0; half][..], samples, &vec![0.0; half]].concat(),
        Padding::Reflect if length < 2 => vec![samples.first().copied().unwrap_or_default(); length + 2 * half],
        Padding::Reflect => (-(half as isize)..(length + half) as isize).map(mirrored).collect(),
    }
}
