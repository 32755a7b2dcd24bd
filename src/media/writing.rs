//! How files are written, beyond what their endings say.

use anyhow::{Result, bail};
#[cfg(feature = "audio")]
use edrun_modalities::audio::{Depth as SampleDepth, LOUDNESS};
#[cfg(feature = "image")]
use edrun_modalities::image::Depth;

/// How files are written, beyond what their endings say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Writing {
    /// Bits per channel of a picture.
    #[cfg(feature = "image")]
    pub depth: Depth,
    /// How finely a sound's samples are written.
    #[cfg(feature = "audio")]
    pub samples: SampleDepth,
    /// Loudness in LUFS that a sound is brought to.
    pub loudness: Option<f64>,
    /// How well a clip is kept where its format leaves something out, 1 to 100.
    pub quality: Option<u8>,
}

impl Writing {
    /// Of a picture with so many bits per channel.
    ///
    /// # Errors
    /// When no format has so many.
    #[cfg(feature = "image")]
    pub fn of_picture(bits: u8) -> Result<Self> {
        match Depth::of_bits(bits) {
            Some(depth) => Ok(Self { depth, ..Self::default() }),
            None => bail!("--bit-depth is {bits}, but must be 8 or 16"),
        }
    }

    /// Of a sound with samples of `16` or `24` bits or `f32`, and of a loudness in LUFS.
    ///
    /// # Errors
    /// For other samples, and for a loudness that no sound has.
    #[cfg(feature = "audio")]
    pub fn of_sound(bits: &str, loudness: Option<f64>) -> Result<Self> {
        if let Some(loudness) = loudness.filter(|loudness| !LOUDNESS.contains(loudness)) {
            bail!("--loudness is {loudness}, but must lie in {}..={} LUFS", LOUDNESS.start(), LOUDNESS.end());
        }
        match SampleDepth::of_name(bits) {
            Some(samples) => Ok(Self { samples, loudness, ..Self::default() }),
            None => bail!("--bit-depth is {bits:?}, but must be 16, 24 or f32"),
        }
    }
}
