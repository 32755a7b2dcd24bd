//! BFN-Solver: multistep solvers of the diffusions behind Bayesian flow networks (Xue et al. 2024).
//!
//! On a Bayesian flow's own levels they are exponential integrators: of first order DDIM's step as an ODE and the
//! network's own sampler as an SDE, of second order those of DPM-Solver++. Where the data are classes the second order
//! is a line in time rather than in the half log-SNR.

use anyhow::{Result, bail};

use super::exponential::Integral;
use super::increments::Increments;
use super::intervals::fixed;
use super::multistep::{self, Multistep, Rule};
use super::{Knob, Level, Method, Sampler, Setup, keys};
use crate::sampling::config::{Defaults, Value};
use crate::sampling::plan::Plan;
use crate::sampling::schedule::{Bayesian, Kind, NoiseSchedule, TABLE_KEYS};
use crate::sampling::steps::Grid;

pub(super) const METHOD: Method = Method {
    name: "bfn",
    classes: &[Bayesian::CLASS],
    aliases: &["bfn-solver"],
    order: 2,
    takes_eta: true,
    knobs: &[ORDER],
    paper: "Xue et al. 2024, arXiv 2404.15766; eta 0 is its ODE, 1 its SDE",
    defaults: &[TABLE_KEYS, keys::POINTS, keys::CLIP, KEYS],
    build,
    ..Method::BASE
};

/// The authors limit the clean estimates of pictures.
const KEYS: Defaults = &[("clip_sample", Value::Bool(true))];

const ORDER: Knob = Knob { name: "order", default: 2.0, range: (1.0, 2.0), help: "order of the solver" };

fn build(setup: &Setup<'_>) -> Result<Sampler> {
    if Kind::of(setup.source) != Kind::Bayesian {
        bail!(
            "--sampler bfn is not defined on this model, which is no Bayesian flow network (scheduler class {}); its \
             steps on other diffusions are those of dpmpp-2m and, with noise, dpmpp-2m-sde",
            Bayesian::CLASS
        );
    }
    let order = setup.whole(&ORDER)?;
    let flow = Bayesian::from_source(setup.source)?;
    let rule = if flow.is_discrete() { in_time(flow) } else { multistep::dpm(true) };
    let integral = Integral { of_noise: false, excess: setup.tuning.eta.unwrap_or(0.0) };
    let plan = setup.plan(Grid::Points)?;
    let noise = Increments::drawn(&plan);
    let Plan { steps, start_scale, .. } = plan;
    // Pictures lie in -1..1, one of K classes at K - 1.
    let keys = [("clip_sample", Value::Bool(false))];
    let unlimited = flow.is_discrete() && !setup.source.keys.contains_key("clip_sample");
    let (_, config) = fixed(setup, &METHOD, if unlimited { &keys } else { &[] });
    Sampler::walking(&config, steps, start_scale, |walk| Multistep::new(walk, integral, order, rule).noisy(noise, 1.0))
}

/// The second order where the data are classes.
fn in_time(flow: Bayesian) -> Rule {
    Box::new(move |integral, nodes, at, to| {
        let total = integral.total(at, to);
        let [_, before] = nodes else { return vec![total] };
        let passed = at.t - flow.at_half_log_snr(*before).t;
        // Exactly for the SDE, with the midpoint's value for the ODE, as published.
        let slope = match integral.excess > 0.0 {
            true => time_moment(integral, at, to) / passed,
            false => total / 2.0 * (to.t - at.t) / passed,
        };
        vec![total + slope, -slope]
    })
}

/// The integral over a step of the estimate's weight and the time since its beginning: `beta` grows with the square of time.
fn time_moment(integral: Integral, at: Level, to: Level) -> f64 {
    let rate = 1.0 + integral.excess;
    // The weight at time t is to.alpha times the derivative of (t / to.t)^rate.
    let passed = (at.t / to.t).powf(rate);
    to.alpha * (rate / (rate + 1.0) * (to.t - at.t * passed) - at.t * (1.0 - passed))
}

#[cfg(test)]
mod tests {
    use super::super::{Seen, Want};
    use super::*;
    use crate::sampling::config::Source;
    use crate::sampling::solver::Tuning;
    use crate::sampling::{Latent, Noise};

    fn source(keys: &[(&str, f64)]) -> Source {
        let mut source = Source { class: Bayesian::CLASS.into(), ..Source::default() };
        keys.iter().for_each(|(key, value)| source.set(key, Value::Number(*value)));
        source
    }

