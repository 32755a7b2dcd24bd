//! Flags of everything that makes something from a prompt.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::{ArgGroup, Args};
use edrun_modalities::image::Picture;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{CarriedArgs, OutputArgs, PreviewArgs, ReportArgs, RunningArgs, SamplingArgs};
use crate::media::{Mask, Media, Modality, SpeechWanted, Wanted, Writing};
use crate::pipeline::FramesGiven;

/// The arguments that say what to make, at least one of which is needed.
pub(super) const TOLD: &str = "told";

/// Flags of a command that makes things which are `One`.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new(TOLD).required(true).multiple(true))]
pub struct MakeArgs<One: Args> {
    /// What to make, in words; `-` reads it from standard input
    #[arg(group = TOLD, conflicts_with = "prompts")]
    pub prompt: Option<String>,
    /// Many prompts, one a line: text, or JSON objects that may set any flag of one result
    /// (FILE.jsonl); `-` reads standard input
    #[arg(long, group = TOLD, value_name = "FILE", help_heading = "Prompt")]
    pub prompts: Option<PathBuf>,

    /// What one result is like.
    #[command(flatten)]
    pub one: One,
    /// The model and its graphs.
    #[command(flatten)]
    pub running: RunningArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What their files carry.
    #[command(flatten)]
    pub carried: CarriedArgs,
    /// Looks at what is not ready yet.
    #[command(flatten)]
    pub preview: PreviewArgs,
    /// What is said.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// What a result starts from, if anything.
#[derive(Debug, Default)]
pub struct Start {
    /// What was given.
    pub init: Option<Media>,
    /// How far to go from it.
    pub strength: Option<f64>,
    /// What of it is made anew.
    pub mask: Option<Mask>,
    /// Frames that are given of a clip.
    pub frames: FramesGiven,
    /// The picture that says what to make, where words do not.
    pub shown: Option<Picture>,
}

/// What one result is like: the flags that a line of `--prompts` may set.
pub trait One: Args + Clone + Serialize + DeserializeOwned {
    /// What is made.
    const MODALITY: Modality;

    /// How it is sampled.
    fn sampling(&self) -> &SamplingArgs;

    /// What it should not be.
    fn negative_prompt(&self) -> Option<&str>;

    /// Guidance scale of a second denoiser.
    fn guidance_scale_2(&self) -> Option<f64> {
        None
    }

    /// Whose voice says it and how.
    fn speech(&self) -> SpeechWanted {
        SpeechWanted::default()
    }

    /// How far the times of a model that speaks are moved.
    fn t_shift(&self) -> Option<f64> {
        None
    }

    /// How large it is.
    ///
    /// # Errors
    /// When a size is none.
    fn size(&self) -> Result<Wanted>;

    /// The file that shows it at a glance, if one is wanted.
    fn look(&self) -> Option<&Path> {
        None
    }

    /// What it starts from.
    ///
    /// # Errors
    /// When a file cannot be read.
    fn start(&self) -> Result<Start>;

    /// How its file is written.
    ///
    /// # Errors
    /// For values that no file can have.
    fn writing(&self) -> Result<Writing> {
        Ok(Writing::default())
    }
}
