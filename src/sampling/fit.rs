//! Finding step lists for a model by measuring it, instead of choosing one by name.
//!
//! Three ways, all without gradients: [`watson`] picks the timesteps that keep a variational bound
//! smallest, [`gits`] those whose straight steps leave a fine trajectory least, and [`align`] moves
//! noise scales to where [`Klub`] says a list errs least (Align Your Steps). Lists run from the
//! noisiest level on, without the clean end; [`NoiseSchedule::sigma`] of their levels is what
//! `--sigmas` takes.

mod align;
mod gits;
mod klub;
mod path;
mod watson;

use anyhow::{Result, bail};

use super::latent::{combine, values};
use super::schedule::NoiseSchedule;
use super::{Branch, Denoiser, Latent, Level, Noise, RequestId, Row};

pub use align::{Search, align, total};
pub use gits::{Trajectory, gits};
pub use klub::Klub;
pub use path::best_path;
pub use watson::{errors, watson};

/// What a fit measures.
pub struct Subject<'a> {
    /// The model, guided and cached as it will be used.
    pub denoiser: &'a mut dyn Denoiser,
    /// The schedule it was trained on.
    pub schedule: &'a dyn NoiseSchedule,
    /// Under whose conditioning it is asked.
    pub request: RequestId,
}

impl Subject<'_> {
    /// The clean estimates of states.
    ///
    /// # Errors
    /// Whatever stops the evaluation.
    pub fn estimates(&mut self, states: &[(Latent, Level)]) -> Result<Vec<Latent>> {
        let mut clean: Vec<Latent> = states.iter().map(|(x, _)| Latent::zeros(x.raw_dim())).collect();
        let row = |(x, level)| Row::new(self.request, Branch::Positive, x, level);
        let rows: Vec<Row<'_>> = states.iter().map(|(x, level)| row((x, *level))).collect();
        self.denoiser.denoise(&rows, &mut clean)?;
        Ok(clean)
    }

    /// The level with a noise-to-signal ratio, which [`Klub`] counts in.
    pub fn at_ratio(&self, ratio: f64) -> Level {
        self.schedule.at_half_log_snr(-ratio.ln())
    }
}

/// `clean` with noise of its own at a level.
fn noised(clean: &Latent, level: Level, noise: &mut Noise) -> Latent {
    let mut x = noise.normal(clean.shape());
    combine(&mut x, level.sigma, &[(level.alpha, clean)]);
    x
}

/// Mean square of the difference, over elements.
fn distance(a: &Latent, b: &Latent) -> f64 {
    let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
    values(a).iter().zip(values(b)).map(square).sum::<f64>() / a.len().max(1) as f64
}

/// Refuses levels that no path can run over.
fn check_levels(levels: &[Level]) -> Result<()> {
    let falls = |pair: &[Level]| matches!(pair, [a, b] if a.half_log_snr() < b.half_log_snr());
    if levels.len() < 2 || levels.iter().any(|level| level.is_clean()) || !levels.windows(2).all(falls) {
        bail!("a step list is fitted over two or more noise levels, each cleaner than the one before, none clean");
    }
    Ok(())
}

/// Denoisers of Gaussian data, which every measure has a closed form for.
#[cfg(test)]
mod gaussian {
    use super::*;
    use crate::sampling::config::Source;
    use crate::sampling::schedule::Flow;

    /// A flow: its levels reach every ratio.
    pub fn schedule() -> Flow {
        Flow::from_source(&Source { class: "FlowMatch".into(), keys: Default::default() }, None).unwrap().0
    }

    /// The exact estimate for independent data of standard deviation `c`.
    pub fn denoiser(c: f64) -> impl FnMut(&Row<'_>, &mut Latent) {
        move |row, clean| {
            let Level { alpha, sigma, .. } = row.level;
            clean.fill(0.0);
            combine(clean, 0.0, &[(alpha * c * c / (alpha * alpha * c * c + sigma * sigma), row.x)]);
        }
    }

    /// Samples of that data.
    pub fn samples(c: f64, count: usize) -> Vec<Latent> {
        let mut noise = Noise::torch(11);
        (0..count).map(|_| noise.normal(&[2048]) * c as f32).collect()
    }
}
