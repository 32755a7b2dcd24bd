//! Limits in which methods agree, the bound of a text, and what is refused.

use super::*;

#[test]
fn limits_in_which_methods_agree() {
    let joint = masked();
    let greedy =
        |name: &str, steps, knobs: &[(&str, f64)]| Plan { choice: Choice::GREEDY, ..plan(&joint, name, steps, knobs) };
    let text = |plan: &Plan| run(&joint, plan, 3).0.tokens().to_vec();
    let one = greedy("llada", Some(4), &[]);
    let above_one = greedy("threshold", None, &[("threshold", 1.5)]);
    assert_eq!((text(&one), run(&joint, &above_one, 3).1), (text(&above_one), 4));
    let whole = Plan { cut: Cut::Free(4), ..one.clone() };
    assert_eq!(text(&one), text(&whole));
    // Blocks of one token: greedy from left to right.
    let mut seen = vec![joint.mask(); 4];
    for place in 0..4 {
        let p = &joint.posterior(&seen, 0.0)[place];
        seen[place] = (0..3).max_by(|a, b| p[*a].total_cmp(&p[*b])).unwrap() as u32;
    }
    for cut in [Cut::Free(1), Cut::Aligned(1)] {
        assert_eq!(text(&Plan { cut, ..one.clone() }), seen);
        assert_eq!(text(&Plan { cut, ..greedy("block-refinement", None, &[]) }), seen);
    }
    assert_eq!(
        text(&greedy("block-refinement", Some(4), &[("threshold", 2.0)])),
        text(&greedy("maskgit-plus", Some(4), &[])).to_vec()
    );
}

#[test]
fn the_bound_of_a_perfect_network_is_the_likelihood() {
    let joint = masked();
    let facts = joint.facts();
    let mut noise = Noise::torch(5);
    let (mut off, mut count) = (0.0, 0.0);
    for (index, p) in joint.table.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        let mut model = Exact { joint: &joint, evaluations: 0 };
        let found = bound(&mut model, &facts, &joint.text(index), &[true; 4], 256, 16, &mut noise).unwrap();
        assert!(found.tokens == 4 && found.draws == 256 && model.evaluations == 256);
        off += ((found.nats + p.ln()) / found.error).powi(2);
        count += 1.0;
    }
    // Stratified draws make the error an overestimate, so the mean square may be well below 1.
    assert!(count > 40.0 && off / count < 1.3 && off / count > 0.1, "{}", off / count);
}

#[test]
fn given_tokens_are_not_counted() {
    let joint = masked();
    let mut noise = Noise::torch(6);
    let index = joint.table.iter().position(|p| *p > 0.0).unwrap();
    let text = joint.text(index);
    let mut seen = vec![joint.mask(); 4];
    seen[..3].copy_from_slice(&text[..3]);
    let want = -joint.posterior(&seen, 0.0)[3][text[3] as usize].ln();
    let mut model = Exact { joint: &joint, evaluations: 0 };
    let counts = [false, false, false, true];
    let found = bound(&mut model, &joint.facts(), &text, &counts, 4, 4, &mut noise).unwrap();
    assert!((found.nats - want).abs() < 1e-5 && found.error < 1e-6 && found.tokens == 1);
}

#[test]
fn what_cannot_be_honoured_names_its_flag() {
    let joint = masked();
    let base = plan(&joint, "mdlm", Some(3), &[]);
    let cases = [
        (Plan { steps: Some(0), ..base.clone() }, "--steps"),
        (Plan { method: Method::find("threshold").unwrap(), ..base.clone() }, "--steps"),
        (Plan { cut: Cut::Free(0), ..base.clone() }, "--block-length"),
        (Plan { knobs: BTreeMap::from([("sparkle".into(), 1.0)]), ..base.clone() }, "sparkle"),
        (Plan { choice: Choice { temperature: -1.0, ..PLAIN }, ..base }, "--temperature"),
    ];
    for (plan, flag) in cases {
        assert!(plan.check().unwrap_err().to_string().contains(flag), "{flag}");
    }
    let knobs = [("corrector-steps", 1.0)];
    let canvas = joint.canvas(&mut Noise::torch(1));
    let error = plan(&joint, "d3pm", Some(3), &knobs).ready(&canvas).err().unwrap();
    assert!(error.to_string().contains("corrector-steps"), "{error}");
    assert!(Survival::parse("x", 0.0, (0.0, 1.0)).is_err());
}

#[test]
fn a_run_ends_at_an_end_token_and_blocks_see_what_they_may() {
    let joint = masked();
    let ends = |ends: Vec<u32>| Plan { ends, cut: Cut::Free(1), ..plan(&joint, "llada", None, &[]) };
    let mut noise = Noise::torch(2);
    let canvas = joint.canvas(&mut noise);
    let plan = ends(vec![0, 1, 2]);
    let mut engine: Engine<_, Tokens> = Engine::new(Exact { joint: &joint, evaluations: 0 });
    let solver = plan.ready(&canvas).unwrap().machine;
    engine.admit(Job { request: RequestId(0), x: canvas, solver, noise });
    let mut left = None;
    engine.turn(|event| {
        if let Event::Ended { latent, .. } = event {
            left = Some(latent.unwrap().open(0..4).count());
        }
    });
    assert_eq!(left, Some(3), "any token ends this run, so the first does");

    let canvas = joint.canvas(&mut Noise::torch(1));
    let aligned = Plan { cut: Cut::Aligned(3), ..ends(Vec::new()) };
    let look = aligned.ready(&canvas).unwrap().machine.start();
    assert_eq!((look.span(), look.context), (0..3, 3));
    assert_eq!(aligned.ready(&canvas).unwrap().blocks, 2);
}
