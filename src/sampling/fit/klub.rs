//! How far a step list's distribution can be from the model's: the bound of Align Your Steps.

use anyhow::{Result, bail};

use super::{Subject, distance, noised};
use crate::sampling::latent::combine;
use crate::sampling::{Latent, Noise};

/// The bound's share of one step, by Monte Carlo on clean samples (Sabour et al. 2024, section 3):
/// `integral of t^-3 * E|D(x_t, t) - D(x_b, b)|^2 dt` over the noise-to-signal ratios `t` from the
/// step's end `a` to its start `b`, per element.
///
/// Every call draws the same noise, so that costs of neighbouring steps can be compared.
pub struct Klub<'a, 's> {
    /// The model.
    pub subject: Subject<'s>,
    /// What its data look like.
    pub samples: &'a [Latent],
    /// Where the noise starts.
    pub noise: Noise,
    /// Points at which the integral is taken; 8 are enough for lists of ten steps and more.
    pub points: usize,
}

impl Klub<'_, '_> {
    /// The share of a step between two noise-to-signal ratios.
    ///
    /// # Errors
    /// Whatever stops the evaluation, and for ratios that are no step.
    pub fn cost(&mut self, from: f64, to: f64) -> Result<f64> {
        if !(to > 0.0 && from > to && from.is_finite()) {
            bail!("a step from {from} to {to} is none: noise-to-signal ratios must go down and stay above 0");
        }
        if self.samples.is_empty() || self.points == 0 {
            bail!("the bound is measured on at least one clean sample and at one point or more");
        }
        // With points spread evenly in t^-2 the factor t^-3 of the integral is theirs already.
        let (noisy, clean) = (from.powi(-2), to.powi(-2));
        let share = |i: usize| (i as f64 + 0.5) / self.points as f64;
        let ratios: Vec<f64> = (0..self.points).map(|i| (noisy + (clean - noisy) * share(i)).powf(-0.5)).collect();
        let mut noise = self.noise.clone();
        let mut sum = 0.0;
        for sample in self.samples {
            sum += self.spread(sample, from, &ratios, &mut noise)?;
        }
        Ok((clean - noisy) / 2.0 * sum / (self.samples.len() * self.points) as f64)
    }

    /// Sum of the squared distances of the estimates at `ratios` from the one at the step's start,
    /// all on one path of noise.
    fn spread(&mut self, sample: &Latent, from: f64, ratios: &[f64], noise: &mut Noise) -> Result<f64> {
        let level = self.subject.at_ratio(from);
        let start = noised(sample, level, noise);
        let mut states = vec![(start.clone(), level)];
        for ratio in ratios {
            let next = self.subject.at_ratio(*ratio);
            // The bridge between the clean sample and the start.
            let share = (ratio / from).powi(2);
            let bend = (share * (1.0 - share)).sqrt() * from;
            let mut x = noise.normal(sample.shape());
            let kept = share * next.alpha / level.alpha;
            combine(&mut x, bend * next.alpha, &[(kept, &start), (next.alpha * (1.0 - share), sample)]);
            states.push((x, next));
        }
        let estimates = self.subject.estimates(&states)?;
        let [first, rest @ ..] = estimates.as_slice() else { return Ok(0.0) };
        Ok(rest.iter().map(|estimate| distance(first, estimate)).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::RequestId;
    use crate::sampling::fit::{Search, align, gaussian};

    const C: f64 = 0.8;

    /// The bound's share for Gaussian data: the integral of
    /// `c^4 t^-3 (1 / (c^2 + t^2) - 1 / (c^2 + b^2))`.
    fn exact(from: f64, to: f64) -> f64 {
        let c = C * C;
        let inner = |t: f64| (c + t * t).ln() / 2.0 - t.ln() - c / (2.0 * t * t);
        let outer = c * c / (c + from * from) * (to.powi(-2) - from.powi(-2)) / 2.0;
        inner(from) - inner(to) - outer
    }

    fn measured<R>(samples: usize, run: impl FnOnce(&mut Klub<'_, '_>) -> R) -> R {
        let (schedule, mut denoiser) = (gaussian::schedule(), gaussian::denoiser(C));
        let subject = Subject { denoiser: &mut denoiser, schedule: &schedule, request: RequestId(1) };
        let samples = gaussian::samples(C, samples);
        run(&mut Klub { subject, samples: &samples, noise: Noise::torch(9), points: 16 })
    }

    #[test]
    fn shares_of_gaussian_data_are_their_closed_form() {
        measured(8, |klub| {
            for (from, to) in [(20.0, 5.0), (5.0, 1.0), (1.0, 0.3), (0.3, 0.25), (0.1, 0.02)] {
                let got = klub.cost(from, to).unwrap();
                assert!((got / exact(from, to) - 1.0).abs() < 0.05, "{got} is not {} from {from}", exact(from, to));
            }
            assert!(klub.cost(1.0, 2.0).is_err() && klub.cost(1.0, 0.0).is_err());
        });
    }

    #[test]
    fn the_measured_best_place_is_the_exact_one() {
        let knots = [10.0, 1.0, 0.05];
        let search = Search { probes: 14, ..Search::default() };
        let want = align(&knots, 0, &search, &mut |from, to| Ok(exact(from, to))).unwrap();
        let got = measured(4, |klub| align(&knots, 0, &search, &mut |from, to| klub.cost(from, to))).unwrap();
        assert!((got[1] / want[1]).ln().abs() < 0.03, "{got:?} is not {want:?}");
        let sum = |knot: f64| exact(10.0, knot) + exact(knot, 0.05);
        assert!(sum(want[1]) < sum(want[1] * 1.1) && sum(want[1]) < sum(want[1] / 1.1), "a minimum: {want:?}");
    }
}
