//! Flags of pictures.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{OutputArgs, ReportArgs, RunningArgs, SamplingArgs};

/// Flags of `edrun image`.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// What the picture shows; `-` reads it from standard input
    #[arg(required_unless_present = "prompts", conflicts_with = "prompts")]
    pub prompt: Option<String>,
    /// Many prompts, one a line: text, or JSON objects that may set any flag of a picture
    /// (FILE.jsonl); `-` reads standard input
    #[arg(long, value_name = "FILE", help_heading = "Picture")]
    pub prompts: Option<PathBuf>,

    /// What one picture is like.
    #[command(flatten)]
    pub picture: PictureArgs,
    /// The model and its graphs.
    #[command(flatten)]
    pub running: RunningArgs,
    /// Where pictures go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What is said.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What one picture is like: what a line of `--prompts` may set.
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
    /// Picture to start from (PNG or JPEG); resized where --width and --height say so
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
}
