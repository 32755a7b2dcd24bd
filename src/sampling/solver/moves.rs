//! Moves that several methods are made of.

use super::{Draw, Setup, Walk};
use crate::sampling::latent::combine;
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Clock, NoiseSchedule};
use crate::sampling::solver::{Knob, Want};
use crate::sampling::{Latent, Level, Noise};

/// Carries the state `before` from one time to another along the slope seen at a third, in place:
/// `x` is the state in which `clean` was seen, on return the state carried over. Every model obeys
/// `dX/dtime = (X - clean) / time` on its clock.
pub(super) fn leap(x: &mut Latent, before: &Latent, clean: &Latent, from: Clock, seen: Clock, to: Clock) {
    let length = to.scale * (to.time - from.time) / seen.time;
    combine(x, length / seen.scale, &[(to.scale / from.scale, before), (-length, clean)]);
}

/// Factors `(of the state, of fresh unit noise)` that carry a state up to a noisier level.
pub(super) fn renoise_coefficients(from: Level, to: Level) -> (f64, f64) {
    let keep = to.alpha / from.alpha;
    (keep, (to.sigma.powi(2) - (keep * from.sigma).powi(2)).max(0.0).sqrt())
}

/// Carries a state up to a noisier level with `amount` times the noise that it takes.
pub(super) fn renoise(x: &mut Latent, from: Level, to: Level, amount: f64, fresh: &Latent) {
    let (keep, new) = renoise_coefficients(from, to);
    combine(x, keep, &[(amount * new, fresh)]);
}

/// Splits a target level into the one stepped down to and the noise added afterwards, so that
/// signal and noise end at the target: on a flow the state must also be scaled back up.
pub(super) fn split(from: Level, to: Level, eta: f64) -> (Level, f64) {
    let (high, low) = (from.ratio(), to.ratio());
    let share = if high.is_finite() { 1.0 - (low / high).powi(2) } else { 1.0 };
    let up = (eta * low * share.max(0.0).sqrt()).min(low);
    let down = (low.powi(2) - up.powi(2)).max(0.0).sqrt();
    (Level { sigma: to.alpha * down, ..to }, to.alpha * up)
}

/// Stochastic churn (Karras et al. 2022, algorithm 2): each step begins a little noisier than the
/// last one ended.
///
/// The reference's classes ask the model before they add the noise; here it is asked about the
/// state with the noise in it, as the paper has it.
#[derive(Clone, Debug)]
pub(super) struct Churn {
    noise: f64,
    draw: Draw,
}

const AMOUNT: Knob =
    Knob { name: "s_churn", default: 0.0, range: (0.0, 1e6), help: "noise added back over the whole run" };
const LEAST: Knob =
    Knob { name: "s_tmin", default: 0.0, range: (0.0, 1e6), help: "smallest sigma that s_churn acts at" };
const MOST: Knob = Knob { name: "s_tmax", default: 1e6, range: (0.0, 1e6), help: "largest sigma that s_churn acts at" };
const INFLATION: Knob =
    Knob { name: "s_noise", default: 1.0, range: (0.0, 2.0), help: "scale of the noise that s_churn adds" };

impl Churn {
    /// The knobs of methods that churn.
    pub(super) const KNOBS: &'static [Knob] = &[AMOUNT, LEAST, MOST, INFLATION];

    /// Raises the levels that the steps of a plan begin at, and its start accordingly.
    pub(super) fn raise(setup: &Setup<'_>, plan: &mut Plan) -> Self {
        let (least, most) = (setup.knob(&LEAST), setup.knob(&MOST));
        let share = (setup.knob(&AMOUNT) / plan.steps.len() as f64).min(std::f64::consts::SQRT_2 - 1.0);
        let noise = setup.knob(&INFLATION);
        for (index, step) in plan.steps.iter_mut().enumerate() {
            let sigma = plan.schedule.sigma(step.at);
            if share > 0.0 && (least..=most).contains(&sigma) && step.at.ratio().is_finite() {
                let raised = raised(&*plan.schedule, step.at, 1.0 + share);
                if index == 0 {
                    let (keep, new) = renoise_coefficients(step.at, raised);
                    plan.start_scale = (keep * plan.start_scale).hypot(noise * new);
                }
                step.at = raised;
            }
        }
        Self::with(noise)
    }

    /// Adds `noise` times the noise it takes wherever a step begins noisier than the last ended.
    pub(super) fn with(noise: f64) -> Self {
        Self { noise, draw: Draw::new() }
    }

    /// Ends a step that ended at `ended`, adding the noise that the next one begins with.
    pub(super) fn next(&mut self, walk: &mut Walk, x: &mut Latent, ended: Level, noise: &mut Noise) -> Want {
        let want = walk.next();
        if let Want::Next(level) = want
            && level.ratio() > ended.ratio()
        {
            renoise(x, ended, level, self.noise, self.draw.normal(x, noise));
        }
        want
    }
}

/// The level whose noise-to-signal ratio is a multiple of another's.
pub(super) fn raised(schedule: &dyn NoiseSchedule, level: Level, factor: f64) -> Level {
    schedule.at_half_log_snr(level.half_log_snr() - factor.ln())
}

#[cfg(test)]
mod tests {
    use super::super::closed_form::{Model, Run};
    use super::*;
    use crate::sampling::schedule::Flow;

    #[test]
    fn churn_keeps_the_law_and_none_changes_nothing() {
        for (name, model) in
            [("euler", Model::Table), ("heun", Model::Table), ("euler", Model::Flow), ("heun", Model::Flow)]
        {
            let run = |churn: f64| Run::new(name, model, 120).knob("s_churn", churn).size(8000).finish();
            assert_eq!(run(0.0).x, Run::new(name, model, 120).size(8000).finish().x);
            let churned = run(30.0);
            assert!(churned.error() > 0.05, "{name} {model:?}: nothing was stirred");
            churned.assert_moments(0.03);
        }
    }

    #[test]
    fn renoising_ends_at_the_level() {
        let flow = Flow::from_source(&Default::default(), None).unwrap().0;
        let (from, to) = (flow.at_sigma(0.3), flow.at_sigma(0.8));
        let (keep, new) = renoise_coefficients(from, to);
        assert!((keep * from.alpha - to.alpha).abs() < 1e-12);
        assert!(((keep * from.sigma).hypot(new) - to.sigma).abs() < 1e-12);
        assert!((raised(&flow, from, 1.2).ratio() / from.ratio() - 1.2).abs() < 1e-12);
    }

    #[test]
    fn a_leap_with_the_slope_of_its_start_is_a_step_toward_the_estimate() {
        let flow = Flow::from_source(&Default::default(), None).unwrap().0;
        let (at, to) = (flow.at_sigma(0.9), flow.at_sigma(0.4));
        let (x, clean) = (Latent::from_elem(vec![3], 1.3), Latent::from_elem(vec![3], -0.2));
        let (mut leapt, mut stepped) = (x.clone(), x.clone());
        let (from, end) = (Clock::read(&flow, at), Clock::read(&flow, to));
        leap(&mut leapt, &x, &clean, from, from, end);
        crate::sampling::toward(&mut stepped, &clean, at, to);
        assert!((leapt[[0]] - stepped[[0]]).abs() < 1e-6);
    }
}
