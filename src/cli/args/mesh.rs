//! Flags of meshes.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use edrun_modalities::image::Picture;
use serde::{Deserialize, Serialize};

use super::make::TOLD;
use super::{MakeArgs, One, SamplingArgs, Start};
use crate::media::{MeshWanted, Modality, Wanted};

/// Flags of `edrun 3d`.
pub type MeshArgs = MakeArgs<ObjectArgs>;

/// What one object is like.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct ObjectArgs {
    /// Picture of the object, for models that are told by one instead of words (PNG, JPEG, WebP or
    /// TIFF)
    #[arg(long, group = TOLD, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Object")]
    pub image: Option<PathBuf>,
    /// What the object should not be like
    #[arg(long, value_name = "TEXT", help_heading = "Object")]
    pub negative_prompt: Option<String>,
    /// Cells along each side of the grid that the surface is found on, 8 to 2048 [default: 128]
    #[arg(long, value_name = "N", help_heading = "Object")]
    pub resolution: Option<usize>,
    /// At most this many triangles; fewer mean less detail [default: as many as the grid gives]
    #[arg(long, value_name = "N", help_heading = "Object")]
    pub faces: Option<usize>,
    /// Keep edges and corners sharp
    #[arg(long, help_heading = "Object")]
    pub sharp: bool,
    /// Remove loose parts with less than this share of the surface; 0 keeps all, hollows too
    /// [default: 0.01]
    #[arg(long, value_name = "SHARE", allow_negative_numbers = true, help_heading = "Object")]
    pub min_part: Option<f32>,
    /// Also draw the object from all sides: an animation (.mp4, .webm, .gif, .webp), or a sheet of eight views
    /// (.png, .jpg)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    pub turntable: Option<PathBuf>,
    /// How it is sampled.
    #[command(flatten)]
    #[serde(flatten)]
    pub sampling: SamplingArgs,
}

impl One for ObjectArgs {
    const MODALITY: Modality = Modality::Mesh;

    fn sampling(&self) -> &SamplingArgs {
        &self.sampling
    }

    fn negative_prompt(&self) -> Option<&str> {
        self.negative_prompt.as_deref()
    }

    fn size(&self) -> Result<Wanted> {
        let mesh =
            MeshWanted { resolution: self.resolution, faces: self.faces, sharp: self.sharp, min_part: self.min_part };
        Ok(Wanted { mesh, ..Wanted::default() })
    }

    fn look(&self) -> Option<&Path> {
        self.turntable.as_deref()
    }

    fn start(&self) -> Result<Start> {
        let shown = self.image.as_deref().map(Picture::open).transpose()?;
        Ok(Start { shown, ..Start::default() })
    }
}
