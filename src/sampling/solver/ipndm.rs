//! iPNDM: Adams-Bashforth with the weights of even steps, whatever the steps are (Zhang and Chen 2023).

use std::f64::consts::{FRAC_PI_2, PI};

use anyhow::Result;

use super::exponential::{apply, integrate, lagrange};
use super::{History, Level, Method, Noise, Sampler, Seen, Setup, Solver, Value, Walk, Want, keys, lms};
use crate::sampling::Prediction;
use crate::sampling::level::toward;
use crate::sampling::schedule::TABLE_KEYS;
use crate::sampling::steps::{Grid, Step, chain};

pub(super) const METHOD: Method = Method {
    name: "ipndm",
    classes: &["IPNDMScheduler"],
    aliases: &["IPNDMScheduler", "ipndm-4"],
    // On smoothly uneven steps; higher on even ones.
    order: 2,
    paper: "Zhang and Chen 2023, arXiv 2204.13902, section 4; Liu et al. 2022, arXiv 2202.09778",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::RESCALE],
    build,
    ..Method::BASE
};

pub(super) const SECOND: Method = Method { name: "ipndm-2", classes: &[], aliases: &["sample_ipndm_2"], ..METHOD };
pub(super) const THIRD: Method = Method { name: "ipndm-3", classes: &[], aliases: &["sample_ipndm_3"], ..METHOD };

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let order = match setup.name {
        name if name == SECOND.name => 2,
        name if name == THIRD.name => 3,
        _ => 4,
    };
    let own_list = setup.tuning.custom.is_none() && setup.tuning.schedule.is_none();
    if setup.source.class == METHOD.own_class() && own_list {
        return own(setup, order);
    }
    lms::multistep(setup.config, setup.plan(Grid::Points)?, order, even)
}

/// Adams-Bashforth weights of even steps.
fn even(times: &[f64], end: f64) -> Vec<f64> {
    let nodes: Vec<f64> = (0..times.len()).map(|back| -(back as f64)).collect();
    let step = end - times.first().copied().unwrap_or_default();
    (0..nodes.len()).map(|j| step * integrate(0.0, 1.0, |u| lagrange(&nodes, j, u))).collect()
}

/// The class's own schedule (Crowson's for v-diffusion), which starts at pure noise.
fn own(setup: &Setup<'_>, order: usize) -> Result<Sampler> {
    let steps = setup.steps;
    setup.config.require("trained_betas", &Value::Null, "the class has noise levels of its own")?;
    let level = |i: usize| {
        let sigma = ((1.0 - i as f64 / steps as f64) * FRAC_PI_2).sin().powi(2);
        let alpha = (1.0 - sigma * sigma).max(0.0).sqrt();
        Level { t: sigma.atan2(alpha) / PI * 2.0, alpha, sigma }
    };
    let levels: Vec<Level> = (0..steps).map(level).chain([Level::CLEAN]).collect();
    let steps = setup.late(chain(&levels))?;
    Sampler::walking(setup.config, steps, 1.0, |walk| Own { walk, noises: History::new(order) })
}

struct Own {
    walk: Walk,
    noises: History,
}

impl Solver for Own {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, _: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        if self.walk.steps.len() == 1 {
            toward(x, clean, at, to);
            return self.walk.next();
        }
        Prediction::Epsilon.from_clean(clean, x, at);
        self.noises.push(clean);
        // From pure noise the reference loses the estimate against a guarded division: the first step
        // only scales the noise, and a single one would leave nothing.
        let keep = if at.alpha < 1e-8 { 0.0 } else { to.alpha / at.alpha };
        let pull = to.sigma - keep * at.sigma;
        let nodes: Vec<f64> = vec![0.0; self.noises.len()];
        let weights: Vec<f64> = even(&nodes, 1.0).iter().map(|weight| pull * weight).collect();
        apply(x, keep, &weights, &self.noises);
        self.walk.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn even_weights_are_adams_and_bashforths() {
        let known: [&[f64]; 4] = [
            &[1.0],
            &[1.5, -0.5],
            &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
            &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0],
        ];
        for want in known {
            let got = even(&vec![3.0; want.len()], 5.0);
            assert!(got.iter().zip(want).all(|(g, w)| (g - 2.0 * w).abs() < 1e-12), "{got:?} {want:?}");
        }
    }
}
