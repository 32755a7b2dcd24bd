//! `--verbose` and `--trace`: where the time went.

use serde_json::Value;

use crate::command::{Bench, refused, stderr, stdout};
use crate::{copy, data};

/// A short run of each modality on a toy deployment.
fn runs() -> Vec<(&'static str, Bench, Vec<&'static str>)> {
    let shapes = Bench::of("sd15");
    copy(&data("fields/grid"), &shapes.path("model"));
    let image = vec!["image", "a red cube", "--width", "32", "--height", "32", "--sampler", "euler", "-o", "out.png"];
    vec![
        ("unet", Bench::new(), image),
        ("transformer", Bench::of("sound"), vec!["audio", "a violin", "-o", "out.wav"]),
        ("transformer", shapes, vec!["3d", "a red cube", "--resolution", "16", "-o", "out.glb"]),
        ("transformer", Bench::of("clip"), vec!["video", "a red ball", "-o", "out.gif"]),
        ("model", Bench::of("llada"), vec!["text", "The river", "--length", "2", "-o", "out.txt"]),
    ]
}

const SHARED: [&str; 6] = ["--model", "model", "--steps", "2", "--seed", "7"];

fn number(event: &Value, key: &str) -> f64 {
    event[key].as_f64().unwrap()
}

#[test]
fn every_modality_says_how_long_its_stages_took() {
    for (denoiser, bench, args) in runs() {
        let output = bench.run(&[&args[..], &SHARED, &["--verbose"]].concat());
        let said = stderr(&output);
        assert!(output.status.success(), "{said}");
        let line = |begins: &str| said.lines().filter(|line| line.starts_with(begins)).count();
        assert_eq!(line(&format!("load   {denoiser}")), 1, "{said}");
        assert_eq!((line("step   1 "), line("step   2 "), line("2 steps in ")), (1, 1, 1), "{said}");
        assert_eq!(line("decode "), usize::from(args[0] != "text"), "{said}");
        assert!(cfg!(not(target_os = "linux")) || said.contains(" MiB"), "{said}");
    }
}

#[test]
fn a_trace_holds_stages_and_nodes_in_their_places() {
    for (denoiser, bench, args) in runs() {
        let output = bench.run(&[&args[..], &SHARED, &["--trace", "trace.json", "--json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(serde_json::from_str::<Value>(&stdout(&output)).is_ok());
        let trace: Value = serde_json::from_slice(&std::fs::read(bench.path("trace.json")).unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let of = |kind: &str| events.iter().filter(|event| event["cat"] == kind).collect::<Vec<_>>();
        let row = events.iter().find(|event| event["args"]["name"] == format!("nodes of {denoiser}")).unwrap();
        let nodes: Vec<_> = of("node").into_iter().filter(|node| node["tid"] == row["tid"]).collect();
        let runs: Vec<_> = of("run").into_iter().filter(|run| run["name"] == denoiser).collect();
        assert!(nodes.len() > 2 && runs.len() > 1, "{}: {} nodes", args[0], nodes.len());
        assert_eq!(of("step").len(), 2);
        for node in nodes {
            let (start, length) = (number(node, "ts"), number(node, "dur"));
            // The clocks differ by what passes between noting a run and the profiler's noting it.
            let within = |run: &&Value| {
                let (begin, took) = (number(run, "ts"), number(run, "dur"));
                start >= begin - 1e3 && start + length <= begin + took + 5e3
            };
            assert!(runs.iter().any(within), "{node} is in no run of {runs:?}");
            assert!(!node["args"]["op"].as_str().unwrap().is_empty(), "{node}");
        }
    }
}

#[test]
fn what_cannot_be_traced_is_refused() {
    let bench = Bench::new();
    refused(&bench, &bench.image(&["--trace", "no/such/trace.json"]), &["no/such", "does not exist"]);
    bench.write("model/trace.json", b"kept");
    refused(&bench, &bench.image(&["--trace", "model/trace.json"]), &["trace.json exists", "--trace"]);
    let output = bench.image(&["--quiet", "--verbose"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("--verbose"), "{}", stderr(&output));
}
