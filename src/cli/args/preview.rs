//! Flags of looks at what is not ready yet.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::pipeline::{Preview, PreviewBy};

/// Looks at what is not ready yet.
#[derive(Args, Clone, Debug)]
pub struct PreviewArgs {
    /// Show every N steps what would come out, in a file beside the output and in terminals that show pictures
    #[arg(long, value_name = "N", help_heading = "Preview")]
    pub preview_every: Option<usize>,
    /// What makes previews: decoder (as good as the result, and as slow) or linear (coarse and quick)
    #[arg(long, value_name = "NAME", default_value = "decoder", help_heading = "Preview")]
    pub preview_by: String,
    /// Keep previews in this file, or in several by a pattern with {step}, {seed}, {index}, {prompt}
    /// [default: one beside the output, until that is ready]
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "preview_every", help_heading = "Preview")]
    pub preview_output: Option<PathBuf>,
}

/// Names of what makes previews.
const BY: [(&str, PreviewBy); 2] = [("decoder", PreviewBy::Decoder), ("linear", PreviewBy::Linear)];

impl PreviewArgs {
    /// What was typed, as the pipeline takes it.
    ///
    /// # Errors
    /// For numbers and names that mean nothing.
    pub fn wanted(&self) -> Result<Option<Preview>> {
        let Some((_, by)) = BY.iter().find(|(name, _)| *name == self.preview_by) else {
            let known: Vec<_> = BY.iter().map(|(name, _)| *name).collect();
            bail!("--preview-by {:?} is not known; known are {}", self.preview_by, known.join(" and "));
        };
        match self.preview_every {
            Some(0) => bail!("--preview-every is 0, but previews are at least 1 step apart"),
            Some(every) => Ok(Some(Preview { every, by: *by })),
            None => Ok(None),
        }
    }
}
