//! The chains of scrambled tokens.

use super::*;

fn scrambled() -> Joint {
    Joint::tangled(3, 4, true)
}

fn all_noise(joint: &Joint) -> HashMap<Vec<u32>, f64> {
    let share = 1.0 / joint.table.len() as f64;
    (0..joint.table.len()).map(|i| (joint.text(i), share)).collect()
}

/// The posterior `q(x_s | x_t, x_0)` of scrambled tokens, straight from Bayes.
fn scrambled_step(joint: &Joint, state: &[u32], at: f64, to: f64) -> Vec<Vec<(u32, f64)>> {
    let (before, after, count) = (1.0 - at, 1.0 - to, joint.tokens as f64);
    let reach = |from: u32, to: u32, alpha: f64| alpha * f64::from(u8::from(from == to)) + (1.0 - alpha) / count;
    let posterior = joint.posterior(state, before);
    let chance = |place: usize, y: u32| -> f64 {
        let given =
            |x0: u32| reach(x0, y, after) * reach(y, state[place], before / after) / reach(x0, state[place], before);
        (0..joint.tokens as u32).map(|x0| posterior[place][x0 as usize] * given(x0)).sum()
    };
    (0..joint.length).map(|place| (0..joint.tokens as u32).map(|y| (y, chance(place, y))).collect()).collect()
}

#[test]
fn scrambled_tokens_follow_the_posterior_and_come_to_the_joint() {
    let joint = scrambled();
    let moves = |state: &[u32], _: usize, at: f64, to: f64| scrambled_step(&joint, state, at, to);
    let law = |steps| chain_law(&joint, all_noise(&joint), &grid(steps, 0.0), &moves);
    follows(&joint, &plan(&joint, "d3pm", Some(3), &[]), &law(3), 20_000);
    let off: Vec<f64> = [4, 16, 64].map(|steps| total_variation(&law(steps), &joint.table)).into();
    assert!(off[1] < off[0] / 2.5 && off[2] < off[1] / 2.5 && off[2] < 0.02, "{off:?}");
}

/// A text with one token replaced.
fn replaced(state: &[u32], place: usize, token: u32) -> Vec<u32> {
    let mut other = state.to_vec();
    other[place] = token;
    other
}

#[test]
fn the_corrector_follows_the_conditionals_and_helps() {
    let joint = scrambled();
    let (steps, sweeps) = (2, 3);
    let times = grid(steps, 0.0);
    // Between the steps of the chain, sweeps that draw one place, any, from its conditional at that noise.
    let correct = |law: HashMap<Vec<u32>, f64>, time: f64| {
        let noisy = joint.noisy(1.0 - time);
        let mut next = HashMap::new();
        for (state, p) in law {
            for place in 0..joint.length {
                let weight = |t: u32| noisy[joint.index(&replaced(&state, place, t))];
                let sum: f64 = (0..joint.tokens as u32).map(weight).sum();
                for t in 0..joint.tokens as u32 {
                    let share = p * weight(t) / sum / joint.length as f64;
                    *next.entry(replaced(&state, place, t)).or_insert(0.0) += share;
                }
            }
        }
        next
    };
    let moves = |state: &[u32], _: usize, at: f64, to: f64| scrambled_step(&joint, state, at, to);
    let table = |law: &HashMap<Vec<u32>, f64>| -> Vec<f64> {
        (0..joint.table.len()).map(|i| law.get(&joint.text(i)).copied().unwrap_or_default()).collect()
    };
    let states =
        |table: Vec<f64>| table.iter().enumerate().map(|(i, p)| (joint.text(i), *p)).collect::<HashMap<_, _>>();
    let mut law = states(chain_law(&joint, all_noise(&joint), &times[..2], &moves));
    (0..sweeps).for_each(|_| law = correct(std::mem::take(&mut law), times[1]));
    let law = chain_law(&joint, states(table(&law)), &times[1..], &moves);
    let knobs = [("corrector-steps", sweeps as f64), ("corrector-selection", 3.0)];
    follows(&joint, &plan(&joint, "d3pm", Some(steps), &knobs), &law, 20_000);
    let plain = chain_law(&joint, all_noise(&joint), &times, &moves);
    let (with, without) = (total_variation(&law, &joint.table), total_variation(&plain, &joint.table));
    assert!(with < without, "{with} {without}");
}

/// Every way of choosing places runs to the end and draws nothing that cannot be.
#[test]
fn all_selections_of_the_corrector_run() {
    let joint = scrambled();
    for selection in 0..4 {
        let knobs = [("corrector-steps", 2.0), ("corrector-k", 2.0), ("corrector-selection", f64::from(selection))];
        let drawn = counts(&joint, &plan(&joint, "d3pm", Some(16), &knobs), 2000);
        let off = total_variation(&drawn.iter().map(|c| c / 2000.0).collect::<Vec<_>>(), &joint.table);
        // Two thousand draws from the joint itself are 0.06 off on the mean.
        assert!(off < 0.2, "selection {selection} is {off} off");
    }
}

#[test]
fn sedd_follows_its_chain_on_scrambled_tokens() {
    let joint = scrambled();
    let mut times = grid(3, 1e-5);
    times.push(0.0);
    let count = joint.tokens as f64;
    for (name, is_euler) in [("sedd-analytic", false), ("sedd-euler", true)] {
        let moves = |state: &[u32], i: usize, at: f64, to: f64| {
            let at = at.min(1.0 - 1e-12);
            let noisy = joint.noisy(1.0 - at);
            let own = noisy[joint.index(state)];
            let place = |place: usize| {
                let s = |y: u32| noisy[joint.index(&replaced(state, place, y))] / own;
                let sum: f64 = (0..joint.tokens as u32).map(s).sum();
                let keep = (1.0 - at) / if i == 3 { 1.0 } else { 1.0 - to };
                let rate = (at - to) / (1.0 - at) / count;
                let chance = |y: u32| match (is_euler && i < 3, y == state[place]) {
                    (true, false) => rate * s(y),
                    (true, true) => (1.0 - rate * (sum - 1.0)).max(0.0),
                    (false, same) => {
                        let back = s(y) / keep + (keep - 1.0) / (count * keep) * sum;
                        (back * (keep * f64::from(u8::from(same)) + (1.0 - keep) / count)).max(0.0)
                    }
                };
                let all: Vec<(u32, f64)> = (0..joint.tokens as u32).map(|y| (y, chance(y))).collect();
                let sum: f64 = all.iter().map(|(_, p)| p).sum();
                all.into_iter().map(|(y, p)| (y, p / sum)).collect()
            };
            (0..joint.length).map(place).collect()
        };
        let law = chain_law(&joint, all_noise(&joint), &times, &moves);
        follows(&joint, &plan(&joint, name, Some(3), &[]), &law, 20_000);
    }
}

#[test]
fn scrambled_methods_end_on_texts_that_can_be() {
    let joint = scrambled();
    for (name, steps, knobs) in [
        ("entropy-bound", None, vec![("most-steps", 24.0), ("t-max", 1.0), ("t-min", 1.0)]),
        ("block-refinement", Some(4), vec![]),
    ] {
        let drawn = counts(&joint, &plan(&joint, name, steps, &knobs), 1000);
        let likely: f64 = drawn.iter().zip(&joint.table).filter(|(_, p)| **p > 0.0).map(|(c, _)| c).sum();
        assert!(likely > 700.0, "{name}: {likely} of 1000 texts are possible");
    }
}
