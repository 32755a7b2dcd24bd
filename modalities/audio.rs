//! Sound: latents to waveforms and back, and the files they live in.
//!
//! [`Decoder`] runs the graphs that make sound of latents, [`Waveform`] is what comes out, [`Stft`] and [`GriffinLim`] lead
//! between waveforms and spectra, [`limit`] keeps peaks from clipping, and [`FORMATS`] lists the file formats. A sound file
//! carries [`Info`](crate::Info): how it was made.

mod chunks;
mod decoder;
mod encoder;
mod flac;
mod format;
mod griffin_lim;
mod limiter;
mod loudness;
mod mel;
mod mel_config;
mod mels;
mod mix;
mod plot;
mod read;
mod sink;
mod spectrogram;
mod stft;
mod tags;
mod vocoder;
mod vocos;
mod vorbis;
mod wav;
mod waveform;

pub use chunks::{Chunk, Joiner, chunks};
pub use decoder::{Decoder, Part, SoundFacts};
pub use encoder::Encoder;
pub use format::{Depth, FORMATS, Format, check_extension};
pub(crate) use format::{about, knows};
pub use griffin_lim::{GriffinLim, Phases};
pub use limiter::{CEILING, Limiter, limit, true_peaks};
pub use loudness::{LOUDNESS, loudness, normalise};
pub use mel::{MelBank, hertz, mel};
pub use mel_config::{MelConfig, griffin_lim_asked};
pub use mels::{MelFacts, MelFilters, Mels};
pub use sink::{Shape, Writer};
pub use spectrogram::Spectrogram;
pub use stft::{Framer, Padding, Spectrum, Stft};
pub use vocoder::{Mel, MelDecoder, Vocoder};
pub use vocos::Vocos;
pub use waveform::Waveform;

#[cfg(test)]
mod tests;
