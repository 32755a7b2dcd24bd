//! The question a sampler asks, and whoever can answer it.

use anyhow::Result;

use super::{Latent, Level};

/// Names a request for as long as it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// Which conditioning a row is asked under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Branch {
    /// The negative (or empty) prompt.
    Negative,
    /// The prompt.
    Positive,
}

/// One question: what is the clean signal behind `x`, seen at `level`?
///
/// Rows of one call may differ in request, branch and level.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Whose state this is.
    pub request: RequestId,
    /// Under which conditioning.
    pub branch: Branch,
    /// The noisy state.
    pub x: &'a Latent,
    /// Its noise level.
    pub level: Level,
}

/// Answers rows with clean estimates. Networks, guidance and caches all have this shape.
pub trait Denoiser {
    /// Writes the clean estimate of `rows[i]` into `clean[i]`, which has the shape of `rows[i].x`.
    ///
    /// # Errors
    /// Whatever stops the evaluation (a failed graph run, a cancellation).
    fn denoise(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()>;

    /// What the network said about a request beyond its prediction when its prompt was last asked for: the channels that
    /// follow, as they are, `[groups * channels, ...]`. A learned variance is one group, the moments of the noise are two.
    fn extra(&self, _request: RequestId) -> Option<&Latent> {
        None
    }

    /// Drops what is kept for a request that has ended.
    fn forget(&mut self, _request: RequestId) {}
}

/// Any function of a row is a denoiser: closed-form models in tests and examples.
impl<F: FnMut(&Row<'_>, &mut Latent)> Denoiser for F {
    fn denoise(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()> {
        rows.iter().zip(clean).for_each(|(row, clean)| self(row, clean));
        Ok(())
    }
}
