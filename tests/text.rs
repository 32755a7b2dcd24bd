//! Language models against Python (`data/text_golden.py`): the same tokens in the same order, with the same
//! log-probabilities; and a perfect model (`data/models/joint`), from which one token an evaluation draws exactly.

use std::collections::BTreeMap;

use edrun::pipeline::Settings;
use edrun::pipeline::text::{Prompt, Score, ScoreAsk, Text, TextAsk, TextPipeline, TextProgress};
use edrun_onnx::Cancel;
use serde_json::{Value, json};

fn open(name: &str) -> TextPipeline {
    TextPipeline::open(
        &crate::data("models").join(name),
        Settings { batch: 64, keep_loaded: true, ..Settings::default() },
    )
    .unwrap()
}

fn texts(pipeline: &mut TextPipeline, ask: &TextAsk) -> Vec<Text> {
    let mut texts = Vec::new();
    pipeline
        .text(ask, &Cancel::new(), &mut |progress| {
            match progress {
                TextProgress::Text(text) => texts.push(text),
                TextProgress::Failed { error, .. } => panic!("{error:#}"),
                _ => {}
            }
            Ok(())
        })
        .unwrap();
    texts.sort_by_key(|text| text.index);
    texts
}

fn words(prefix: &str) -> Prompt {
    Prompt::Around { prefix: prefix.to_owned(), suffix: String::new() }
}

fn whole(record: &Value, key: &str) -> Option<usize> {
    record[key].as_u64().map(|n| n as usize)
}

/// The golden records of one model; at least one.
fn records(model: &str) -> Vec<Value> {
    let all = crate::golden("text_golden.json");
    let own: Vec<Value> = all.as_array().unwrap().iter().filter(|r| r["model"] == model).cloned().collect();
    assert!(!own.is_empty(), "no record of {model}");
    own
}

fn check(record: &Value, text: &Text) {
    let ids: Vec<u64> = text.tokens.iter().map(|token| u64::from(token.id)).collect();
    assert_eq!(json!(ids), record["tokens"], "{record}");
    if record["turns"].is_null() {
        return;
    }
    let turns: Vec<usize> = text.tokens.iter().map(|token| token.turn).collect();
    assert_eq!((json!(turns), json!(text.turns)), (record["turns"].clone(), record["evaluations"].clone()), "{record}");
    for (token, want) in text.tokens.iter().zip(record["log_probabilities"].as_array().unwrap()) {
        let off = (f64::from(token.log_probability) - want.as_f64().unwrap()).abs();
        assert!(off < 1e-4, "{off} at place {} of {record}", token.place);
    }
}

#[test]
fn llada_is_decoded_as_its_reference_does() {
    let mut pipeline = open("llada");
    for record in records("llada") {
        let threshold = record["threshold"].as_f64();
        let ask = TextAsk {
            prompt: words(record["prompt"].as_str().unwrap()),
            length: whole(&record, "length"),
            steps: whole(&record, "steps"),
            sampler: Some(if threshold.is_some() { "threshold" } else { "llada" }.into()),
            sampler_options: threshold.into_iter().map(|t| ("threshold".to_owned(), t)).collect(),
            guidance_scale: record["guidance"].as_f64(),
            block_length: whole(&record, "block"),
            kv_cache: record["cache"].as_str().map(str::to_owned),
            ignore_end: true,
            ..TextAsk::default()
        };
        check(&record, &texts(&mut pipeline, &ask)[0]);
    }
}

#[test]
fn dream_is_decoded_as_its_reference_does() {
    let mut pipeline = open("dream");
    for record in records("dream") {
        let ask = TextAsk {
            prompt: words(record["prompt"].as_str().unwrap()),
            length: whole(&record, "length"),
            steps: whole(&record, "steps"),
            sampler: record["order"].as_str().map(str::to_owned),
            top_p: record["top_p"].as_f64(),
            top_k: whole(&record, "top_k"),
            ignore_end: true,
            ..TextAsk::default()
        };
        check(&record, &texts(&mut pipeline, &ask)[0]);
    }
}

#[test]
fn bert_fills_gaps_as_transformers_does() {
    let mut pipeline = open("bert");
    for record in records("bert") {
        let infill = record["text"].as_str().unwrap().replace("[MASK]", "___");
        let ask = TextAsk { prompt: Prompt::Infill(infill), ..TextAsk::default() };
        let ask = TextAsk { steps: None, sampler: Some("threshold".into()), ..ask };
        let knobs = BTreeMap::from([("threshold".to_owned(), 1.5)]);
        let text = &texts(&mut pipeline, &TextAsk { sampler_options: knobs, ..ask })[0];
        check(&record, text);
        assert_eq!(text.text, record["filled"].as_str().unwrap());
    }
}

