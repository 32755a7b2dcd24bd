//! The residual-shifting chain (Yue et al. 2023): the state keeps the square of the noise's share.
//!
//! With the low-resolution picture as origin, ResShift's states are `(1 - eta) * clean + kappa *
//! sqrt(eta) * noise`, a pair of signal and noise as any other ([`Residual`]), and its transition
//! keeps `eta' / eta` of the state. That is defined on every model.
//!
//! [`Residual`]: crate::sampling::schedule::Residual

use anyhow::Result;

use super::{Draw, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::Residual;
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "resshift",
    classes: &[Residual::CLASS],
    aliases: &["residual-shift"],
    stochastic: true,
    paper: "Yue et al. 2023, arXiv 2307.12348, eq. 7",
    defaults: Method::CLIPPED,
    build,
    ..Method::BASE
};

struct ResShift {
    walk: Walk,
    draw: Draw,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let Plan { steps, start_scale, .. } = setup.plan(Grid::Points)?;
    Sampler::walking(setup.config, steps, start_scale, |walk| ResShift { walk, draw: Draw::new() })
}

/// Factors of state, clean estimate and fresh noise.
fn transition(at: Level, to: Level) -> (f64, f64, f64) {
    let share = to.sigma / at.sigma;
    let keep = share * share;
    (keep, to.alpha - keep * at.alpha, to.sigma * (1.0 - keep).max(0.0).sqrt())
}

impl Solver for ResShift {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        let (keep, pull, spread) = transition(at, to);
        combine(x, keep, &[(pull, clean)]);
        if spread > 0.0 {
            self.draw.add(x, spread, noise);
        }
        self.walk.next()
    }
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};
    use super::*;
    use crate::sampling::schedule::NoiseSchedule;

    #[test]
    fn on_its_own_schedule_the_transition_is_the_papers() {
        let schedule = Residual::published();
        for i in 2..=15 {
            let (at, to) = (schedule.level(f64::from(i)), schedule.level(f64::from(i - 1)));
            let (eta, less) = (1.0 - at.alpha, 1.0 - to.alpha);
            let want = (less / eta, (eta - less) / eta, 2.0 * (less * (eta - less) / eta).sqrt());
            let got = transition(at, to);
            assert!((got.0 - want.0).abs() < 1e-12 && (got.1 - want.1).abs() < 1e-12 && (got.2 - want.2).abs() < 1e-12);
        }
    }

    #[test]
    fn the_law_is_kept_on_every_model() {
        for model in [Model::Table, Model::Flow] {
            Run::new("resshift", model, 300).size(8000).finish().assert_moments(0.03);
        }
    }
}
