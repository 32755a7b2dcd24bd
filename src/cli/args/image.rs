//! Flags of pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use edrun_modalities::image::Picture;
use serde::{Deserialize, Serialize};

use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{Mask, Media, Modality, Wanted, Writing};

/// Flags of `edrun image`.
pub type ImageArgs = MakeArgs<PictureArgs>;

/// What one picture is like.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct PictureArgs {
    /// What the picture should not show
    #[arg(long, value_name = "TEXT", help_heading = "Picture")]
    pub negative_prompt: Option<String>,
    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Picture")]
    pub width: Option<usize>,
    /// Pixels, a multiple of 8 [default: the model's]
    #[arg(long, value_name = "PIXELS", help_heading = "Picture")]
    pub height: Option<usize>,
    /// Picture to start from (PNG, JPEG, WebP or TIFF); resized where --width and --height say so
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub init_image: Option<PathBuf>,
    /// How far to go from that picture, above 0 and up to 1 [default: 0.8, with --mask 1]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Picture")]
    pub strength: Option<f64>,
    /// Where that picture is made anew (white) and where it is kept (black)
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub mask: Option<PathBuf>,
    /// How it is sampled.
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
    /// How it is written.
    #[command(flatten)]
    #[serde(flatten)]
    pub pixels: PixelArgs,
}

/// How the pixels of a picture are written.
#[derive(Args, Clone, Copy, Debug, Deserialize, Serialize)]
pub struct PixelArgs {
    /// Bits per channel: 8, or 16 in PNG and TIFF files
    #[arg(long, value_name = "BITS", default_value_t = 8, help_heading = "Output")]
    pub bit_depth: u8,
}

impl One for PictureArgs {
    const MODALITY: Modality = Modality::Image;

    fn sampling(&self) -> &SamplingArgs {
        &self.sampling
    }

    fn negative_prompt(&self) -> Option<&str> {
        self.negative_prompt.as_deref()
    }

    fn size(&self) -> Result<Wanted> {
        Ok(Wanted { width: self.width, height: self.height, ..Wanted::default() })
    }

    fn start(&self) -> Result<Start> {
        let open = |path: &PathBuf| Picture::open(path);
        let init = self.init_image.as_ref().map(open).transpose()?.map(Media::Picture);
        let mask = self.mask.as_ref().map(open).transpose()?.map(Mask::Picture);
        Ok(Start { init, strength: self.strength, mask, ..Start::default() })
    }

    fn writing(&self) -> Result<Writing> {
        Writing::of_picture(self.pixels.bit_depth)
    }
}
