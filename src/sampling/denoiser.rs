//! The question a sampler asks, and whoever can answer it.

use std::fmt::Debug;

use anyhow::Result;

use super::latent::values;
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

/// What is denoised: fields of numbers ([`Continuous`]) or tokens ([`Tokens`](super::unmask::Tokens)).
pub trait Space: Copy + Debug + 'static {
    /// A request's state.
    type State: Debug;
    /// Where a state is looked at: its noise level, and what belongs to the question.
    type Level: Copy + Debug;
    /// A clean estimate.
    type Clean: Debug;

    /// Room for an estimate of a state.
    fn room(x: &Self::State) -> Self::Clean;

    /// Number of elements of a state.
    fn size(x: &Self::State) -> usize;

    /// Whether an estimate can be worked with.
    fn is_sound(clean: &Self::Clean) -> bool;
}

/// Fields of numbers: pictures, sounds, clips, shapes.
#[derive(Clone, Copy, Debug)]
pub struct Continuous;

impl Space for Continuous {
    type State = Latent;
    type Level = Level;
    type Clean = Latent;

    fn room(x: &Latent) -> Latent {
        Latent::zeros(x.raw_dim())
    }

    fn size(x: &Latent) -> usize {
        x.len()
    }

    /// All values are finite. A sum is not when any element is not, and one pass without branches is cheap.
    fn is_sound(clean: &Latent) -> bool {
        values(clean).iter().map(|v| v * 0.0).sum::<f32>() == 0.0
    }
}

/// One question: what is the clean signal behind `x`, seen at `level`?
///
/// Rows of one call may differ in request, branch and level.
#[derive(Debug)]
pub struct Row<'a, S: Space = Continuous> {
    /// Whose state this is.
    pub request: RequestId,
    /// Under which conditioning.
    pub branch: Branch,
    /// The noisy state.
    pub x: &'a S::State,
    /// Its noise level.
    pub level: S::Level,
    /// Frames of the request that come before the state, which is a part of it where it is seen in windows.
    pub before: usize,
}

impl<'a, S: Space> Row<'a, S> {
    /// A question about a whole state.
    pub fn new(request: RequestId, branch: Branch, x: &'a S::State, level: S::Level) -> Self {
        Self { request, branch, x, level, before: 0 }
    }
}

// Derived, these would ask that the state itself be `Copy`.
impl<S: Space> Clone for Row<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Space> Copy for Row<'_, S> {}

/// Answers rows with clean estimates. Networks, guidance and caches all have this shape.
pub trait Denoiser<S: Space = Continuous> {
    /// Writes the clean estimate of `rows[i]` into `clean[i]`, which has the shape of `rows[i].x`.
    ///
    /// # Errors
    /// Whatever stops the evaluation (a failed graph run, a cancellation).
    fn denoise(&mut self, rows: &[Row<'_, S>], clean: &mut [S::Clean]) -> Result<()>;

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
