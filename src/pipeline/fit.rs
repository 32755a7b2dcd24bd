//! Fitting a step list to a model by measuring it.

use anyhow::{Result, bail};
use edrun_onnx::Cancel;

use super::run::{Company, Ready};
use super::{Ask, Pipeline, Plan, Progress, Tell, Times};
use crate::sampling::fit::{Klub, Search, Subject, Trajectory, align, errors, gits, watson};
use crate::sampling::guidance::ClassifierFree;
use crate::sampling::plan::schedule_of;
use crate::sampling::schedule::NoiseSchedule;
use crate::sampling::{Latent, Level, Noise, RequestId};

/// How a list is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Align Your Steps (Sabour et al. 2024), with its gradient-free search.
    Ays,
    /// Watson's dynamic programme over a variational bound (Watson et al. 2021).
    Watson,
    /// Geometry-inspired time scheduling (Chen et al. 2024).
    Gits,
}

/// Names of the ways to fit, with a line of help each.
pub const FITS: &[(&str, Fit, &str)] = &[
    ("ays", Fit::Ays, "Align Your Steps: a bound on the error of the list's distribution, searched without gradients"),
    ("watson", Fit::Watson, "dynamic programme over the variational bound"),
    ("gits", Fit::Gits, "dynamic programme over how far straight steps miss a fine run"),
];

/// Noise levels that the dynamic programmes choose from.
const LEVELS: usize = 48;

/// The weight of a later miss in `gits`, as in its authors' runs.
const LATER: f64 = 1.15;

impl Pipeline {
    /// Fits `steps` noise scales to the model, for the ask's prompt, size and guidance. The ask's
    /// results are made first, as the samples that errors are measured on. The result is what
    /// `--sigmas` takes.
    ///
    /// # Errors
    /// When the ask cannot be honoured, a component fails, or the run is cancelled.
    pub fn fit(&mut self, ask: &Ask, fit: Fit, steps: usize, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Vec<f64>> {
        if !(2..=LEVELS).contains(&steps) {
            bail!("--fit-steps is {steps}, but a list is fitted to 2 to {LEVELS} steps");
        }
        let plan = self.plan(ask)?;
        if plan.pieces() > 1 {
            bail!("a step list is fitted to one line of speech; give a shorter text");
        }
        let kept = std::mem::replace(&mut self.settings.keep_loaded, true);
        let outcome = self.make(ask, cancel, tell);
        self.settings.keep_loaded = kept;
        let samples: Vec<Latent> = outcome?.made.into_iter().map(|made| made.latents).collect();
        if samples.is_empty() {
            bail!("no sample could be made to measure on");
        }
        tell(Progress::Stage("measuring"))?;
        self.measure(ask, plan, fit, steps, &samples, cancel, tell)
    }

    #[allow(clippy::too_many_arguments, reason = "what a measurement is made of")]
    fn measure(
        &mut self,
        ask: &Ask,
        plan: Plan,
        fit: Fit,
        steps: usize,
        samples: &[Latent],
        cancel: &Cancel,
        tell: &mut Tell<'_>,
    ) -> Result<Vec<f64>> {
        let schedule = schedule_of(&plan.config, plan.method)?;
        let company = Company::of(&plan);
        let mut ready = [Ready::new(0, ask, plan, &company)];
        self.encode(&mut ready, cancel, tell, &mut Times::default())?;
        let [ready] = &ready;
        let request = RequestId(0);
        let mut guided =
            ClassifierFree::new(self.network(std::slice::from_ref(ready), cancel, tell)?, self.recipe.prediction);
        ready.condition(&mut guided, request);
        let subject = Subject { denoiser: &mut guided, schedule: &*schedule, request };
        let levels = match fit {
            Fit::Ays => ays(subject, samples, steps, ask.seed)?,
            Fit::Watson => best_by_bound(subject, samples, steps, ask.seed)?,
            Fit::Gits => best_by_shape(subject, samples, steps, ask.seed)?,
        };
        Ok(levels.into_iter().map(|level| schedule.sigma(level)).collect())
    }
}

/// `count` levels, evenly spaced in the logarithm over what the model knows.
fn grid(schedule: &dyn NoiseSchedule, count: usize) -> Vec<Level> {
    let (low, high) = schedule.sigmas();
    // A flow's pure noise has no signal, so no ratio; start just below.
    let high = if schedule.at_sigma(high).alpha > 0.0 { high } else { high * 0.999 };
    let sigma = |i: usize| high * (low / high).powf(i as f64 / (count - 1) as f64);
    (0..count).map(|i| schedule.at_sigma(sigma(i))).collect()
}

fn ays(subject: Subject<'_>, samples: &[Latent], steps: usize, seed: u64) -> Result<Vec<Level>> {
    let schedule = subject.schedule;
    let start: Vec<f64> = grid(schedule, steps).into_iter().map(Level::ratio).collect();
    let mut klub = Klub { subject, samples, noise: Noise::torch(seed), points: 4 };
    let search = Search { sweeps: 4, probes: 6, ..Search::default() };
    let ratios = align(&start, 0, &search, &mut |from, to| klub.cost(from, to))?;
    Ok(ratios.into_iter().map(|ratio| schedule.at_half_log_snr(-ratio.ln())).collect())
}

fn best_by_bound(mut subject: Subject<'_>, samples: &[Latent], steps: usize, seed: u64) -> Result<Vec<Level>> {
    let levels = grid(subject.schedule, LEVELS);
    let errors = errors(&mut subject, samples, &levels, &mut Noise::torch(seed))?;
    watson(&levels, &errors, steps)
}

fn best_by_shape(mut subject: Subject<'_>, samples: &[Latent], steps: usize, seed: u64) -> Result<Vec<Level>> {
    let levels = grid(subject.schedule, LEVELS);
    let mut noise = Noise::torch(seed);
    let start = levels.first().copied().unwrap_or(Level::CLEAN);
    let mut run = |sample: &Latent| {
        let x = noise.normal(sample.shape()).mapv(|v| v * start.sigma as f32);
        Trajectory::run(&mut subject, &levels, x)
    };
    let trajectories: Vec<Trajectory> = samples.iter().map(&mut run).collect::<Result<_>>()?;
    gits(&trajectories, steps, LATER)
}
