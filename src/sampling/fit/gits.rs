//! Timesteps by the shape of trajectories (Chen et al. 2024, "geometry-inspired time scheduling",
//! arXiv 2405.11326): one straight step should land near where a fine run does.

use anyhow::Result;

use super::{Subject, best_path, check_levels, distance};
use crate::sampling::level::toward;
use crate::sampling::{Latent, Level};

/// A fine run of Euler's method: its states and the estimates at them.
#[derive(Clone, Debug)]
pub struct Trajectory {
    levels: Vec<Level>,
    states: Vec<Latent>,
    estimates: Vec<Latent>,
}

impl Trajectory {
    /// Runs over `levels` from a state at the first of them.
    ///
    /// # Errors
    /// When the levels do not fall, and whatever stops the evaluation.
    pub fn run(subject: &mut Subject<'_>, levels: &[Level], start: Latent) -> Result<Self> {
        check_levels(levels)?;
        let mut trajectory = Self { levels: levels.to_vec(), states: Vec::new(), estimates: Vec::new() };
        let mut x = start;
        for pair in levels.windows(2) {
            let [from, to] = pair else { continue };
            let state = [(x.clone(), *from)];
            let estimate = subject.estimates(&state)?;
            trajectory.states.extend(state.map(|(x, _)| x));
            estimate.iter().for_each(|clean| toward(&mut x, clean, *from, *to));
            trajectory.estimates.extend(estimate);
        }
        trajectory.states.push(x);
        Ok(trajectory)
    }

    /// How far one straight step misses the run, per element and unit of signal.
    fn miss(&self, from: usize, to: usize) -> f64 {
        let (level, next) = (self.levels[from], self.levels[to]);
        let mut x = self.states[from].clone();
        toward(&mut x, &self.estimates[from], level, next);
        distance(&x, &self.states[to]).sqrt() / next.alpha
    }
}

/// The `steps` of the trajectories' levels whose straight steps miss least in sum, from the first
/// level to the last (the paper's measure `l2`). `weight` is how much a later miss counts against
/// the one before it: 1.15 in the authors' runs.
///
/// # Errors
/// When the trajectories have fewer levels than the steps.
pub fn gits(trajectories: &[Trajectory], steps: usize, weight: f64) -> Result<Vec<Level>> {
    let levels = trajectories.first().map_or(&[][..], |first| &first.levels);
    let cost = |from: usize, to: usize| trajectories.iter().map(|run| run.miss(from, to)).sum();
    let path = best_path(levels.len(), steps.saturating_sub(1), weight, cost)?;
    Ok(path.iter().filter_map(|i| levels.get(*i)).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::fit::gaussian;
    use crate::sampling::schedule::NoiseSchedule;
    use crate::sampling::{Noise, RequestId};

    const C: f64 = 0.5;

    fn run(count: usize) -> Trajectory {
        let (schedule, mut denoiser) = (gaussian::schedule(), gaussian::denoiser(C));
        let levels: Vec<Level> =
            (0..count).map(|i| schedule.at_sigma(0.99 - 0.96 * i as f64 / (count - 1) as f64)).collect();
        let mut subject = Subject { denoiser: &mut denoiser, schedule: &schedule, request: RequestId(1) };
        Trajectory::run(&mut subject, &levels, Noise::torch(5).normal(&[64])).unwrap()
    }

    fn missed(run: &Trajectory, levels: &[Level]) -> f64 {
        let place = |level: &Level| run.levels.iter().position(|l| l == level).unwrap();
        levels.windows(2).map(|pair| run.miss(place(&pair[0]), place(&pair[1]))).sum()
    }

    #[test]
    fn neighbours_are_not_missed_and_the_chosen_levels_miss_less_than_even_ones() {
        let run = run(61);
        assert!((0..60).all(|i| run.miss(i, i + 1) < 1e-6));
        let best = gits(std::slice::from_ref(&run), 7, 1.0).unwrap();
        let even: Vec<Level> = run.levels.iter().copied().step_by(10).collect();
        assert!(missed(&run, &best) < missed(&run, &even));
        assert_eq!(gits(std::slice::from_ref(&run), 61, 1.15).unwrap(), run.levels);
        assert!(gits(&[], 3, 1.0).is_err() && gits(&[run], 62, 1.0).is_err());
    }
}
