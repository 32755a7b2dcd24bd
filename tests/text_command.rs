//! `edrun text` from outside.

use std::io::{Read, Write};
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::command::{Bench, refused, stderr, stdout};

fn text(bench: &Bench, args: &[&str]) -> Output {
    bench.run(&[&["text", "--model", "model"], args].concat())
}

fn report(bench: &Bench, args: &[&str]) -> Value {
    let output = text(bench, &[args, &["--json", "--quiet"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

/// Runs with something on standard input.
fn piped(bench: &Bench, args: &[&str], input: &[u8]) -> Output {
    let mut command = bench.command();
    command.args(["text", "--model", "model"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // The child may stop reading early; that is what is tested.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[test]
fn text_is_the_only_thing_on_standard_output() {
    let bench = Bench::of("bert");
    let filled = text(&bench, &["--infill", "The wind goes ___ the south", "--temperature", "0", "--quiet"]);
    assert!(filled.status.success(), "{}", stderr(&filled));
    assert!(stdout(&filled).starts_with("the wind goes") && stdout(&filled).trim_end().ends_with("the south"));
    assert_eq!((stdout(&filled).lines().count(), stderr(&filled).as_str()), (1, ""));
    let told = text(&bench, &["All the rivers", "--length", "6"]);
    assert!(stdout(&told).starts_with("all the rivers"), "{}", stdout(&told));
    assert!(stderr(&told).contains("6 of 6 tokens"), "{}", stderr(&told));
}

#[test]
fn the_report_tells_of_every_token() {
    let bench = Bench::of("llada");
    let args = ["The river runs", "--length", "8", "--seed", "5", "--count", "2", "--temperature", "1", "--ignore-end"];
    let report = report(&bench, &args);
    assert_eq!(report["tokens"]["asked"], 8);
    for (i, made) in report["texts"].as_array().unwrap().iter().enumerate() {
        assert_eq!(made["seed"], 5 + i);
        let tokens = made["tokens"].as_array().unwrap();
        let mut steps: Vec<u64> = tokens.iter().map(|token| token["step"].as_u64().unwrap()).collect();
        steps.sort_unstable();
        assert_eq!(steps, (1..=8).collect::<Vec<u64>>());
        assert!(tokens.iter().all(|token| token["log_probability"].as_f64().unwrap() < 0.0));
    }
    let same = text(&bench, &[&args[..], &["--quiet"]].concat());
    let texts = report["texts"].as_array().unwrap().iter().map(|made| made["text"].as_str().unwrap().to_owned());
    assert_eq!(stdout(&same), texts.collect::<Vec<_>>().join("\n\n") + "\n");
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let bench = Bench::of("dream");
    let run = |seed: &str| {
        let args = ["A time", "--length", "12", "--sampler", "mdlm", "--steps", "6", "--ignore-end", "--quiet"];
        stdout(&text(&bench, &[&args[..], &["--seed", seed]].concat()))
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn prompts_come_in_many_ways() {
    let bench = Bench::of("dream");
    let prompt = |args: &[&str]| report(&bench, &[args, &["--seed", "1"]].concat());
    let edited = prompt(&["The river runs", "--suffix", " the sea.", "--length", "2"]);
    let whole = edited["texts"][0]["text"].as_str().unwrap();
    assert!(whole.starts_with("The river runs") && whole.ends_with(" the sea."), "{whole}");
    assert_eq!(edited["texts"][0]["tokens"].as_array().unwrap().len(), 2);
    let gaps = prompt(&["--infill", "Two ___ are ___.", "--gap-tokens", "1,3"]);
    assert_eq!(gaps["tokens"]["asked"], 4);
    let said = prompt(&["hello", "--chat", "--system", "be brief", "--length", "4"]);
    assert_eq!(said["prompt"]["messages"][0]["role"], "system");
    let answer = text(&bench, &["hello", "--chat", "--length", "4", "--ignore-end", "--quiet"]);
    assert!(!stdout(&answer).contains("hello"), "only the answer is printed: {}", stdout(&answer));
    let typed = piped(&bench, &["-", "--length", "3", "--quiet"], b"A time\n");
    assert!(stdout(&typed).starts_with("A time"), "{}", stderr(&typed));
}

#[test]
fn a_text_ends_at_its_end_token() {
    let bench = Bench::of("llada");
    let config = std::fs::read_to_string(bench.path("model/config.json")).unwrap();
    // Whatever is said first ends the text.
    let args = ["The river runs", "--length", "6", "--block-length", "1"];
    let first = report(&bench, &[&args[..], &["--ignore-end"]].concat())["texts"][0]["tokens"][0]["id"].clone();
    let ends = config.replace("\"eos_token_id\": 1", &format!("\"eos_token_id\": [1, {first}]"));
    bench.write("model/config.json", ends.as_bytes());
    let ended = report(&bench, &args);
    assert_eq!((&ended["texts"][0]["ended"], &ended["texts"][0]["evaluations"]), (&true.into(), &1.into()));
    assert_eq!(ended["texts"][0]["text"], "The river runs");
}

#[test]
fn texts_go_to_files_that_are_not_overwritten_unless_told() {
    let bench = Bench::of("bert");
    let args = ["All the rivers", "--length", "3", "-o", "out.txt", "--seed", "1"];
    let output = text(&bench, &args);
    assert!(output.status.success() && stdout(&output).is_empty(), "{}", stderr(&output));
    let written = std::fs::read_to_string(bench.path("out.txt")).unwrap();
    assert!(written.starts_with("all the rivers") && written.ends_with('\n'));
    let again = text(&bench, &args);
    assert!(again.status.code() == Some(2) && stderr(&again).contains("out.txt exists"), "{}", stderr(&again));
    assert!(text(&bench, &[&args[..], &["--overwrite"]].concat()).status.success());
}

#[test]
fn scores_are_said_in_words_and_numbers() {
    let bench = Bench::of("bert");
    bench.write("book.txt", "the river runs to the sea\n".repeat(8).as_bytes());
    let args = ["--score", "book.txt", "--draws", "8", "--seed", "3"];
    let said = stdout(&text(&bench, &args));
    assert!(said.contains("bits per character") && said.contains("perplexity"), "{said}");
    let found = report(&bench, &args);
    let bits = found["bits_per_character"].as_f64().unwrap();
    assert!(said.starts_with(&format!("{bits:.4} ")), "{said} {bits}");
    assert!(found["bits_per_character_error"].as_f64().unwrap() > 0.0);
    let typed = piped(
        &bench,
        &["--score", "-", "--draws", "8", "--seed", "3", "--quiet"],
        &"the river runs to the sea\n".repeat(8).into_bytes(),
    );
    assert_eq!(stdout(&typed), said);
}

#[test]
fn flags_out_of_range_are_refused_before_the_work() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--infill", "no gap here"], &["--infill", "no gap", "___"]),
        (&["--infill", "a ___", "--gap-tokens", "0"], &["--gap-tokens", "0"]),
        (&["--infill", "a ___", "--gap-tokens", "1,2"], &["--gap-tokens", "2 lengths", "1 gaps"]),
        (&["a", "--length", "0"], &["--length is 0"]),
        (&["a", "--length", "300"], &["300 are to be found", "256 at most"]),
        (&["a", "--chat"], &["--chat", "chat template"]),
        (&["a", "--sampler", "lada"], &["lada", "nearest are llada"]),
        (&["a", "--sampler", "euler"], &["euler", "for text"]),
        (&["a", "--sampler", "threshold", "--steps", "4"], &["--steps", "threshold"]),
        (&["a", "--sampler", "d3pm", "--sampler-option", "corrector-steps=1"], &["corrector-steps", "masks them"]),
        (&["a", "--sampler-option", "sparkle=1"], &["sparkle", "llada"]),
        (&["a", "--steps", "0"], &["--steps is 0"]),
        (&["a", "--temperature", "-1"], &["--temperature is -1"]),
        (&["a", "--top-k", "0"], &["--top-k is 0"]),
        (&["a", "--top-p", "1.5"], &["--top-p is 1.5"]),
        (&["a", "--repetition-penalty", "0"], &["--repetition-penalty is 0"]),
        (&["a", "--guidance-scale", "0.5"], &["--guidance-scale is 0.5"]),
        (&["a", "--block-length", "0"], &["--block-length is 0"]),
        (&["a", "--kv-cache", "triple"], &["--kv-cache", "triple", "dual"]),
        (&["a", "--kv-refresh", "2"], &["--kv-refresh", "--kv-cache"]),
        (&["a", "--kv-cache", "dual", "--kv-refresh", "0"], &["--kv-refresh is 0"]),
        (
            &["a", "--kv-cache", "delayed", "--sampler", "llada2", "--sampler-option", "editing-threshold=0.5"],
            &["--kv-cache delayed", "editing-threshold"],
        ),
        (&["a", "--count", "0"], &["--count is 0"]),
        (&["a", "--rng", "dice"], &["--rng", "dice"]),
        (&["a", "-o", "no/such/out.txt"], &["no/such", "does not exist"]),
        (&["--score", "absent.txt"], &["--score", "absent.txt"]),
        (&["--score", "model/config.json", "--steps", "3"], &["--steps", "--score"]),
        (&["--score", "model/config.json", "--draws", "1"], &["--draws is 1"]),
        (&["--score", "model/config.json", "--window", "999"], &["--window is 999", "256"]),
    ];
    let bench = Bench::of("llada");
    for (args, parts) in cases {
        refused(&bench, &text(&bench, args), parts);
    }
    assert_eq!(text(&bench, &[]).status.code(), Some(2));
}

#[test]
fn what_a_graph_lacks_is_named() {
    let bench = Bench::of("dream");
    refused(&bench, &text(&bench, &["a", "--kv-cache", "dual"]), &["--kv-cache dual", "keys and values", "model.onnx"]);
    let fixed = Bench::of("joint");
    let short = text(&fixed, &["ab", "--length", "2"]);
    refused(&fixed, &short, &["takes 4 tokens", "attention_mask", "--length 3"]);
    let scrambled = Bench::of("scrambled");
    let cases: &[(&[&str], &[&str])] = &[
        (&["--sampler", "mdlm"], &["--sampler mdlm", "scrambles tokens", "d3pm"]),
        (&["--sampler", "d3pm", "--kv-cache", "dual"], &["--kv-cache dual", "scrambles"]),
    ];
    for (args, parts) in cases {
        refused(&scrambled, &text(&scrambled, &[&["", "--length", "4"], *args].concat()), parts);
    }
    scrambled.write("book.txt", b"ab c d ab");
    let scored = text(&scrambled, &["--score", "book.txt"]);
    assert!(scored.status.code() == Some(2) && stderr(&scored).contains("scrambles"), "{}", stderr(&scored));
}

#[test]
fn what_is_not_text_is_refused() {
    let bench = Bench::of("bert");
    refused(&bench, &piped(&bench, &["-"], b"\xff\xfe"), &["UTF-8"]);
    refused(&bench, &piped(&bench, &["-"], &"sea ".repeat(200).into_bytes()), &["the model reads 64 at most"]);
    refused(&bench, &piped(&bench, &["-"], &vec![b'x'; 1 << 20]), &["prompt", "65536"]);
    refused(&bench, &piped(&bench, &["--score", "-"], b""), &["nothing to score"]);
}

#[test]
fn damaged_models_are_refused_by_name() {
    type Damage = fn(&Bench);
    let cases: &[(&str, Damage, &[&str])] = &[
        ("no folder", |b| std::fs::remove_dir_all(b.path("model")).unwrap(), &["model", "does not exist"]),
        ("no graph", |b| std::fs::remove_file(b.path("model/model.onnx")).unwrap(), &["model.onnx", "does not exist"]),
        (
            "no tokenizer",
            |b| std::fs::remove_file(b.path("model/tokenizer.json")).unwrap(),
            &["tokenizer.json", "AutoTokenizer"],
        ),
        ("tokenizer is no JSON", |b| b.write("model/tokenizer.json", b"{"), &["tokenizer.json", "export it again"]),
        ("config is no JSON", |b| b.write("model/config.json", b"{ nope"), &["config.json", "not JSON"]),
        (
            "no mask token",
            |b| b.write("model/config.json", br#"{"model_type": "llada", "vocab_size": 320}"#),
            &["no mask token", "\"mask_token\"", "\"mask_token_id\""],
        ),
        (
            "a mask the graph does not know",
            |b| b.write("model/config.json", br#"{"vocab_size": 320, "mask_token_id": 320}"#),
            &["320", "mask_token_id"],
        ),
        (
            "another vocabulary size",
            |b| b.write("model/config.json", br#"{"vocab_size": 321, "mask_token_id": 0}"#),
            &["320 tokens", "\"vocab_size\"", "321"],
        ),
        (
            "a tokenizer of another model",
            |b| {
                std::fs::copy(crate::data("models/bert/tokenizer.json"), b.path("model/tokenizer.json")).unwrap();
                b.write("model/config.json", br#"{"mask_token_id": 0}"#);
                b.write("model/tokenizer_config.json", b"{}");
            },
            &["320 tokens", "the tokenizer has 182"],
        ),
        (
            "an unknown prediction",
            |b| b.write("model/config.json", br#"{"mask_token_id": 0, "prediction": "dreams"}"#),
            &["prediction", "dreams", "shifted_logits"],
        ),
        (
            "another graph",
            |b| {
                std::fs::copy(crate::data("models/sd15/unet/model.onnx"), b.path("model/model.onnx")).map(drop).unwrap()
            },
            &["model.onnx", "no input named input_ids"],
        ),
        (
            "a truncated graph",
            |b| {
                let bytes = std::fs::read(b.path("model/model.onnx")).unwrap();
                b.write("model/model.onnx", &bytes[..bytes.len() / 2]);
            },
            &["model.onnx"],
        ),
        (
            "blocks of no length",
            |b| b.write("model/config.json", br#"{"model_type": "bd3lm", "vocab_size": 320}"#),
            &["block_size"],
        ),
    ];
    for (title, damage, parts) in cases {
        let bench = Bench::of("llada");
        damage(&bench);
        println!("{title}");
        refused(&bench, &text(&bench, &["The river", "--length", "4"]), parts);
    }
}

#[cfg(unix)]
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let bench = Bench::of("llada");
    let mut command = bench.command();
    command.args([
        "text",
        "--model",
        "model",
        "The river",
        "--length",
        "32",
        "--count",
        "40",
        "--quiet",
        "--ignore-end",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0; 1]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_run() {
    let bench = Bench::of("llada");
    let mut command = bench.command();
    command.args(["text", "--model", "model", "The river", "--length", "200", "--count", "500", "-o", "out.txt"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    assert!(lines.any(|line| line.unwrap().contains("tokens after")));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(lines.any(|line| line.unwrap().contains("interrupted")));
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert_eq!(bench.files(), Vec::<String>::new());
}

#[test]
fn samplers_for_text_are_listed() {
    let bench = Bench::of("bert");
    let listed = stdout(&bench.run(&["samplers"]));
    assert!(listed.contains("For text:") && listed.contains("first-hitting"), "{listed}");
    let rows: Value = serde_json::from_str(&stdout(&bench.run(&["samplers", "--json"]))).unwrap();
    let text: Vec<_> = rows.as_array().unwrap().iter().filter(|row| row["modality"] == "text").collect();
    assert!(text.len() >= 19 && text.iter().any(|row| row["name"] == "remdm-cap"));
}

#[test]
fn without_a_model_the_built_in_one_writes() {
    let bench = Bench::of("bert");
    let asked = ["In the beginning", "--length", "24", "--seed", "1", "--json", "--quiet"];
    let output = bench.run(&[&["text"], &asked[..]].concat());
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(report["model"], "scripture");
    let text = report["texts"][0]["text"].as_str().unwrap().to_lowercase();
    let known = ["the", "and", "of", "in", "that", "lord", "god", "he"];
    assert!(known.iter().any(|word| text.split_whitespace().any(|own| own == *word)), "{text}");
}
