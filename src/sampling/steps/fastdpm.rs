//! FastDPM (Kong and Ping 2021, arXiv 2106.00132): short diffusions on a long one's network, by
//! choosing timesteps (STEP) or variances (VAR). Its noise share kappa is a sampler's `--eta`.

use statrs::function::gamma::ln_gamma;

use super::Span;
use super::timed::{at_times, last, whole};

/// Whole times, evenly spaced with both ends.
pub(super) fn step_linear(span: &Span<'_>) -> Vec<f64> {
    let intervals = span.steps.max(2) - 1;
    let stride = last(span) / intervals as f64;
    at_times(span, |i| ((intervals - i) as f64 * stride).floor())
}

/// Squares of evenly spaced numbers up to four fifths of the times; whole ones while that keeps
/// them apart.
pub(super) fn step_quadratic(span: &Span<'_>) -> Vec<f64> {
    let intervals = (span.steps.max(2) - 1) as f64;
    let unit = 0.8 * span.schedule.training_times() as f64 / (intervals * intervals);
    at_times(span, |i| whole(unit * (intervals - i as f64).powi(2), unit))
}

/// How variances grow from the model's smallest one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Growth {
    Linear,
    Quadratic,
}

/// The levels of `steps` variances that start as the model's do and end at the model's last level.
pub(super) fn variances(span: &Span<'_>, growth: Growth) -> Vec<f64> {
    let (low, high) = span.schedule.sigmas();
    let first = power_of_noise(low);
    let at = |slope: f64, i: usize| match growth {
        Growth::Linear => first + slope * i as f64,
        Growth::Quadratic => first * (1.0 + slope * i as f64).powi(2),
    };
    // Steeper growth leaves less signal; at the steepest one nothing is left.
    let steepest = match growth {
        Growth::Linear => 1.0 - first,
        Growth::Quadratic => first.sqrt().recip() - 1.0,
    } / (span.steps.max(2) - 1) as f64;
    let kept = |slope: f64| (0..span.steps).map(|i| (-at(slope, i)).ln_1p()).sum::<f64>();
    let target = (-power_of_noise(high)).ln_1p();
    let slope = bisect(0.0, steepest, |slope| kept(slope) > target);
    let levels = (0..span.steps).scan(0.0, |log, i| {
        *log += (-at(slope, i)).ln_1p();
        Some((-*log).exp_m1().sqrt())
    });
    let mut sigmas: Vec<f64> = levels.collect();
    sigmas.reverse();
    sigmas.first_mut().into_iter().for_each(|noisiest| *noisiest = high);
    sigmas
}

/// `1 - alphas_cumprod` of a noise-to-signal ratio.
fn power_of_noise(ratio: f64) -> f64 {
    ratio * ratio / (1.0 + ratio * ratio)
}

/// Where `below` turns false between two numbers.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        *(if below(middle) { &mut low } else { &mut high }) = middle;
    }
    low
}

/// The noise level of a linear beta schedule at any real time, and the time of any level: FastDPM's
/// bijection, by the gamma function (section 3.1 of the paper).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearBetas {
    /// The first beta.
    pub first: f64,
    /// The last one.
    pub last: f64,
    /// How many there are.
    pub count: usize,
}

impl LinearBetas {
    /// `ln(alphas_cumprod)` after `time` steps, from 0 (no noise) to the number of betas.
    pub fn log_signal(&self, time: f64) -> f64 {
        let step = (self.last - self.first) / (self.count - 1) as f64;
        let start = (1.0 - self.first) / step;
        time * step.ln() + ln_gamma(start + 1.0) - ln_gamma(start - time + 1.0)
    }

    /// The time of a level.
    pub fn time_of(&self, log_signal: f64) -> f64 {
        bisect(0.0, self.count as f64, |time| self.log_signal(time) > log_signal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DDPM: LinearBetas = LinearBetas { first: 0.0001, last: 0.02, count: 1000 };

    #[test]
    fn whole_times_have_the_product_of_their_betas() {
        let mut log = 0.0;
        for i in 0..DDPM.count {
            let beta = DDPM.first + (DDPM.last - DDPM.first) * i as f64 / 999.0;
            log += (-beta).ln_1p();
            assert!((DDPM.log_signal((i + 1) as f64) - log).abs() < 1e-7, "{i}");
        }
    }

    #[test]
    fn levels_and_times_are_a_bijection() {
        for time in [0.5, 1.0, 17.25, 500.0, 733.3, 1000.0] {
            let back = DDPM.time_of(DDPM.log_signal(time));
            assert!((back - time).abs() < 1e-4, "{time} came back as {back}");
        }
    }
}
