//! What a run tells while it goes on, and what comes of it.

use std::time::Duration;

use anyhow::{Error, Result};

use crate::media::{Extent, Media};
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
    /// A result's sampling went on.
    Step {
        /// Which ask.
        ask: usize,
        /// Which of its results.
        index: usize,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// What a result would be if its sampling ended now; see [`Preview`](super::Preview).
    Preview {
        /// Which ask.
        ask: usize,
        /// Which of its results.
        index: usize,
        /// Steps done.
        done: usize,
        /// The result as it stands.
        media: &'a Media,
    },
    /// A part of a result is ready; only with [`Settings::parts`](super::Settings::parts). The last part comes with
    /// [`Made`](Self::Made).
    Part {
        /// Which ask.
        ask: usize,
        /// Which of its results.
        index: usize,
        /// The part.
        media: &'a Media,
    },
    /// A result is ready, and the receiver's to keep.
    Made(Box<Made>),
    /// A result is ready and kept in the [`Outcome`].
    Kept(&'a Made),
    /// A result failed alone.
    Failed {
        /// Which ask.
        ask: usize,
        /// Which of its results.
        index: usize,
        /// Why.
        error: Error,
    },
    /// Something worth knowing that did not stop the run.
    Note(&'a str),
}

/// Receives progress. An error stops the run.
pub type Tell<'t> = dyn FnMut(Progress<'_>) -> Result<()> + 't;

/// A finished result.
#[derive(Clone, Debug)]
pub struct Made {
    /// Which ask, from 0.
    pub ask: usize,
    /// Which of the ask's results, from 0.
    pub index: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// How large it is.
    pub extent: Extent,
    /// The result; its last part, where others were told before.
    pub media: Media,
    /// Its latent before decoding.
    pub latents: Latent,
}

/// What came of one ask.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Results that were finished, in order.
    pub made: Vec<Made>,
    /// Results that failed alone: index and reason.
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
    /// Looking at results before they are ready.
    pub preview: Duration,
}
