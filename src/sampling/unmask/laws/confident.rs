//! Methods that settle what the network is surest of.

use super::masked::all_masked;
use super::*;

/// Which of the candidates `(place, token, probability, entropy)` a method settles.
type Rule<'a> = dyn Fn(Vec<(usize, u32, f64, f64)>, usize) -> Vec<(usize, u32)> + 'a;

/// The law of a method that looks at one candidate for each open place and settles some of them.
fn parallel_law(joint: &Joint, rule: &Rule<'_>) -> (Vec<f64>, usize) {
    let mut table = vec![0.0; joint.table.len()];
    let (mut law, mut steps) = (all_masked(joint), 0);
    while !law.is_empty() {
        let mut next = HashMap::new();
        for (state, p) in law {
            let posterior = joint.posterior(&state, 0.0);
            let mut branches = vec![(Vec::new(), p)];
            for place in (0..joint.length).filter(|i| state[*i] == joint.mask()) {
                let entropy: f64 = posterior[place].iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
                let own = |t: usize| (place, t as u32, posterior[place][t], entropy);
                let grow = |(found, p): (Vec<_>, f64)| {
                    let with = |t: usize| ([found.clone(), vec![own(t)]].concat(), p * own(t).2);
                    (0..joint.tokens).filter(|t| own(*t).2 > 0.0).map(with).collect::<Vec<_>>()
                };
                branches = branches.into_iter().flat_map(grow).collect();
            }
            for (found, p) in branches {
                let mut after = state.clone();
                rule(found, steps).into_iter().for_each(|(place, token)| after[place] = token);
                match after.contains(&joint.mask()) {
                    true => *next.entry(after).or_insert(0.0) += p,
                    false => table[joint.index(&after)] += p,
                }
            }
        }
        (law, steps) = (next, steps + 1);
    }
    (table, steps)
}

fn falling(mut found: Vec<(usize, u32, f64, f64)>) -> Vec<(usize, u32, f64, f64)> {
    // What was computed as f32 logits is compared as such, so that equals stay equal.
    found.sort_by(|a, b| (b.2 as f32).total_cmp(&(a.2 as f32)));
    found
}

#[test]
fn confident_methods_follow_their_rules() {
    let joint = masked();
    let quota = |found, _| falling(found).into_iter().take(2).map(|c| (c.0, c.1)).collect();
    follows(&joint, &plan(&joint, "llada", Some(2), &[]), &parallel_law(&joint, &quota).0, 20_000);
    let sure = |found, _| {
        let (sorted, enough) = (falling(found), |c: &(usize, u32, f64, f64)| c.2 >= 0.6);
        let count = sorted.iter().take_while(|c| enough(c)).count().max(1);
        sorted.into_iter().take(count).map(|c| (c.0, c.1)).collect()
    };
    follows(&joint, &plan(&joint, "threshold", None, &[("threshold", 0.6)]), &parallel_law(&joint, &sure).0, 20_000);
    let factor = |found, _| {
        let sorted = falling(found);
        let within = |(i, c): (usize, &(usize, u32, f64, f64))| (i + 2) as f64 * (1.0 - c.2) < 1.2;
        let count = sorted.iter().enumerate().take_while(|pair| within(*pair)).count().max(1);
        sorted.into_iter().take(count).map(|c| (c.0, c.1)).collect()
    };
    let case = plan(&joint, "threshold-factor", None, &[("factor", 1.2)]);
    follows(&joint, &case, &parallel_law(&joint, &factor).0, 20_000);
}

#[test]
fn spaced_tokens_are_never_neighbours() {
    let joint = masked();
    for (gap, most) in [(0, 2), (1, 2), (1, 9), (2, 9)] {
        let rule = |mut found: Vec<(usize, u32, f64, f64)>, _| {
            found.sort_by(|a, b| (a.3 as f32).total_cmp(&(b.3 as f32)));
            let mut chosen: Vec<(usize, u32)> = Vec::new();
            for (place, token, ..) in found {
                if chosen.len() < most && chosen.iter().all(|c| c.0.abs_diff(place) > gap) {
                    chosen.push((place, token));
                }
            }
            chosen
        };
        let knobs = [("gap", gap as f64), ("most", most as f64)];
        follows(&joint, &plan(&joint, "spaced", None, &knobs), &parallel_law(&joint, &rule).0, 20_000);
    }
}

#[test]
fn the_entropy_bound_bounds_the_divergence() {
    let joint = masked();
    for limit in [0.3, 0.8] {
        let rule = |mut found: Vec<(usize, u32, f64, f64)>, _| {
            found.sort_by(|a, b| (a.3 as f32).total_cmp(&(b.3 as f32)));
            let mut before = 0.0;
            let within = |c: &(usize, u32, f64, f64)| {
                let fits = before <= limit;
                before += c.3;
                fits
            };
            found.into_iter().take_while(within).map(|c| (c.0, c.1)).collect()
        };
        let (law, steps) = parallel_law(&joint, &rule);
        follows(&joint, &plan(&joint, "entropy-bound", None, &[("bound", limit)]), &law, 20_000);
        let divergence: f64 =
            joint.table.iter().zip(&law).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum();
        assert!(divergence <= limit * steps as f64, "{divergence} nats at a bound of {limit} in {steps} steps");
    }
}

#[test]
fn edits_replace_what_the_network_no_longer_believes() {
    let joint = masked();
    let edit = |threshold| {
        let knobs = [("editing-threshold", threshold), ("threshold", 0.0)];
        Plan { choice: Choice::GREEDY, ..plan(&joint, "block-refinement", Some(4), &knobs) }
    };
    // The first step settles every place at its marginal's mode; edits then make each agree with the others.
    let (plain, fixed) = (run(&joint, &edit(0.0), 1).0, run(&joint, &edit(0.5), 1).0);
    let p = |canvas: &Canvas| joint.table[joint.index(canvas.tokens())];
    assert_eq!(run(&joint, &edit(0.0), 1).1, 1);
    assert!(p(&fixed) >= p(&plain));
}