/// A copy of a model with another configuration.
fn altered(name: &str, change: impl Fn(&mut Value)) -> (tempfile::TempDir, TextPipeline) {
    let dir = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(crate::data("models").join(name)).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let file = dir.path().join("config.json");
    let mut config = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    std::fs::write(&file, config.to_string()).unwrap();
    let pipeline = TextPipeline::open(dir.path(), Settings::default()).unwrap();
    (dir, pipeline)
}

#[test]
fn blocks_are_refined_as_diffusers_does() {
    let (_dir, mut pipeline) = altered("llada", |config| {
        config["model_type"] = "llada2_moe".into();
        config["block_size"] = 4.into();
    });
    for record in records("refinement") {
        let knobs = [("threshold", record["threshold"].as_f64()), ("editing-threshold", record["editing"].as_f64())];
        let knobs = knobs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let ask = TextAsk {
            prompt: words(record["prompt"].as_str().unwrap()),
            length: whole(&record, "length"),
            steps: whole(&record, "steps"),
            sampler_options: knobs.collect(),
            ignore_end: true,
            ..TextAsk::default()
        };
        assert_eq!(pipeline.plan(&ask).unwrap().sampling.method.name, "block-refinement");
        check(&record, &texts(&mut pipeline, &ask)[0]);
    }
}

#[test]
fn block_diffusion_keeps_keys_and_values_as_its_mask_says() {
    for record in records("blocks") {
        let (_dir, mut pipeline) = altered("llada", |config| {
            config["model_type"] = "sdar".into();
            config["block_size"] = record["block"].clone();
        });
        let ask = TextAsk {
            prompt: words(record["prompt"].as_str().unwrap()),
            length: whole(&record, "length"),
            sampler_options: BTreeMap::from([("threshold".to_owned(), record["threshold"].as_f64().unwrap())]),
            ignore_end: true,
            ..TextAsk::default()
        };
        check(&record, &texts(&mut pipeline, &ask)[0]);
    }
}

fn river(sampler: &str, cache: Option<&str>, refresh: Option<usize>) -> TextAsk {
    TextAsk {
        prompt: words("The river runs to the sea"),
        length: Some(24),
        sampler: Some(sampler.into()),
        block_length: Some(8),
        kv_cache: cache.map(str::to_owned),
        kv_refresh: refresh,
        ignore_end: true,
        count: 2,
        ..TextAsk::default()
    }
}

/// A run with everything it cost: texts, runs of the graph, tokens computed.
fn cost(pipeline: &mut TextPipeline, ask: &TextAsk) -> (Vec<Text>, usize, usize) {
    let mut made = Vec::new();
    let times = pipeline
        .text(ask, &Cancel::new(), &mut |progress| {
            if let TextProgress::Text(text) = progress {
                made.push(text);
            }
            Ok(())
        })
        .unwrap();
    made.sort_by_key(|text| text.index);
    (made, times.graph.runs, times.graph.tokens)
}

