//! What methods that choose their own levels share: how far they may go on a limited number of steps, and what an error is.

/// The steps that a run may still try. The last quarter is a reserve that reaches the end, whatever the tolerance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    left: usize,
    reserve: usize,
}

impl Budget {
    pub(super) fn new(steps: usize) -> Self {
        Self { left: steps, reserve: steps.div_ceil(4) }
    }

    /// Takes one step off.
    pub(super) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// Whether no further step can be tried.
    pub(super) fn is_last(self) -> bool {
        self.left <= 1
    }

    /// The least that a step may have so that the steps left cover `rest`; nothing before the reserve.
    pub(super) fn least(self, rest: f64) -> f64 {
        if self.left > self.reserve { 0.0 } else { rest / self.left.max(1) as f64 }
    }
}

/// Root mean square of errors over what is allowed: above 1 a step is not good enough.
pub(super) fn root_mean_square(errors: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (sum, count) = errors.fold((0.0, 0usize), |(sum, n), (off, allowed)| (sum + (off / allowed).powi(2), n + 1));
    (sum / count.max(1) as f64).sqrt()
}
