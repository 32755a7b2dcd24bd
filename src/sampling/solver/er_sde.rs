//! ER-SDE-Solver: extended reverse-time SDEs, whose noise is scaled freely (Cui et al. 2023).

use anyhow::Result;

use super::dpmpp_sde::S_NOISE;
use super::exponential::{apply, integrate, usable};
use super::increments::Increments;
use super::{History, Knob, Level, Method, Noise, Sampler, Seen, Setup, Solver, Walk, Want};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::steps::{Grid, Step};

pub(super) const METHOD: Method = Method {
    name: "er-sde",
    aliases: &["ER-SDE-Solver", "sample_er_sde"],
    order: 3,
    stochastic: true,
    knobs: &[ORDER, S_NOISE],
    paper: "Cui et al. 2023, arXiv 2309.06169, VP ER-SDE-Solver-3 with noise scale SDE-5",
    build,
    ..Method::BASE
};

const ORDER: Knob = Knob { name: "order", default: 3.0, range: (1.0, 3.0), help: "order of the Taylor expansion" };

struct ErSde {
    walk: Walk,
    order: usize,
    s_noise: f64,
    models: History,
    noise: Increments,
}

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    let order = setup.whole(&ORDER)?;
    let plan = setup.plan(Grid::Points)?;
    let noise = Increments::drawn(&plan);
    let Plan { steps, start_scale, .. } = plan;
    let (models, s_noise) = (History::new(order), setup.knob(&S_NOISE));
    Sampler::walking(setup.config, steps, start_scale, |walk| ErSde { walk, order, s_noise, models, noise })
}

/// The noise scale `phi` that the authors found best, over the noise-to-signal ratio.
fn relative_scale(ratio: f64) -> f64 {
    ratio.powf(0.3).exp() + 10.0
}

/// How much of a ratio's noise is kept: `phi(to) / phi(at)`.
fn kept(at: Level, to: Level) -> f64 {
    if at.alpha == 0.0 || to.is_clean() {
        return 0.0;
    }
    let phi = |ratio: f64| ratio * relative_scale(ratio);
    phi(to.ratio()) / phi(at.ratio())
}

impl Solver for ErSde {
    fn start(&self) -> Level {
        self.walk.start()
    }

    fn advance(&mut self, Seen { x, clean, .. }: Seen<'_>, noise: &mut Noise) -> Want {
        let Step { at, to } = self.walk.step();
        self.models.push(clean);
        let kept = kept(at, to);
        let keep = if kept == 0.0 { 0.0 } else { to.alpha / at.alpha * kept };
        apply(x, keep, &self.weights(at, to, kept), &self.models);
        if !to.is_clean() {
            let old = if kept == 0.0 { 0.0 } else { at.ratio() * kept };
            let fresh = to.alpha * (to.ratio().powi(2) - old * old).max(0.0).sqrt();
            combine(x, 1.0, &[(self.s_noise * fresh, self.noise.unit(at, to, clean, noise))]);
        }
        self.walk.next()
    }
}

impl ErSde {
    /// Coefficients of the estimates, newest first.
    fn weights(&self, at: Level, to: Level, kept: f64) -> Vec<f64> {
        let value = to.alpha * (1.0 - kept);
        let count = usable(&self.walk, self.order.min(self.models.len()));
        let ratios: Vec<f64> =
            (0..count).filter_map(|back| self.walk.before(back)).map(|step| step.at.ratio()).collect();
        let moment = |power| to.alpha * moment(at.ratio(), to.ratio(), power);
        match ratios.as_slice() {
            [now, one] => {
                let slope = moment(1) / (now - one);
                vec![value + slope, -slope]
            }
            [now, one, two] => {
                let bend = 2.0 * moment(2) / (now - two);
                let (of_new, of_old) = ((moment(1) + bend) / (now - one), bend / (one - two));
                vec![value + of_new, -of_new - of_old, of_old]
            }
            _ => vec![value],
        }
    }
}

/// What a unit derivative of the estimate by the ratio, first or second, adds over a step.
fn moment(at: f64, to: f64, power: i32) -> f64 {
    let phi = to * relative_scale(to);
    let integrand = |log: f64| (log.exp() - at).powi(power - 1) / relative_scale(log.exp());
    let taylor = (to - at).powi(power) / f64::from(power);
    taylor + phi * integrate(to.ln(), at.ln(), integrand)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authors sum 100 rectangles.
    #[test]
    fn integrals_are_what_the_authors_sum() {
        let (at, to) = (9.0, 4.0);
        let phi = |ratio: f64| ratio * relative_scale(ratio);
        for power in [1, 2] {
            let width = (at - to) / 100_000.0;
            let points = (0..100_000).map(|i| to + (f64::from(i) + 0.5) * width);
            let sum: f64 = points.map(|ratio| (ratio - at).powi(power - 1) / phi(ratio) * width).sum();
            let want = (to - at).powi(power) / f64::from(power) + phi(to) * sum;
            assert!((moment(at, to, power) - want).abs() < 1e-8, "{power}");
        }
    }
}
