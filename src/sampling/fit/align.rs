//! Moving the noise scales of a list to where it errs least, one at a time (Sabour et al. 2024,
//! section 3.3: one-dimensional searches, then twice as many scales).

use anyhow::{Result, bail};

use crate::sampling::steps::log_linear;

/// How long to search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Search {
    /// Times that every scale is moved at most, before and after each doubling.
    pub sweeps: usize,
    /// Costs taken for each move, besides two.
    pub probes: usize,
    /// Move of the logarithm of a scale below which a sweep was the last.
    pub tolerance: f64,
}

impl Default for Search {
    fn default() -> Self {
        Self { sweeps: 20, probes: 10, tolerance: 1e-3 }
    }
}

/// The additive cost of a step between two noise scales.
pub type Cost<'a> = dyn FnMut(f64, f64) -> Result<f64> + 'a;

/// Moves the inner `knots` of a falling list of noise scales to where the sum of the costs of its
/// steps is smallest, then doubles the steps and moves again, `doublings` times.
///
/// # Errors
/// When the list does not fall, and whatever the cost gives.
pub fn align(knots: &[f64], doublings: usize, search: &Search, cost: &mut Cost<'_>) -> Result<Vec<f64>> {
    let falls = knots.windows(2).all(|pair| pair[0] > pair[1]) && knots.last().is_some_and(|last| *last > 0.0);
    if knots.len() < 2 || !falls {
        bail!("noise scales to align must go down and stay above 0; there must be at least two");
    }
    let mut knots = knots.to_vec();
    settle(&mut knots, search, cost)?;
    for _ in 0..doublings {
        knots = log_linear(&knots, 2 * knots.len() - 1);
        settle(&mut knots, search, cost)?;
    }
    Ok(knots)
}

/// The sum that [`align`] makes small.
///
/// # Errors
/// Whatever the cost gives.
pub fn total(knots: &[f64], cost: &mut Cost<'_>) -> Result<f64> {
    knots.windows(2).map(|pair| cost(pair[0], pair[1])).sum()
}

fn settle(knots: &mut [f64], search: &Search, cost: &mut Cost<'_>) -> Result<()> {
    for _ in 0..search.sweeps {
        let mut moved: f64 = 0.0;
        for i in 1..knots.len() - 1 {
            let best = between(knots[i - 1], knots[i + 1], search.probes, cost)?;
            moved = moved.max((best / knots[i]).ln().abs());
            knots[i] = best;
        }
        if moved < search.tolerance {
            break;
        }
    }
    Ok(())
}

/// The best place between two neighbours, by golden sections of the logarithm.
fn between(noisy: f64, clean: f64, probes: usize, cost: &mut Cost<'_>) -> Result<f64> {
    const SECTION: f64 = 0.618_033_988_749_894_8;
    let mut at = |place: f64| -> Result<f64> { Ok(cost(noisy, place.exp())? + cost(place.exp(), clean)?) };
    let (mut low, mut high) = (clean.ln(), noisy.ln());
    let section = |low: f64, high: f64| low + SECTION * (high - low);
    let (mut left, mut right) = (section(high, low), section(low, high));
    let (mut left_cost, mut right_cost) = (at(left)?, at(right)?);
    for _ in 0..probes {
        if left_cost < right_cost {
            (high, right, right_cost) = (right, left, left_cost);
            left = section(high, low);
            left_cost = at(left)?;
        } else {
            (low, left, left_cost) = (left, right, right_cost);
            right = section(low, high);
            right_cost = at(right)?;
        }
    }
    Ok(if left_cost < right_cost { left } else { right }.exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::fit::gaussian;
    use crate::sampling::level::toward_coefficients;
    use crate::sampling::schedule::NoiseSchedule;
    use crate::sampling::steps::{Span, StepList};
    use crate::sampling::{Latent, Level, Noise, RequestId, Row};

    /// What Euler's method loses of the spread of unit Gaussian data in a step, in nats.
    fn lost(from: f64, to: f64) -> Result<f64> {
        Ok(-(from.atan() - to.atan()).cos().ln())
    }

    fn closed_form(count: usize, high: f64, low: f64) -> Vec<f64> {
        let schedule = gaussian::schedule();
        let (low, high) = (low / (1.0 + low), high / (1.0 + high));
        let list = StepList::find("kl-optimal").unwrap();
        let sigmas = (list.sigmas)(&Span { schedule: &schedule, low, high, steps: count });
        sigmas.iter().map(|sigma| schedule.at_sigma(*sigma).ratio()).collect()
    }

    #[test]
    fn the_search_finds_the_closed_form_of_gaussian_data() {
        let (high, low): (f64, f64) = (80.0, 0.01);
        let search = Search { sweeps: 400, probes: 30, tolerance: 1e-7 };
        for (start, doublings) in [(2, 2), (4, 1), (9, 0)] {
            let knots: Vec<f64> = (0..start).map(|i| high * (low / high).powf(i as f64 / (start - 1) as f64)).collect();
            let got = align(&knots, doublings, &search, &mut lost).unwrap();
            let want = closed_form(got.len(), high, low);
            let off = got.iter().zip(&want).map(|(g, w)| (g / w).ln().abs()).fold(0.0, f64::max);
            assert!(off < 1e-3, "{got:?} is not {want:?}");
        }
    }

    #[test]
    fn equal_angles_attain_the_best_spread_and_no_other_list_does() {
        let list = closed_form(11, 20.0, 0.02);
        let angle = (20f64.atan() - 0.02f64.atan()) / 10.0;
        let spread = |list: &[f64]| (-total(list, &mut lost).unwrap()).exp();
        assert!((spread(&list) - angle.cos().powi(10)).abs() < 1e-9);
        for i in 1..10 {
            let mut other = list.clone();
            other[i] *= 1.02;
            assert!(spread(&other) < spread(&list));
        }
    }

    /// The same by steps of the library's own move, on a denoiser.
    #[test]
    fn eulers_method_keeps_the_spread_that_the_angles_say() {
        let (schedule, mut denoise) = (gaussian::schedule(), gaussian::denoiser(1.0));
        let levels: Vec<Level> =
            closed_form(11, 20.0, 0.02).iter().map(|r| schedule.at_half_log_snr(-r.ln())).collect();
        let mut x = Noise::torch(1).normal(&[16]);
        let first = x.clone();
        for pair in levels.windows(2) {
            let mut clean = Latent::zeros(x.raw_dim());
            let row = Row::new(RequestId(0), crate::sampling::Branch::Positive, &x, pair[0]);
            denoise(&row, &mut clean);
            let (keep, pull) = toward_coefficients(pair[0], pair[1]);
            x = &x * keep as f32 + &clean * pull as f32;
        }
        let deviation = |level: Level| (level.alpha.powi(2) + level.sigma.powi(2)).sqrt();
        let angle = (20f64.atan() - 0.02f64.atan()) / 10.0;
        let want = angle.cos().powi(10) * deviation(levels[10]) / deviation(levels[0]);
        let got = f64::from(x[0] / first[0]);
        assert!((got / want - 1.0).abs() < 1e-5, "{got} is not {want}");
    }

    #[test]
    fn lists_that_do_not_fall_are_refused() {
        for knots in [vec![1.0], vec![1.0, 2.0], vec![1.0, 0.0], vec![1.0, 1.0, 0.5]] {
            assert!(align(&knots, 1, &Search::default(), &mut lost).is_err());
        }
    }
}
