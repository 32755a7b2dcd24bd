//! Timesteps by the variational bound (Watson, Ho, Norouzi and Chan 2021, arXiv 2106.03802).
//!
//! With the posterior's own variances a step from `t` to `s` costs
//! `(SNR(s) - SNR(t)) / 2 * E|x0 - D(x_t)|^2` nats, so one measured error a level gives all costs.

use anyhow::{Result, bail};

use super::{Subject, best_path, check_levels, distance, noised};
use crate::sampling::{Latent, Level, Noise};

/// The mean square error of the clean estimate at each level, per element.
///
/// # Errors
/// Whatever stops the evaluation, and when there is no sample to measure on.
pub fn errors(subject: &mut Subject<'_>, samples: &[Latent], levels: &[Level], noise: &mut Noise) -> Result<Vec<f64>> {
    if samples.is_empty() {
        bail!("errors are measured on at least one clean sample");
    }
    levels.iter().map(|level| error(subject, samples, *level, noise)).collect()
}

fn error(subject: &mut Subject<'_>, samples: &[Latent], level: Level, noise: &mut Noise) -> Result<f64> {
    let mut sum = 0.0;
    for sample in samples {
        let estimates = subject.estimates(&[(noised(sample, level, noise), level)])?;
        sum += estimates.iter().map(|estimate| distance(estimate, sample)).sum::<f64>();
    }
    Ok(sum / samples.len() as f64)
}

/// The `steps` of the given levels that keep the bound smallest, from the first to the last of
/// them. `errors` are those of [`errors`].
///
/// # Errors
/// When the levels do not fall, are fewer than the steps, or have not one error each.
pub fn watson(levels: &[Level], errors: &[f64], steps: usize) -> Result<Vec<Level>> {
    check_levels(levels)?;
    if errors.len() != levels.len() {
        bail!("{} levels come with {} measured errors", levels.len(), errors.len());
    }
    let snr = |i: usize| levels.get(i).map_or(f64::NAN, |level| level.ratio().powi(-2));
    let error = |i: usize| errors.get(i).copied().unwrap_or(f64::NAN);
    let cost = |from: usize, to: usize| (snr(to) - snr(from)) / 2.0 * error(from);
    let path = best_path(levels.len(), steps.saturating_sub(1), 1.0, cost)?;
    Ok(path.iter().filter_map(|i| levels.get(*i)).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::RequestId;
    use crate::sampling::fit::gaussian;
    use crate::sampling::schedule::NoiseSchedule;

    const C: f64 = 0.7;

    fn levels(count: usize) -> Vec<Level> {
        let schedule = gaussian::schedule();
        (0..count).map(|i| schedule.at_sigma(0.98 - 0.95 * i as f64 / (count - 1) as f64)).collect()
    }

    /// The posterior variance of Gaussian data.
    fn exact(level: &Level) -> f64 {
        let (a, s) = (level.alpha.powi(2) * C * C, level.sigma.powi(2));
        C * C * s / (a + s)
    }

    #[test]
    fn errors_of_gaussian_data_are_its_posterior_variances() {
        let (schedule, mut denoiser) = (gaussian::schedule(), gaussian::denoiser(C));
        let mut subject = Subject { denoiser: &mut denoiser, schedule: &schedule, request: RequestId(1) };
        let levels = levels(7);
        let errors = errors(&mut subject, &gaussian::samples(C, 8), &levels, &mut Noise::torch(3)).unwrap();
        for (got, level) in errors.iter().zip(&levels) {
            assert!((got / exact(level) - 1.0).abs() < 0.05, "{got} at {level:?}");
        }
        assert!(super::errors(&mut subject, &[], &levels, &mut Noise::torch(3)).is_err());
    }

    /// The divergence that the cost stands for, from the two Gaussians it is between.
    #[test]
    fn the_cost_is_the_divergence_of_the_posteriors() {
        let levels = levels(3);
        let (t, s) = (levels[0], levels[1]);
        let a = t.alpha / s.alpha;
        let beta = t.sigma.powi(2) - (a * s.sigma).powi(2);
        let (pull, variance) = (s.alpha * beta / t.sigma.powi(2), s.sigma.powi(2) * beta / t.sigma.powi(2));
        let divergence = pull.powi(2) * exact(&t) / (2.0 * variance);
        let cost = (s.ratio().powi(-2) - t.ratio().powi(-2)) / 2.0 * exact(&t);
        assert!((cost / divergence - 1.0).abs() < 1e-12);
    }

    #[test]
    fn chosen_levels_beat_even_ones_and_all_steps_take_all_levels() {
        let levels = levels(61);
        let errors: Vec<f64> = levels.iter().map(exact).collect();
        let bound = |levels: &[Level]| -> f64 {
            let cost = |w: &[Level]| (w[1].ratio().powi(-2) - w[0].ratio().powi(-2)) / 2.0 * exact(&w[0]);
            levels.windows(2).map(cost).sum()
        };
        let best = watson(&levels, &errors, 7).unwrap();
        let even: Vec<Level> = levels.iter().copied().step_by(10).collect();
        assert_eq!((best.len(), best[0], best[6]), (7, levels[0], levels[60]));
        assert!(bound(&best) < 0.7 * bound(&even), "{} against {}", bound(&best), bound(&even));
        assert_eq!(watson(&levels, &errors, 61).unwrap(), levels);
    }

    #[test]
    fn bad_input_is_refused() {
        let levels = levels(5);
        let rising: Vec<Level> = levels.iter().rev().copied().collect();
        assert!(watson(&rising, &[1.0; 5], 3).is_err());
        assert!(watson(&levels, &[1.0; 5], 6).is_err() && watson(&levels, &[1.0; 5], 1).is_err());
        assert!(watson(&levels, &[1.0; 2], 3).is_err(), "errors are missing");
    }
}
