//! Flags of sound.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use edrun_modalities::audio::Waveform;
use serde::{Deserialize, Serialize};

use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{Mask, Media, Modality, SpeechWanted, Wanted, Writing, spans};

/// Flags of `edrun audio`.
pub type AudioArgs = MakeArgs<SoundArgs>;

/// What one sound is like.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct SoundArgs {
    /// What it should not sound like
    #[arg(long, value_name = "TEXT", help_heading = "Sound")]
    pub negative_prompt: Option<String>,
    /// Seconds; more than the model makes in one piece is made in overlapping windows
    /// [default: as long as the model makes it, or as what is given]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, help_heading = "Sound")]
    pub duration: Option<f64>,
    /// Sound to start from (WAV, FLAC, MP3 or Ogg Vorbis)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Sound")]
    pub init_audio: Option<PathBuf>,
    /// How far to go from that sound, above 0 and up to 1 [default: 0.8, with --mask 1]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Sound")]
    pub strength: Option<f64>,
    /// Where that sound is made anew, such as 1.2s..2.0s, or ..500ms,3s.. for its beginning and what
    /// follows 3 seconds; elsewhere it is kept
    #[arg(long, value_name = "SPANS", help_heading = "Sound")]
    pub mask: Option<String>,
    /// Whose voice speaks: a name that the model has, a style file, or a sound to go on from
    /// [default: the model's first]
    #[arg(long, value_name = "NAME|FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Speech")]
    pub voice: Option<String>,
    /// What is said in that sound; words that the model's lexicon lacks as they sound, in double brackets
    #[arg(long, value_name = "TEXT", help_heading = "Speech")]
    pub voice_text: Option<String>,
    /// How fast the voice speaks; 2 is twice as fast [default: the model's own pace]
    #[arg(long, value_name = "FACTOR", allow_negative_numbers = true, help_heading = "Speech")]
    pub speed: Option<f64>,
    /// The language of the text, such as en, ko or es, for models of several [default: en]
    #[arg(long, value_name = "CODE", help_heading = "Speech")]
    pub language: Option<String>,
    /// How far the times of a speech model's steps are moved: below 1 towards the noise
    /// [default: the model family's]
    #[arg(long, value_name = "SHIFT", allow_negative_numbers = true, help_heading = "Speech")]
    pub t_shift: Option<f64>,
    /// Bring it to this loudness (EBU R 128), such as -14 for streaming or -23 for broadcasting
    /// [default: as the model makes it]
    #[arg(long, value_name = "LUFS", allow_negative_numbers = true, help_heading = "Output")]
    pub loudness: Option<f64>,
    /// Also draw which frequencies are in it when: a picture (.png, .jpg, .webp, .tiff)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub spectrogram: Option<PathBuf>,
    /// Bits per sample: 16, 24 (.wav, .flac) or f32 (.wav), which alone is not kept from clipping
    #[arg(long, value_name = "BITS", default_value = "16", help_heading = "Output")]
    pub bit_depth: String,
    /// How it is sampled.
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

impl One for SoundArgs {
    const MODALITY: Modality = Modality::Sound;

    fn sampling(&self) -> &SamplingArgs {
        &self.sampling
    }

    fn negative_prompt(&self) -> Option<&str> {
        self.negative_prompt.as_deref()
    }

    fn size(&self) -> Result<Wanted> {
        Ok(Wanted { seconds: self.duration, ..Wanted::default() })
    }

    fn speech(&self) -> SpeechWanted {
        SpeechWanted {
            voice: self.voice.clone(),
            voice_text: self.voice_text.clone(),
            speed: self.speed,
            language: self.language.clone(),
        }
    }

    fn t_shift(&self) -> Option<f64> {
        self.t_shift
    }

    fn look(&self) -> Option<&Path> {
        self.spectrogram.as_deref()
    }

    fn start(&self) -> Result<Start> {
        let init = self.init_audio.as_deref().map(Waveform::open).transpose()?.map(Media::Sound);
        let mask = self.mask.as_deref().map(spans).transpose().context("--mask")?.map(Mask::Spans);
        Ok(Start { init, strength: self.strength, mask, ..Start::default() })
    }

    fn writing(&self) -> Result<Writing> {
        Writing::of_sound(&self.bit_depth, self.loudness)
    }
}
