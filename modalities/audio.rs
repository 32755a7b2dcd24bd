//! Sound: latents to waveforms and back, and the files they live in.
//!
//! [`Decoder`] runs the graphs that make sound of latents, [`Waveform`] is what comes out, [`Stft`] and [`GriffinLim`] lead
//! between waveforms and spectra, [`limit`] keeps peaks from clipping, and [`FORMATS`] lists the file formats. A sound file
//! carries [`Info`](crate::Info): how it was made.

mod decoder;
mod format;
mod griffin_lim;
mod limiter;
mod mels;
mod stft;
mod vocoder;
mod wav;
mod waveform;

pub use decoder::{Decoder, SoundFacts};
pub use format::{Depth, FORMATS, Format, check_extension};
pub(crate) use format::{about, knows};
pub use griffin_lim::GriffinLim;
pub use limiter::{CEILING, limit, true_peaks};
pub use mels::{MelFacts, Mels};
pub use stft::{Padding, Spectrum, Stft};
pub use vocoder::{Mel, MelDecoder, Vocoder};
pub use wav::Stream;
pub use waveform::Waveform;

#[cfg(test)]
mod tests;
