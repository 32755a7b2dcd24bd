//! The chains behind masks.

use super::*;

#[test]
fn one_token_an_evaluation_draws_from_the_joint_in_any_order() {
    let joint = masked();
    let whole = |name: &str, steps, knobs: &[(&str, f64)]| plan(&joint, name, steps, knobs);
    let cases = [
        whole("llada-random", Some(4), &[]),
        whole("first-hitting", None, &[]),
        whole("entropy-bound", None, &[("bound", 0.0)]),
        whole("spaced", None, &[("most", 1.0)]),
        whole("spaced", None, &[("gap", 3.0)]),
        Plan { cut: Cut::Free(1), ..whole("llada", None, &[]) },
        Plan { cut: Cut::Free(1), ..whole("topk-margin", None, &[]) },
        Plan { cut: Cut::Free(2), ..whole("llada-random", None, &[]) },
    ];
    for case in cases {
        follows(&joint, &case, &joint.table, 20_000);
        assert_eq!(run(&joint, &case, 1).1, 4);
    }
}

pub(super) fn all_masked(joint: &Joint) -> HashMap<Vec<u32>, f64> {
    HashMap::from([(vec![joint.mask(); joint.length], 1.0)])
}

/// Steps of the absorbing chain: a masked place is found with chance `found`, a found one masked with chance `hidden`.
fn masking_moves(
    joint: &Joint,
    chances: impl Fn(usize, f64, f64) -> (f64, f64),
) -> impl Fn(&[u32], usize, f64, f64) -> Step {
    move |state, i, at, to| {
        let ((found, hidden), posterior) = (chances(i, at, to), joint.posterior(state, 0.0));
        let place = |(token, p): (&u32, &Vec<f64>)| {
            if *token != joint.mask() {
                return vec![(*token, 1.0 - hidden), (joint.mask(), hidden)];
            }
            let tokens = (0..joint.tokens as u32).map(|t| (t, found * p[t as usize]));
            tokens.chain([(joint.mask(), 1.0 - found)]).collect()
        };
        state.iter().zip(posterior.iter()).map(place).collect()
    }
}

#[test]
fn ancestral_methods_follow_their_chain() {
    let joint = masked();
    let falls = |_: usize, at: f64, to: f64| (if to < 2e-3 { 1.0 } else { 1.0 - to / at }, 0.0);
    let plain = chain_law(&joint, all_masked(&joint), &grid(3, 0.0), &masking_moves(&joint, falls));
    for name in ["mdlm", "d3pm"] {
        follows(&joint, &plan(&joint, name, Some(3), &[]), &plain, 20_000);
    }
    follows(&joint, &plan(&joint, "remdm-cap", Some(3), &[("eta", 0.0)]), &plain, 20_000);
    let dream = chain_law(&joint, all_masked(&joint), &grid(3, 1e-3), &masking_moves(&joint, falls));
    follows(&joint, &plan(&joint, "origin", Some(3), &[]), &dream, 20_000);
}

#[test]
fn sedd_follows_its_chain_behind_masks() {
    let joint = masked();
    let mut times = grid(3, 1e-5);
    times.push(0.0);
    let analytic = |i: usize, at: f64, to: f64| (if i == 3 { 1.0 } else { 1.0 - to / at }, 0.0);
    let law = chain_law(&joint, all_masked(&joint), &times, &masking_moves(&joint, analytic));
    follows(&joint, &plan(&joint, "sedd-analytic", Some(3), &[]), &law, 20_000);
    // On a linear schedule a leap's rate is (t - s) / t, which is the same chance.
    follows(&joint, &plan(&joint, "sedd-euler", Some(3), &[]), &law, 20_000);
}

#[test]
fn remasking_follows_its_chain() {
    let joint = masked();
    let steps = 4;
    type Sigma = fn(f64, f64) -> f64;
    let cases: [(&str, f64, Sigma); 2] =
        [("remdm-cap", 0.3, |most, eta| most.min(eta)), ("remdm-rescale", 0.5, |most, eta| most * eta)];
    for (name, eta, sigma) in cases {
        let chances = |i: usize, at: f64, to: f64| {
            let (before, after) = (1.0 - at, 1.0 - to);
            let most = if before > 0.0 { ((1.0 - after) / before).min(1.0) } else { 1.0 };
            let hidden = if i + 1 == steps { 0.0 } else { sigma(most, eta) };
            let found = if i + 1 == steps { 1.0 } else { (after - (1.0 - hidden) * before) / (1.0 - before) };
            (found, hidden)
        };
        let law = chain_law(&joint, all_masked(&joint), &grid(steps, 0.0), &masking_moves(&joint, chances));
        follows(&joint, &plan(&joint, name, Some(steps), &[("eta", eta)]), &law, 20_000);
    }
}

#[test]
fn a_loop_of_remasking_holds_the_noise() {
    let joint = masked();
    let alpha = |t: f64| match t {
        t if t > 0.55 => (1.0 - t) * 0.9 / 0.45,
        t if t <= 0.05 => 1.0 - t * 0.1 / 0.05,
        _ => 0.9,
    };
    let steps = 8;
    let chances = |i: usize, at: f64, to: f64| {
        let (before, after) = (alpha(at), alpha(to));
        let inside = |t: f64| t <= 0.55 && t > 0.05;
        let hidden = if inside(at) && inside(to) && i + 1 < steps { 0.1 } else { 0.0 };
        let found = if i + 1 == steps { 1.0 } else { (after - (1.0 - hidden) * before) / (1.0 - before) };
        (found, hidden)
    };
    let law = chain_law(&joint, all_masked(&joint), &grid(steps, 0.0), &masking_moves(&joint, chances));
    follows(&joint, &plan(&joint, "remdm-loop", Some(steps), &[("eta", 0.1)]), &law, 20_000);
}

#[test]
fn logits_are_used_again_while_nothing_changed() {
    let joint = masked();
    let many = plan(&joint, "mdlm", Some(200), &[]);
    for seed in 0..50 {
        let (canvas, evaluations) = run(&joint, &many, seed);
        let turns: std::collections::BTreeSet<_> = (0..4).map(|i| canvas.settled(i).unwrap().turn).collect();
        assert_eq!(evaluations, turns.len(), "every evaluation finds something");
    }
    assert!(run(&joint, &plan(&joint, "d3pm", Some(200), &[]), 1).1 > 20);
}
