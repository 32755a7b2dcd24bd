//! Step lists that are curves between a largest and a smallest noise scale.

use statrs::function::beta::inv_beta_reg;

use super::{Span, lerp};

/// Evenly spaced in `sigma^(1/rho)` with rho 7 (Karras et al. 2022, eq. 5).
pub(super) fn karras(span: &Span<'_>) -> Vec<f64> {
    let root = |sigma: f64| sigma.powf(1.0 / 7.0);
    curve(span, |i| lerp(root(span.high), root(span.low), i, span.steps).powi(7))
}

/// Evenly spaced in the logarithm.
pub(super) fn exponential(span: &Span<'_>) -> Vec<f64> {
    curve(span, |i| lerp(span.high.ln(), span.low.ln(), i, span.steps).exp())
}

/// Quantiles of a beta distribution with both shapes 0.6 (Lee et al. 2024).
pub(super) fn beta(span: &Span<'_>) -> Vec<f64> {
    curve(span, |i| span.low + (span.high - span.low) * inv_beta_reg(0.6, 0.6, 1.0 - lerp(0.0, 1.0, i, span.steps)))
}

fn curve(span: &Span<'_>, at: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..span.steps).map(at).collect()
}
