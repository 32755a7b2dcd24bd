//! Step lists over the times a model was trained at, whatever part of it a run is bounded to.

use statrs::function::beta::inv_beta_reg;

use super::{Span, lerp};

/// Evenly spaced with both ends (k-diffusion, `DiscreteSchedule.get_sigmas`).
pub(super) fn normal(span: &Span<'_>) -> Vec<f64> {
    spread(span, span.steps)
}

/// Evenly spaced, one interval a step: the cleanest time is left to the clean end.
pub(super) fn sgm_uniform(span: &Span<'_>) -> Vec<f64> {
    spread(span, span.steps + 1)
}

fn spread(span: &Span<'_>, points: usize) -> Vec<f64> {
    at_times(span, |i| lerp(last(span), 0.0, i, points))
}

/// Whole times at equal strides down from the noisiest.
pub(super) fn simple(span: &Span<'_>) -> Vec<f64> {
    let stride = span.schedule.training_times() as f64 / span.steps as f64;
    at_times(span, |i| last(span) - whole(i as f64 * stride, stride))
}

/// Whole times at the quantiles of a beta distribution with both shapes 0.6, as long as they differ (Lee et al. 2024).
pub(super) fn beta(span: &Span<'_>) -> Vec<f64> {
    let quantile = |i: usize| inv_beta_reg(0.6, 0.6, 1.0 - i as f64 / span.steps as f64) * last(span);
    // The middle quantile lies between two times but for its last digits.
    let nearest = |i: usize| (quantile(i) + 0.5 + 1e-9).floor();
    let differ = (1..span.steps).all(|i| nearest(i - 1) > nearest(i));
    at_times(span, |i| if differ { nearest(i) } else { quantile(i) })
}

/// Multiples of a whole stride, one time up from the cleanest. Where the stride leaves a
/// remainder, latent-diffusion takes one step more than it is asked for; here the count holds.
pub(super) fn ddim_uniform(span: &Span<'_>) -> Vec<f64> {
    let times = span.schedule.training_times();
    let stride = (times / span.steps).max(1);
    let offset = usize::from(stride * (span.steps - 1) + 1 < times);
    at_times(span, |i| ((span.steps - 1 - i) * stride + offset) as f64)
}

/// A time cut to a whole one, as long as that keeps neighbours `apart`.
pub(super) fn whole(time: f64, apart: f64) -> f64 {
    if apart >= 1.0 { time.floor() } else { time }
}

/// The noisiest training time.
pub(super) fn last(span: &Span<'_>) -> f64 {
    (span.schedule.training_times() - 1) as f64
}

/// The noise scales at the times of each step.
pub(super) fn at_times(span: &Span<'_>, time: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..span.steps).map(|i| span.schedule.training_sigma(time(i))).collect()
}
