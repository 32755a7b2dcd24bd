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
        self.sound_after(stft, magnitudes, &[], samples)
    }

    /// As [`sound`](Self::sound), where the first samples are `known`: what follows goes on from them.
    fn sound_after(&self, stft: &Stft, magnitudes: &[f32], known: &[f32], samples: usize) -> Result<Vec<f32>> {
        let bins = stft.bins();
        ensure!(
            !magnitudes.is_empty() && magnitudes.len().is_multiple_of(bins),
            "{} magnitudes are no whole frames of {bins}",
            magnitudes.len()
        );
        let mut spectrum = with_phase(stft, magnitudes, &heard(stft, known)?);
        let mut found = Spectrum { bins, values: Vec::new() };
        let mut before = vec![Complex32::default(); magnitudes.len()];
        let back = self.momentum / (1.0 + self.momentum);
        for _ in 0..self.iterations {
            let mut sound = stft.inverse(&spectrum, samples)?;
            sound.iter_mut().zip(known).for_each(|(v, known)| *v = *known);
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

/// Finds the sound of magnitudes that come in parts.
///
/// Each part is brought into agreement with the end of the sound before it, and with the frames behind it that reach into it.
#[derive(Debug)]
pub struct Phases {
    method: GriffinLim,
    stft: Stft,
    /// Frames whose sound is known, then those whose sound is not.
    magnitudes: Vec<f32>,
    /// The sound of the first of them.
    known: Vec<f32>,
}

impl Phases {
    /// Begins a sound.
    pub fn new(method: GriffinLim, stft: Stft) -> Self {
        Self { method, stft, magnitudes: Vec::new(), known: Vec::new() }
    }

    /// Takes the magnitudes of the next frames, `[frames, bins]`, and gives the sound that is ready: a hop for every frame, but
    /// for those at the end that more frames may reach into, unless these are the `last`.
    ///
    /// # Errors
    /// When the number of magnitudes fits no whole frame.
    pub fn push(&mut self, magnitudes: &[f32], last: bool) -> Result<Vec<f32>> {
        self.magnitudes.extend_from_slice(magnitudes);
        let (bins, hop) = (self.stft.bins(), self.stft.hop());
        let (frames, known, reach) = (self.magnitudes.len() / bins, self.known.len() / hop, self.reach());
        let ready = if last { frames } else { frames.saturating_sub(reach) };
        if ready <= known {
            return Ok(Vec::new());
        }
        let sound = self.method.sound_after(&self.stft, &self.magnitudes, &self.known, frames * hop)?;
        let passed = ready.saturating_sub(reach);
        self.magnitudes.drain(..passed * bins);
        let made = sound.get(known * hop..ready * hop).unwrap_or_default();
        self.known.extend_from_slice(made);
        self.known.drain(..passed * hop);
        Ok(made.to_vec())
    }

    /// Frequencies of a frame.
    pub fn bins(&self) -> usize {
        self.stft.bins()
    }

    /// Frames that reach into a place.
    fn reach(&self) -> usize {
        self.stft.size().div_ceil(self.stft.hop())
    }
}

/// The phases of the frames that lie in samples which are known, frame by frame.
fn heard(stft: &Stft, known: &[f32]) -> Result<Vec<Vec<f64>>> {
    let whole = known.len().checked_sub(stft.size() / 2).map_or(0, |behind| 1 + behind / stft.hop());
    let spectrum = stft.forward(known, Padding::Zeros)?;
    let frames = spectrum.values.chunks_exact(stft.bins()).take(whole);
    Ok(frames.map(|frame| frame.iter().map(|v| f64::from(v.arg())).collect()).collect())
}

/// Magnitudes with phases: those that were heard, and after them those of tones that go on from frame to frame.
fn with_phase(stft: &Stft, magnitudes: &[f32], heard: &[Vec<f64>]) -> Spectrum {
    let bins = stft.bins();
    let mut values = Vec::with_capacity(magnitudes.len());
    let mut phases = heard.last().cloned().unwrap_or_else(|| vec![0.0f64; bins]);
    for (i, frame) in magnitudes.chunks_exact(bins).enumerate() {
        if let Some(heard) = heard.get(i) {
            values.extend(frame.iter().zip(heard).map(|(size, phase)| Complex32::from_polar(*size, *phase as f32)));
            continue;
        }
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
