//! What the methods make of a perfect network: their laws, enumerated, against what they draw (chi-squared tests with
//! fixed seeds), and the limits in which they are exact.

mod confident;
mod limits;
mod masked;
mod scrambled;

use std::collections::{BTreeMap, HashMap};

use super::exact::{Exact, Joint};
use super::{Canvas, Choice, Cut, Method, Plan, Survival, Tokens, bound};
use crate::engine::{Engine, Event, Job};
use crate::sampling::{Noise, RequestId};

const PLAIN: Choice = Choice { temperature: 1.0, top_k: None, top_p: None };

fn plan(joint: &Joint, name: &str, steps: Option<usize>, knobs: &[(&str, f64)]) -> Plan {
    let knobs = knobs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let method = Method::find(name).unwrap();
    Plan { method, facts: joint.facts(), choice: PLAIN, steps, cut: Cut::Whole, knobs, ends: Vec::new() }
}

/// Settles one canvas on the engine.
fn run(joint: &Joint, plan: &Plan, seed: u64) -> (Canvas, usize) {
    let mut noise = Noise::numpy_generator(seed);
    let canvas = joint.canvas(&mut noise);
    let solver = plan.ready(&canvas).unwrap().machine;
    let mut engine: Engine<_, Tokens> = Engine::new(Exact { joint, evaluations: 0 });
    engine.admit(Job { request: RequestId(seed), x: canvas, solver, noise });
    let mut result = None;
    for _ in 0..2000 {
        engine.turn(|event| {
            if let Event::Ended { latent, .. } = event {
                result = Some(latent.unwrap());
            }
        });
        if let Some(canvas) = result.take() {
            assert_eq!(canvas.open(0..canvas.len()).count(), 0, "{} left places open", plan.method.name);
            return (canvas, engine.into_denoiser().evaluations);
        }
    }
    panic!("{} does not come to an end", plan.method.name);
}

/// How often each text is drawn.
fn counts(joint: &Joint, plan: &Plan, rounds: u64) -> Vec<f64> {
    let mut counts = vec![0.0; joint.table.len()];
    (0..rounds).for_each(|seed| counts[joint.index(run(joint, plan, seed).0.tokens())] += 1.0);
    counts
}

/// Pearson's statistic in deviations from its mean; cells of small expectation are put together.
fn deviations(counts: &[f64], law: &[f64]) -> f64 {
    let rounds: f64 = counts.iter().sum();
    let (mut chi2, mut cells, mut rest) = (0.0, 0.0, (0.0, 0.0));
    for (count, p) in counts.iter().zip(law) {
        let expected = p * rounds;
        assert!(expected > 0.0 || *count == 0.0, "what cannot be was drawn");
        if expected < 8.0 {
            rest = (rest.0 + count, rest.1 + expected);
        } else {
            chi2 += (count - expected).powi(2) / expected;
            cells += 1.0;
        }
    }
    if rest.1 > 8.0 {
        chi2 += (rest.0 - rest.1).powi(2) / rest.1;
        cells += 1.0;
    }
    let freedom: f64 = cells - 1.0;
    assert!(freedom > 10.0, "too few cells to test anything");
    (chi2 - freedom) / (2.0 * freedom).sqrt()
}

#[track_caller]
fn follows(joint: &Joint, plan: &Plan, law: &[f64], rounds: u64) {
    assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-6, "the law of {} is none", plan.method.name);
    let off = deviations(&counts(joint, plan, rounds), law);
    assert!(off < 4.0, "{} is {off:.1} deviations off", plan.method.name);
}

fn masked() -> Joint {
    Joint::tangled(3, 4, false)
}

/// What each place becomes in one step: `(token, chance)`.
type Step = Vec<Vec<(u32, f64)>>;

/// A step, given the state before, its number and its two times.
type Moves<'a> = dyn Fn(&[u32], usize, f64, f64) -> Step + 'a;

/// The law of a chain whose places move independently in each step, over a grid of times.
fn chain_law(joint: &Joint, start: HashMap<Vec<u32>, f64>, grid: &[f64], moves: &Moves<'_>) -> Vec<f64> {
    let mut law = start;
    for (i, pair) in grid.windows(2).enumerate() {
        let mut next = HashMap::new();
        for (state, p) in law {
            let mut branches = vec![(Vec::new(), p)];
            for place in moves(&state, i, pair[0], pair[1]) {
                let grow = |(text, p): (Vec<u32>, f64)| {
                    let step = |(token, q): &(u32, f64)| ([text.clone(), vec![*token]].concat(), p * q);
                    place.iter().filter(|(_, q)| *q > 0.0).map(step).collect::<Vec<_>>()
                };
                branches = branches.into_iter().flat_map(grow).collect();
            }
            branches.into_iter().for_each(|(text, p)| *next.entry(text).or_insert(0.0) += p);
        }
        law = next;
    }
    let mut table = vec![0.0; joint.table.len()];
    law.iter().for_each(|(text, p)| table[joint.index(text)] += p);
    table
}

fn grid(steps: usize, end: f64) -> Vec<f64> {
    (0..=steps).map(|i| 1.0 - (1.0 - end) * i as f64 / steps as f64).collect()
}

fn total_variation(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
}
