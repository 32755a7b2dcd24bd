//! Step lists that are curves between a largest and a smallest noise scale.

use statrs::function::beta::inv_beta_reg;

use super::{Span, lerp};

/// Evenly spaced in `sigma^(1/rho)` (Karras et al. 2022, eq. 5).
pub(super) fn karras(span: &Span<'_>, rho: f64) -> Vec<f64> {
    let root = |sigma: f64| sigma.powf(1.0 / rho);
    curve(span, |i| lerp(root(span.high), root(span.low), i, span.steps).powf(rho))
}

/// Evenly spaced in the logarithm.
pub(super) fn exponential(span: &Span<'_>) -> Vec<f64> {
    polyexponential(span, 1.0)
}

/// The logarithm as a power of the step (k-diffusion, `get_sigmas_polyexponential`).
pub(super) fn polyexponential(span: &Span<'_>, rho: f64) -> Vec<f64> {
    let (low, high) = (span.low.ln(), span.high.ln());
    curve(span, |i| (low + (high - low) * lerp(1.0, 0.0, i, span.steps).powf(rho)).exp())
}

/// Quantiles of a beta distribution with both shapes 0.6 (Lee et al. 2024).
pub(super) fn beta(span: &Span<'_>) -> Vec<f64> {
    curve(span, |i| span.low + (span.high - span.low) * inv_beta_reg(0.6, 0.6, 1.0 - lerp(0.0, 1.0, i, span.steps)))
}

/// The first half of the steps as far apart as those of a thousand would be, the rest on a parabola
/// that goes on smoothly (Movie Gen, section 3.4.2; Mochi's threshold of 0.025).
pub(super) fn linear_quadratic(span: &Span<'_>) -> Vec<f64> {
    const THRESHOLD: f64 = 0.025;
    let (half, rest) = ((span.steps / 2) as f64, (span.steps - span.steps / 2) as f64);
    if half == 0.0 {
        return vec![span.high; span.steps];
    }
    let slope = THRESHOLD / half;
    // The parabola reaches 1 after the last step.
    let bend = (1.0 - THRESHOLD - slope * rest) / (rest * rest);
    let done = |i: f64| slope * i + bend * (i - half).max(0.0).powi(2);
    curve(span, |i| span.high * (1.0 - done(i as f64)))
}

fn curve(span: &Span<'_>, at: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..span.steps).map(at).collect()
}
