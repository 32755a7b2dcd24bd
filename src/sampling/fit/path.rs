//! The cheapest way through a row of places in a given number of jumps (Watson et al. 2021).

use anyhow::{Result, bail};

/// The cheapest way from the first to the last of `places` in exactly `jumps` jumps ahead, as the
/// places visited. `cost(from, to)` adds up; each jump counts `weight` times as much as the one
/// before it, 1 in a plain sum.
///
/// # Errors
/// When there is no such way.
pub fn best_path(places: usize, jumps: usize, weight: f64, cost: impl Fn(usize, usize) -> f64) -> Result<Vec<usize>> {
    if jumps == 0 || jumps >= places {
        bail!("{places} noise levels can be crossed in 1 to {} steps, not in {jumps}", places.saturating_sub(1));
    }
    let costs: Vec<Vec<f64>> = (0..places).map(|from| (0..places).map(|to| jump(from, to, &cost)).collect()).collect();
    let mut left: Vec<f64> = (0..places).map(|from| if from + 1 == places { 0.0 } else { f64::INFINITY }).collect();
    let mut ways = Vec::with_capacity(jumps);
    for _ in 0..jumps {
        let best: Vec<(f64, usize)> = costs.iter().map(|row| cheapest(row, &left, weight)).collect();
        left = best.iter().map(|(cost, _)| *cost).collect();
        ways.push(best);
    }
    if !left.first().is_some_and(|cost| cost.is_finite()) {
        bail!("a step between two noise levels has no finite cost; the model gave values that are not numbers");
    }
    Ok(follow(&ways))
}

fn jump(from: usize, to: usize, cost: impl Fn(usize, usize) -> f64) -> f64 {
    let cost = if from < to { cost(from, to) } else { f64::INFINITY };
    if cost.is_nan() { f64::INFINITY } else { cost }
}

/// The best next place, given what is left to pay from each.
fn cheapest(costs: &[f64], left: &[f64], weight: f64) -> (f64, usize) {
    let sums = costs.iter().zip(left).map(|(cost, left)| cost + weight * left).zip(0..);
    sums.min_by(|(a, _), (b, _)| a.total_cmp(b)).unwrap_or((f64::INFINITY, 0))
}

fn follow(ways: &[Vec<(f64, usize)>]) -> Vec<usize> {
    let mut path = vec![0];
    for way in ways.iter().rev() {
        let here = path.last().copied().unwrap_or_default();
        path.extend(way.get(here).map(|(_, next)| *next));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some irregular costs.
    fn cost(from: usize, to: usize) -> f64 {
        let mixed = (from * 7919 + to * 104_729 + 13) % 101;
        (to - from).pow(2) as f64 + mixed as f64 / 10.0
    }

    fn price(path: &[usize], weight: f64) -> f64 {
        path.windows(2).rev().fold(0.0, |left, pair| cost(pair[0], pair[1]) + weight * left)
    }

    /// Every way from 0 to the last place.
    fn every_path(places: usize, jumps: usize) -> Vec<Vec<usize>> {
        let inner = places - 2;
        let chosen = (0u32..1 << inner).filter(|set| set.count_ones() as usize == jumps - 1);
        let path = |set: u32| {
            let middle = (0..inner).filter(move |i| set & (1 << i) != 0).map(|i| i + 1);
            std::iter::once(0).chain(middle).chain([places - 1]).collect()
        };
        chosen.map(path).collect()
    }

    #[test]
    fn no_other_path_is_cheaper() {
        for places in [2, 3, 6, 11] {
            for jumps in 1..places {
                for weight in [1.0, 1.2] {
                    let best = best_path(places, jumps, weight, cost).unwrap();
                    let all = every_path(places, jumps).into_iter().map(|path| price(&path, weight));
                    let least = all.fold(f64::INFINITY, f64::min);
                    assert!((price(&best, weight) - least).abs() < 1e-9, "{best:?} of {places}");
                    assert_eq!(best.len(), jumps + 1);
                }
            }
        }
    }

    #[test]
    fn as_many_jumps_as_gaps_visit_every_place() {
        assert_eq!(best_path(9, 8, 1.0, cost).unwrap(), (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn impossible_paths_are_refused() {
        for (places, jumps) in [(5, 0), (5, 5), (0, 1)] {
            assert!(best_path(places, jumps, 1.0, cost).is_err());
        }
        let error = best_path(5, 2, 1.0, |_, _| f64::NAN).unwrap_err().to_string();
        assert!(error.contains("not numbers"), "{error}");
    }
}
