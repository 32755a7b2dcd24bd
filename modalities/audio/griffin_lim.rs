//! Magnitudes to sound: a phase is made up that fits them.
//!
//! The first guess follows the peaks of each frame from one to the next (Beauregard, Harish and Wyse 2015, "Single pass
//! spectrogram inversion"), as tones do; the fast Griffin-Lim algorithm (Perraudin, Balazs and Søndergaard 2013) then brings
//! the frames into agreement.

use anyhow::{Result, ensure};
use realfft::num_complex::Complex32;

use super::stft::{Padding, Spectrum, Stft};

/// How a phase is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GriffinLim {
    /// Rounds of bringing frames into agreement.
    pub iterations: usize,
    /// How far a round runs on in the direction of the last one; 0 is the algorithm of 1984, 0.99 the fast one.
    pub momentum: f32,
}

impl Default for GriffinLim {
    fn default() -> Self {
        Self { iterations: 60, momentum: 0.99 }
    }
}

impl GriffinLim {
    /// `samples` samples of sound with these `magnitudes`, `[frames, bins]`.
    ///
    /// # Errors
    /// When the number of magnitudes fits no whole frame of `stft`.
    pub fn sound(&self, stft: &Stft, magnitudes: &[f32], samples: usize) -> Result<Vec<f32>> {
        let bins = stft.bins();
        ensure!(
            !magnitudes.is_empty() && magnitudes.len().is_multiple_of(bins),
            "{} magnitudes are no whole frames of {bins}",
            magnitudes.len()
        );
        let mut spectrum = with_phase(stft, magnitudes);
        let mut found = Spectrum { bins, values: Vec::new() };
        let mut before = vec![Complex32::default(); magnitudes.len()];
        let back = self.momentum / (1.0 + self.momentum);
        for _ in 0..self.iterations {
            let sound = stft.inverse(&spectrum, samples)?;
            stft.forward_into(&sound, Padding::Zeros, &mut found)?;
            found.values.resize(magnitudes.len(), Complex32::default());
            for (((to, now), last), aim) in
                spectrum.values.iter_mut().zip(&found.values).zip(&mut before).zip(magnitudes)
            {
                let direction = now - *last * back;
                *last = *now;
                let size = direction.norm();
                *to = if size > 1e-12 { direction * (aim / size) } else { Complex32::new(*aim, 0.0) };
            }
        }
        stft.inverse(&spectrum, samples)
    }
}

/// Magnitudes with the phases of tones that go on from frame to frame.
fn with_phase(stft: &Stft, magnitudes: &[f32]) -> Spectrum {
    let bins = stft.bins();
    let mut values = Vec::with_capacity(magnitudes.len());
    let mut phases = vec![0.0f64; bins];
    for frame in magnitudes.chunks_exact(bins) {
        let owners = follow(stft, frame, &mut phases);
        for (bin, (magnitude, phase)) in frame.iter().zip(&phases).enumerate() {
            // Phases count from a frame's beginning and the window is symmetrical about its middle, so the bins around a
            // tone alternate in sign.
            let odd = bin.abs_diff(owners.get(bin).copied().unwrap_or(bin)) % 2 == 1;
            let phase = phase + if odd { std::f64::consts::PI } else { 0.0 };
            values.push(Complex32::from_polar(*magnitude, phase as f32));
        }
    }
    Spectrum { bins, values }
}

/// Moves the phases on by one hop; every bin has the phase of the nearest peak. Returns whose that is.
fn follow(stft: &Stft, frame: &[f32], phases: &mut [f64]) -> Vec<usize> {
    let peaks = peaks(frame);
    if peaks.is_empty() {
        return (0..frame.len()).collect();
    }
    let turn = std::f64::consts::TAU;
    let advanced: Vec<(usize, f64)> = peaks
        .iter()
        .map(|&(bin, frequency)| {
            let advance = turn * stft.hop() as f64 * frequency / stft.size() as f64;
            (bin, (phases.get(bin).copied().unwrap_or_default() + advance) % turn)
        })
        .collect();
    let mut owners = Vec::with_capacity(frame.len());
    let mut next = 0;
    for (bin, phase) in phases.iter_mut().enumerate() {
        let distance = |i: usize| advanced.get(i).map_or(usize::MAX, |(peak, _)| peak.abs_diff(bin));
        while distance(next + 1) < distance(next) {
            next += 1;
        }
        if let Some((peak, advanced)) = advanced.get(next) {
            *phase = *advanced;
            owners.push(*peak);
        }
    }
    owners
}

/// Bins larger than their neighbours, and where between bins the tone lies that makes them (parabola through logarithms).
fn peaks(frame: &[f32]) -> Vec<(usize, f64)> {
    let around = frame.windows(3).enumerate();
    let peak = |(i, three): (usize, &[f32])| match three {
        [left, middle, right] if middle > left && middle >= right => {
            let [a, b, c] = [left, middle, right].map(|v| f64::from(*v + 1e-9).ln());
            let curve = a - 2.0 * b + c;
            let shift = if curve.abs() > 1e-12 { (0.5 * (a - c) / curve).clamp(-0.5, 0.5) } else { 0.0 };
            Some((i + 1, (i + 1) as f64 + shift))
        }
        _ => None,
    };
    around.filter_map(peak).collect()
}