#[test]
fn keys_and_values_that_are_always_refreshed_change_nothing() {
    let mut pipeline = open("llada");
    for sampler in ["llada", "threshold", "mdlm"] {
        let ask = |cache, refresh| TextAsk { guidance_scale: Some(1.5), ..river(sampler, cache, refresh) };
        let (plain, _, tokens) = cost(&mut pipeline, &ask(None, None));
        for cache in ["prefix", "dual", "delayed"] {
            let (same, _, all) = cost(&mut pipeline, &ask(Some(cache), Some(1)));
            assert_eq!(all, tokens, "{cache} computed everything");
            for (a, b) in plain.iter().flat_map(|t| &t.tokens).zip(same.iter().flat_map(|t| &t.tokens)) {
                assert_eq!((a.place, a.id, a.turn), (b.place, b.id, b.turn), "{sampler} with {cache}");
                assert!((a.log_probability - b.log_probability).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn reuse_computes_what_its_rule_says() {
    let mut pipeline = open("llada");
    let given = pipeline.plan(&river("llada", None, None)).unwrap().document.tokens.len() - 24;
    let all = given + 24;
    let of = |cache, refresh| TextAsk { count: 1, ..river("llada", cache, refresh) };
    let (_, runs, tokens) = cost(&mut pipeline, &of(None, None));
    assert_eq!((runs, tokens), (24, 24 * all));
    // Three blocks of eight evaluations, the first of each in full.
    assert_eq!(cost(&mut pipeline, &of(Some("dual"), None)).2, 3 * (all + 7 * 8));
    assert_eq!(cost(&mut pipeline, &of(Some("prefix"), None)).2, 3 * all + 7 * (24 + 16 + 8));
    assert_eq!(cost(&mut pipeline, &of(Some("dual"), Some(4))).2, 3 * 2 * (all + 3 * 8));
    // What is hidden, and the one token that was found last.
    let delayed: usize = (0..24).map(|i| if i == 0 { all } else { 24 - i + 1 }).sum();
    assert_eq!(cost(&mut pipeline, &of(Some("delayed"), Some(100))).2, delayed);
}

/// Probabilities of all texts of the models `joint`, `ratios` and `scrambled`.
fn law() -> Vec<f64> {
    serde_json::from_value(crate::golden("models/joint/table.json")).unwrap()
}

fn draw(ask: TextAsk) -> TextAsk {
    let (prompt, rng) = (words(""), "numpy-generator".into());
    TextAsk { prompt, length: Some(4), temperature: Some(1.0), rng, ignore_end: true, ..ask }
}

/// How often each text is drawn.
fn counts(model: &str, ask: TextAsk) -> (Vec<f64>, Vec<Text>) {
    let (mut counts, texts) = (vec![0.0; law().len()], texts(&mut open(model), &draw(ask)));
    texts.iter().for_each(|text| counts[text.tokens.iter().fold(0, |at, token| 3 * at + token.id as usize)] += 1.0);
    (counts, texts)
}

/// Pearson's statistic in deviations from its mean.
fn deviations(counts: &[f64]) -> f64 {
    let total: f64 = counts.iter().sum();
    let cells: Vec<(f64, f64)> = counts.iter().copied().zip(law().iter().map(|p| p * total)).collect();
    assert!(cells.iter().all(|(count, expected)| *expected > 0.0 || *count == 0.0), "what cannot be was drawn");
    let large: Vec<_> = cells.iter().filter(|(_, expected)| *expected > 8.0).collect();
    let chi2: f64 = large.iter().map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    let freedom = large.len() as f64 - 1.0;
    (chi2 - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn one_token_an_evaluation_draws_from_the_joint() {
    for (model, sampler, bound, block_length) in [
        ("joint", "llada-random", None, None),
        ("joint", "first-hitting", None, None),
        ("joint", "entropy-bound", Some(0.0), None),
        ("joint", "llada", None, Some(1)),
        ("ratios", "first-hitting", None, None),
        ("ratios", "entropy-bound", Some(0.0), None),
    ] {
        let sampler_options = bound.into_iter().map(|value| ("bound".to_owned(), value)).collect();
        let ask =
            TextAsk { sampler: Some(sampler.into()), sampler_options, block_length, count: 4000, ..TextAsk::default() };
        let (counts, texts) = counts(model, ask);
        assert!(texts.iter().all(|text| text.turns == 4), "{sampler} finds one token an evaluation");
        let off = deviations(&counts);
        assert!(off < 4.0, "{sampler} on {model} is {off:.1} deviations off");
    }
}

#[test]
fn many_small_steps_draw_from_the_joint() {
    let of = |sampler: &str, steps, count| TextAsk {
        sampler: Some(sampler.into()),
        steps: Some(steps),
        count,
        ..TextAsk::default()
    };
    for sampler in ["sedd-analytic", "sedd-euler"] {
        let off = deviations(&counts("ratios", of(sampler, 400, 1500)).0);
        assert!(off < 4.0, "{sampler} is {off:.1} deviations off");
    }
    for sampler in ["d3pm", "sedd-analytic"] {
        let (counts, _) = counts("scrambled", of(sampler, 64, 1500));
        let off = counts.iter().zip(law()).map(|(c, p)| (c / 1500.0 - p).abs()).sum::<f64>() / 2.0;
        // 1500 draws from the joint itself are 0.08 off, and 64 steps 0.01 more.
        assert!(off < 0.11, "{sampler} is {off} off in total variation");
    }
}

#[test]
fn a_text_alone_equals_a_text_in_company() {
    let ask =
        TextAsk { prompt: words("The river runs"), length: Some(12), temperature: Some(1.0), ..TextAsk::default() };
    let ask = TextAsk { sampler: Some("mdlm".into()), steps: Some(5), ignore_end: true, seed: 3, ..ask };
    let together = texts(&mut open("dream"), &TextAsk { count: 3, ..ask.clone() });
    for (i, text) in together.iter().enumerate() {
        let alone = &texts(&mut open("dream"), &TextAsk { seed: 3 + i as u64, ..ask.clone() })[0];
        let ids = |text: &Text| text.tokens.iter().map(|t| (t.id, t.turn)).collect::<Vec<_>>();
        assert_eq!((ids(text), text.seed), (ids(alone), alone.seed));
    }
}

fn score(pipeline: &mut TextPipeline, text: &str, draws: usize) -> Score {
    let ask = ScoreAsk { text: text.to_owned(), draws, window: None, rng: "torch".into(), seed: 1 };
    pipeline.score(&ask, &Cancel::new(), &mut |_| Ok(())).unwrap()
}

#[test]
fn the_score_of_a_perfect_model_is_the_likelihood() {
    let mut pipeline = open("joint");
    let names = ["ab", "c", "d"];
    let (mut off, mut count) = (0.0, 0);
    for (at, p) in law().iter().enumerate().filter(|(_, p)| **p > 0.0) {
        let text: Vec<&str> = (0..4).rev().map(|i| names[at / 3usize.pow(i) % 3]).collect();
        let found = score(&mut pipeline, &text.join(" "), 200);
        assert_eq!((found.windows, found.bound.tokens, found.window), (1, 4, 4));
        off += ((found.bound.nats + p.ln()) / found.bound.error).powi(2);
        count += 1;
    }
    assert!(count > 40 && off / f64::from(count) < 1.4, "{}", off / f64::from(count));
}

#[test]
fn a_folder_says_what_suits_it() {
    let (dir, _) = altered("llada", |_| {});
    let file = dir.path().join("edrun.json");
    std::fs::write(
        &file,
        r#"{"sampler": "entropy-bound", "sampler_options": {"bound": 0.7}, "temperature": 0.5, "length": 9}"#,
    )
    .unwrap();
    let open = || TextPipeline::open(dir.path(), Settings::default());
    let plan = |ask: TextAsk| {
        let plan = open().unwrap().plan(&ask).unwrap();
        let knobs = plan.sampling.knobs.get("bound").copied();
        (plan.sampling.method.name, knobs, plan.sampling.choice.temperature, plan.document.open())
    };
    let of = |sampler: Option<&str>| TextAsk { sampler: sampler.map(str::to_owned), ..TextAsk::default() };
    assert_eq!(plan(of(None)), ("entropy-bound", Some(0.7), 0.5, 9));
    assert_eq!(plan(of(Some("eb"))), ("entropy-bound", Some(0.7), 0.5, 9));
    assert_eq!(plan(of(Some("mdlm"))), ("mdlm", None, 1.0, 9));
    let own = TextAsk { sampler_options: BTreeMap::from([("bound".into(), 0.1)]), temperature: Some(1.0), ..of(None) };
    assert_eq!(plan(TextAsk { length: Some(3), ..own }), ("entropy-bound", Some(0.1), 1.0, 3));
    std::fs::write(&file, r#"{"sparkle": 1}"#).unwrap();
    assert!(format!("{:#}", open().err().unwrap()).contains("sparkle"));
}

#[test]
fn blocks_are_scored_behind_those_before_them() {
    let (_dir, mut pipeline) = altered("llada", |config| {
        config["model_type"] = "sdar".into();
        config["block_size"] = 1.into();
    });
    // Blocks of one token leave nothing to chance: the bound is the model's own likelihood, left to right.
    let found = score(&mut pipeline, "The river runs", 2);
    assert!(found.bound.error < 1e-6 && found.bound.nats > 1.0, "{found:?}");
    let (_dir, mut pipeline) = altered("llada", |config| {
        config["model_type"] = "sdar".into();
        config["block_size"] = 4.into();
    });
    assert!(score(&mut pipeline, "The river runs", 8).bound.error > 0.0);
}

#[test]
fn long_texts_are_scored_in_windows() {
    let text = "The river runs to the sea. ".repeat(40);
    let found = score(&mut open("bert"), &text, 4);
    assert!(found.windows > 3 && found.window == 62 && found.characters == text.len());
    let (bits, error) = found.bits_per_character();
    assert!(bits > 0.5 && error > 0.0 && error < bits / 5.0);
}
