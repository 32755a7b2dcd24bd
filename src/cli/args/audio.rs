//! Flags of sound.

use anyhow::{Result, bail};
use clap::Args;
use edrun_modalities::audio::Depth;
use serde::{Deserialize, Serialize};

use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{Modality, Wanted, Writing};

/// Flags of `edrun audio`.
pub type AudioArgs = MakeArgs<SoundArgs>;

/// What one sound is like.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct SoundArgs {
    /// What it should not sound like
    #[arg(long, value_name = "TEXT", help_heading = "Sound")]
    pub negative_prompt: Option<String>,
    /// Seconds [default: as long as the model makes it]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, help_heading = "Sound")]
    pub duration: Option<f64>,
    /// Bits per sample: 16, 24 or f32
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

    fn start(&self) -> Result<Start> {
        Ok(Start::default())
    }

    fn writing(&self) -> Result<Writing> {
        match Depth::of_name(&self.bit_depth) {
            Some(samples) => Ok(Writing { samples, ..Writing::default() }),
            None => bail!("--bit-depth is {:?}, but must be 16, 24 or f32", self.bit_depth),
        }
    }
}
