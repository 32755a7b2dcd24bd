//! What a run tells while it goes on, and what comes of it.

use std::time::Duration;

use anyhow::{Error, Result};
use edrun_modalities::image::Picture;

use crate::sampling::Latent;

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A stage begins.
    Stage(&'static str),
    /// Part of a prompt was cut off because the text encoder reads no further.
    Cut {
        /// Which ask.
        ask: usize,
        /// The text that has no effect.
        text: &'a str,
    },
    /// A picture's sampling went on.
    Step {
        /// Which ask.
        ask: usize,
        /// Which of its pictures.
        index: usize,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A picture is ready, and the receiver's to keep.
    Image(Image),
    /// A picture is ready and kept in the [`Outcome`].
    Finished(&'a Image),
    /// A picture failed alone.
    Failed {
        /// Which ask.
        ask: usize,
        /// Which of its pictures.
        index: usize,
        /// Why.
        error: Error,
    },
    /// Something worth knowing that did not stop the run.
    Note(&'a str),
}

/// Receives progress. An error stops the run.
pub type Tell<'t> = dyn FnMut(Progress<'_>) -> Result<()> + 't;

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Image {
    /// Which ask, from 0.
    pub ask: usize,
    /// Which of the ask's pictures, from 0.
    pub index: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// The picture.
    pub picture: Picture,
    /// Its latents before decoding, `[channels, height, width]`.
    pub latents: Latent,
}

/// What came of one ask.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Pictures that were finished, in order.
    pub images: Vec<Image>,
    /// Pictures that failed alone: index and reason.
    pub failures: Vec<(usize, Error)>,
    /// Where the time went.
    pub times: Times,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Loading graphs.
    pub load: Duration,
    /// Encoding prompts.
    pub encode: Duration,
    /// The denoising loop, graph included; without decoding.
    pub sample: Duration,
    /// The denoiser's graph alone.
    pub graph: Duration,
    /// Runs of the denoiser's graph.
    pub graph_runs: usize,
    /// Decoding latents.
    pub decode: Duration,
}
