//! Flags of clips.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use edrun_modalities::image::Picture;
use serde::{Deserialize, Serialize};

use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{ClipWanted, FinishWanted, Modality, Wanted, Writing};
use crate::pipeline::FramesGiven;

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
    /// The picture that the clip begins with: models that go on from one are told of it, others with an encoder keep it
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Clip")]
    pub first_frame: Option<PathBuf>,
    /// The picture that it ends with
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Clip")]
    pub last_frame: Option<PathBuf>,
    /// Guidance scale of the second denoiser, where a model has one [default: the first one's]
    #[arg(long, value_name = "W", allow_negative_numbers = true, help_heading = "Clip")]
    pub guidance_scale_2: Option<f64>,
    /// Noise that the decoder is told to take out, 0 to 1, where it does (LTX-Video) [default: 0]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Clip")]
    pub decode_timestep: Option<f64>,
    /// Noise that is put in for it, 0 to 1 [default: as much as it is told]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Clip")]
    pub decode_noise_scale: Option<f64>,
    /// Also write up to 16 of its frames on one picture (.png, .jpg, ...)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub sheet: Option<PathBuf>,
    /// How well an .mp4 or .webm file keeps the frames, 1 (smallest) to 100 [default: 70]; a .webp file keeps all unless this is given
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

    fn guidance_scale_2(&self) -> Option<f64> {
        self.guidance_scale_2
    }

    fn size(&self) -> Result<Wanted> {
        let finish = FinishWanted { timestep: self.decode_timestep, noise: self.decode_noise_scale };
        let clip = ClipWanted { frames: self.frames, fps: self.fps, finish };
        Ok(Wanted { width: self.width, height: self.height, clip, ..Wanted::default() })
    }

    fn look(&self) -> Option<&Path> {
        self.sheet.as_deref()
    }

    fn writing(&self) -> Result<Writing> {
        Ok(Writing { quality: self.quality, ..Writing::default() })
    }

    fn start(&self) -> Result<Start> {
        let open = |path: &Option<PathBuf>| path.as_deref().map(Picture::open).transpose();
        let frames = FramesGiven { first: open(&self.first_frame)?, last: open(&self.last_frame)? };
        Ok(Start { frames, ..Start::default() })
    }
}
