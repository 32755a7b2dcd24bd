//! Fresh noise of SDE solvers, as increments between two levels.

use std::sync::Arc;

use super::{Draw, Latent, Level, Noise};
use crate::sampling::latent::values_mut;
use crate::sampling::noise::Brownian;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule};

/// Unit noise for the steps of a run: draws of the request's stream, or increments of one Brownian path
/// over the model's noise scale, which is the same however many steps there are.
#[derive(Clone, Debug)]
pub(super) struct Increments {
    draw: Draw,
    schedule: Arc<dyn NoiseSchedule>,
    /// The ends of the path, if there is one.
    span: Option<(f64, f64)>,
    path: Option<Brownian>,
    /// Keys the path instead of the request's stream (config key `noise_sampler_seed`).
    seed: Option<u64>,
}

impl Increments {
    /// Independent draws.
    pub(super) fn drawn(plan: &Plan) -> Self {
        Self { draw: Draw::new(), schedule: plan.schedule.clone(), span: None, path: None, seed: None }
    }

    /// Increments of a path over the model's whole range, and the run's where it goes beyond.
    pub(super) fn brownian(plan: &Plan, seed: Option<u64>) -> Self {
        let time = |level| Clock::read(&*plan.schedule, level).time;
        let times = plan.steps.iter().flat_map(|step| [time(step.at), time(step.to)]).filter(|time| *time > 0.0);
        let span = times.fold(plan.schedule.sigmas(), |(low, high), time| (low.min(time), high.max(time)));
        Self { span: Some(span).filter(|span| span.0 > 0.0 && span.1.is_finite()), seed, ..Self::drawn(plan) }
    }

    /// Standard normal noise for moving between two levels, of the shape of `like`.
    pub(super) fn unit(&mut self, from: Level, to: Level, like: &Latent, noise: &mut Noise) -> &Latent {
        let Some((low, high)) = self.span else { return self.draw.normal(like, noise) };
        let time = |level| Clock::read(&*self.schedule, level).time;
        let (from, to) = (time(from), time(to));
        let mut own = self.seed.map(Noise::torch);
        let stream = own.as_mut().unwrap_or(noise);
        let path = self.path.get_or_insert_with(|| Brownian::new(stream, low, high, like.shape()));
        if self.draw.0.shape() != like.shape() {
            self.draw.0 = Latent::zeros(like.raw_dim());
        }
        let values = values_mut(&mut self.draw.0);
        path.increment(from, to, values);
        let scale = (from - to).abs().sqrt().recip() as f32;
        values.iter_mut().for_each(|value| *value *= scale);
        &self.draw.0
    }
}
