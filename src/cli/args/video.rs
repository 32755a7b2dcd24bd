//! Flags of clips.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{ClipWanted, Modality, Wanted, Writing};

/// Flags of `edrun video`.
pub type VideoArgs = MakeArgs<ClipArgs>;

/// What one clip is like.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct ClipArgs {
    /// What the clip should not show
    #[arg(long, value_name = "TEXT", help_heading = "Clip")]
    pub negative_prompt: Option<String>,
    /// Frames [default: the model's]
    #[arg(long, value_name = "N", help_heading = "Clip")]
    pub frames: Option<usize>,
    /// Frames a second [default: the model's]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Clip")]
    pub fps: Option<f64>,
    /// Pixels [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Clip")]
    pub width: Option<usize>,
    /// Pixels [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Clip")]
    pub height: Option<usize>,
    /// Also write up to 16 of its frames on one picture (.png, .jpg, ...)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub sheet: Option<PathBuf>,
    /// How well an .mp4 file keeps the frames, 1 (smallest) to 100 [default: 70]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub quality: Option<u8>,
    /// How it is sampled.
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

impl One for ClipArgs {
    const MODALITY: Modality = Modality::Clip;

    fn sampling(&self) -> &SamplingArgs {
        &self.sampling
    }

    fn negative_prompt(&self) -> Option<&str> {
        self.negative_prompt.as_deref()
    }

    fn size(&self) -> Result<Wanted> {
        let clip = ClipWanted { frames: self.frames, fps: self.fps };
        Ok(Wanted { width: self.width, height: self.height, clip, ..Wanted::default() })
    }

    fn look(&self) -> Option<&Path> {
        self.sheet.as_deref()
    }

    fn writing(&self) -> Result<Writing> {
        Ok(Writing { quality: self.quality, ..Writing::default() })
    }

    fn start(&self) -> Result<Start> {
        Ok(Start::default())
    }
}