    /// What `steps` steps of the method make of a state of one element, with a model that is a line in the state.
    fn run(
        source: &Source,
        steps: usize,
        order: f64,
        eta: f64,
        noise: &mut Noise,
        states: &mut Vec<(f64, f64)>,
    ) -> f64 {
        let mut tuning = Tuning { eta: Some(eta), ..Tuning::default() };
        tuning.knobs.insert("order".into(), order);
        let mut solver = METHOD.prepare(source, steps, &tuning).unwrap().solver;
        let mut level = solver.start();
        let mut x = Latent::from_elem(vec![1], (0.4 * level.sigma) as f32);
        loop {
            let clean = 0.3 - 0.2 * f64::from(x[[0]]);
            states.push((f64::from(x[[0]]), clean));
            let mut clean = Latent::from_elem(vec![1], clean as f32);
            match solver.advance(Seen { x: &mut x, clean: &mut clean, extra: None }, noise) {
                Want::Next(next) | Want::Probe(next) => level = next,
                Want::Done => return level.t,
            }
        }
    }

    /// The paper's own formulas, in its time and letters.
    #[test]
    fn steps_on_continuous_data_are_the_papers() {
        let (flow, steps) = (Bayesian::continuous(0.001), 6);
        let levels = flow.spread(steps);
        for (order, eta) in [(1.0, 0.0), (2.0, 0.0), (1.0, 1.0), (2.0, 1.0)] {
            let mut states = Vec::new();
            run(&source(&[]), steps, order, eta, &mut Noise::torch(2), &mut states);
            let mut noise = Noise::torch(2);
            for i in 0..steps - 1 {
                let (s, t) = (levels[i], levels[i + 1]);
                let h = t.half_log_snr() - s.half_log_snr();
                let (x, clean) = states[i];
                let bend = match order {
                    2.0 if i > 0 => {
                        (clean - states[i - 1].1) * h / (s.half_log_snr() - levels[i - 1].half_log_snr()) / 2.0
                    }
                    _ => 0.0,
                };
                let rate = 1.0 + eta;
                let z = if eta > 0.0 { f64::from(noise.normal(&[1])[[0]]) } else { 0.0 };
                let want = t.sigma / s.sigma * (-eta * h).exp() * x
                    + t.alpha * (1.0 - (-rate * h).exp()) * (clean + bend)
                    + t.sigma * (1.0 - (-2.0 * eta * h).exp()).sqrt() * z;
                assert!((states[i + 1].0 - want).abs() < 1e-6, "{order} {eta} {i}: {} {want}", states[i + 1].0);
            }
        }
    }

    #[test]
    fn steps_on_classes_are_the_papers() {
        let (k, b, steps) = (27.0, 0.75, 6);
        let levels = Bayesian::classes(27, b).spread(steps);
        // Reverse time of the paper, where 0 is known and 1 is not.
        let time = |i: usize| 1.0 - levels[i].t;
        let beta = |t: f64| (b * (1.0 - t)).powi(2);
        for (order, eta) in [(1.0, 0.0), (2.0, 0.0), (1.0, 1.0), (2.0, 1.0)] {
            let mut states = Vec::new();
            run(&source(&[("n_classes", k)]), steps, order, eta, &mut Noise::torch(2), &mut states);
            let mut noise = Noise::torch(2);
            for i in 0..steps - 1 {
                let (s, t) = (time(i), time(i + 1));
                let (x, clean) = states[i];
                // The estimate is K p - 1.
                let p = |clean: f64| (clean + 1.0) / k;
                let slope =
                    if order == 2.0 && i > 0 { (p(clean) - p(states[i - 1].1)) / (s - time(i - 1)) } else { 0.0 };
                let z = if eta > 0.0 { f64::from(noise.normal(&[1])[[0]]) } else { 0.0 };
                let want = if eta > 0.0 {
                    let more = beta(t) - beta(s);
                    x + more * clean
                        + k * b * b / 3.0 * (t - s).powi(2) * (s + 2.0 * t - 3.0) * slope
                        + (k * more).sqrt() * z
                } else {
                    let c = k * b * b * (1.0 - t);
                    (1.0 - t) / (1.0 - s) * x + c / k * (t - s)
                        - c * (t - s) * p(clean)
                        - c * (t - s).powi(2) / 2.0 * slope
                };
                assert!(
                    (states[i + 1].0 - want).abs() < 1e-5 * want.abs().max(1.0),
                    "{order} {eta} {i}: {} {want}",
                    states[i + 1].0
                );
            }
        }
    }

    #[test]
    fn the_last_evaluation_lies_one_step_before_full_knowledge() {
        let mut states = Vec::new();
        let last = run(&source(&[]), 4, 2.0, 0.0, &mut Noise::torch(1), &mut states);
        assert!(states.len() == 4 && (last - (1e-5 + (1.0 - 1e-5) * 0.75)).abs() < 1e-12, "{last}");
    }

    #[test]
    fn other_models_are_refused_with_the_reason() {
        let table = Source { class: "DDIMScheduler".into(), ..Source::default() };
        let error = METHOD.prepare(&table, 4, &Tuning::default()).err().unwrap().to_string();
        assert!(error.contains("bfn") && error.contains("no Bayesian flow") && error.contains("dpmpp-2m"), "{error}");
    }
}
