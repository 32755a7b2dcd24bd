//! `edrun inspect` from outside: files of every kind become the command that makes them, folders say what they hold.

use std::path::Path;
use std::process::{Command, Output};

use crate::command::{Bench, refused, stderr, stdout};

/// The line a shell runs, with this edrun first on its path.
#[cfg(unix)]
fn shell(bench: &Bench, line: &str) -> Output {
    let folder = Path::new(env!("CARGO_BIN_EXE_edrun")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(bench.path("")).env("PATH", path);
    command.env("HOME", bench.path("")).env("XDG_CACHE_HOME", bench.path("cache")).output().unwrap()
}

#[cfg(unix)]
#[test]
fn an_inspected_file_gives_the_command_that_makes_it_again() {
    let bench = Bench::new();
    assert!(bench.image(&["--count", "3", "--save-latents", "it's.npy", "-o", "x.png"]).status.success());
    let cases: &[&[&str]] = &[
        &[],
        &["--sampler", "euler-a", "--negative-prompt", "it's \"bad\"", "--guidance-scale", "3.25", "-o", "out.jpg"],
        &["--sampler", "euler", "--sigmas", "9.5,2.25", "--rng", "philox", "--bit-depth", "16", "-o", "out.tif"],
        &["--sampler", "euler", "--sampler-option", "s_churn=2", "--sampler-option", "s_noise=1.01", "-o", "out.webp"],
        &["--variation-seed", "3", "--variation-strength", "0.4", "--count", "2", "--guidance-rescale", "0.5"],
        &[
            "--sampler",
            "dpmpp-2s-a",
            "--eta",
            "0.3",
            "--schedule",
            "normal",
            "--threads",
            "1",
            "--seed",
            "18446744073709551615",
        ],
        &["--count", "3", "--init-latents", "it's.npy"],
    ];
    for args in cases {
        let output = bench.image(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        let files: Vec<_> = bench.files().into_iter().filter(|file| file.starts_with("out")).collect();
        let file = files.last().unwrap();
        let inspected = bench.run(&["inspect", file]);
        assert!(inspected.status.success(), "{}", stderr(&inspected));
        assert!(!stderr(&inspected).contains("without a flag"), "{}", stderr(&inspected));
        let again = shell(&bench, &stdout(&inspected));
        assert!(again.status.success(), "{}: {}", stdout(&inspected), stderr(&again));
        let made: Vec<_> =
            bench.files().into_iter().filter(|file| file.starts_with("out") && !files.contains(file)).collect();
        let same = made
            .iter()
            .any(|name| std::fs::read(bench.path(name)).unwrap() == std::fs::read(bench.path(file)).unwrap());
        assert!(same, "{args:?}: {} made {made:?}, none of which is {file}", stdout(&inspected));
        files.iter().chain(&made).for_each(|name| std::fs::remove_file(bench.path(name)).unwrap());
    }
}

#[test]
fn files_say_nothing_when_told_and_what_says_nothing_is_named() {
    let bench = Bench::new();
    assert!(bench.image(&["--no-metadata"]).status.success());
    assert_eq!(edrun_modalities::info::about(&bench.path("out.png")).unwrap().texts, []);
    bench.write("note.txt", b"hello");
    for (file, parts) in [
        ("out.png", ["PNG picture, 32 x 32 pixels", "does not say how it was made"]),
        ("note.txt", ["edrun cannot read", "does not say how it was made"]),
        ("absent.png", ["cannot read", "absent.png"]),
    ] {
        let output = bench.run(&["inspect", file]);
        assert_eq!(output.status.code(), Some(2));
        parts.iter().for_each(|part| assert!(stderr(&output).contains(part), "{}", stderr(&output)));
    }
}

#[test]
fn files_of_other_programs_are_inspected() {
    let bench = Bench::new();
    let graph = r#"{"3": {"class_type": "KSampler", "inputs": {"seed": 5, "steps": 4, "cfg": 2.5, "sampler_name": "euler",
        "scheduler": "karras", "positive": ["6", 0]}}, "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a hat"}}}"#;
    let a1111 =
        "a hat\nNegative prompt: dust\nSteps: 4, Sampler: Euler a, CFG scale: 2.5, Seed: 5, Size: 32x48, Model: sd";
    type Texts<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Texts<'_>, &str); 3] = [
        (
            "a1111.png",
            &[("parameters", a1111)],
            "edrun image 'a hat' --negative-prompt dust --width 32 --height 48 --seed 5 --steps 4 --guidance-scale 2.5 \
             --sampler euler-a --rng philox --model sd --output a1111-again.png",
        ),
        (
            "comfy.png",
            &[("prompt", graph), ("workflow", "{}")],
            "edrun image 'a hat' --seed 5 --steps 4 --guidance-scale 2.5 --sampler euler --schedule karras \
             --model MODEL --output comfy-again.png",
        ),
        (
            "call.png",
            &[("Software", "diffusers"), ("prompt", "a hat"), ("num_inference_steps", "4"), ("seed", "5")],
            "edrun image 'a hat' --seed 5 --steps 4 --model MODEL --output call-again.png",
        ),
    ];
    for (file, texts, command) in cases {
        let mut encoder = png::Encoder::new(std::fs::File::create(bench.path(file)).unwrap(), 1, 1);
        for (key, text) in texts {
            encoder.add_text_chunk((*key).into(), (*text).into()).unwrap();
        }
        encoder.write_header().unwrap().write_image_data(&[0]).unwrap();
        let output = bench.run(&["inspect", file]);
        // A required model that the file does not name stands where clap lists it.
        assert_eq!(stdout(&output).trim(), command, "{}", stderr(&output));
        assert!(stderr(&output).contains("made by another program"), "{}", stderr(&output));
    }
}

#[test]
fn folders_tell_what_they_hold_and_what_is_missing() {
    let bench = Bench::new();
    let json = |output: &Output| serde_json::from_str::<serde_json::Value>(&stdout(output)).unwrap();
    let whole = bench.run(&["inspect", "model", "--json"]);
    let report = json(&whole);
    assert_eq!(whole.status.code(), Some(0));
    assert_eq!((&report["family"], &report["scheduler"]), (&"Stable Diffusion".into(), &"PNDMScheduler".into()));
    let unet = report["components"].as_array().unwrap().iter().find(|c| c["name"] == "unet").unwrap();
    let sample =
        serde_json::json!({ "name": "sample", "dtype": "f32", "shape": ["batch_size", "4", "height", "width"] });
    assert_eq!(unet["inputs"][0], sample);
    assert!(stdout(&bench.run(&["inspect", "model"])).contains("edrun image \"PROMPT\" --model model"));
    std::fs::remove_file(bench.path("model/vae_decoder/model.onnx")).unwrap();
    bench.write("model/unet/model.onnx", b"not a graph");
    let output = bench.run(&["inspect", "model", "--json"]);
    let report = json(&output);
    assert_eq!((output.status.code(), &report["runs"]), (Some(1), &serde_json::Value::Null));
    let missing = report["missing"].to_string();
    for part in ["unet/model.onnx is not an ONNX graph", "vae_decoder/model.onnx does not exist"] {
        assert!(missing.contains(part), "{missing}");
    }
    refused(&bench, &bench.run(&["inspect", "model/tokenizer"]), &["holds no graphs"]);
}

#[test]
fn folders_tell_which_provider_takes_how_much() {
    let bench = Bench::new();
    let output = bench.run(&["inspect", "model", "--load", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(report["memory"].as_str().is_some_and(|said| said.starts_with("about ")), "{report:#}");
    for component in report["components"].as_array().unwrap() {
        assert_eq!(component["runs_on"]["providers"], "cpu", "{component:#}");
        assert!(component["runs_on"]["nodes"]["cpu"].as_u64() > Some(0), "{component:#}");
    }
    let text = stdout(&bench.run(&["inspect", "model", "--load", "--ep", "cuda,cpu:threads=1", "--ep-fallback"]));
    assert!(text.contains("cpu:threads=1: cpu takes ") && text.contains("as --ep-fallback allows: "), "{text}");
    refused(&bench, &bench.run(&["inspect", "model", "--load", "--ep", "cuda"]), &["`cuda` is not in ONNX Runtime"]);
    refused(&bench, &bench.run(&["inspect", "model", "--load", "--ep", "unte=cpu"]), &["`unte`", "unet"]);
    refused(&bench, &bench.run(&["inspect", "model/unet/model.onnx", "--load"]), &["--load is for model folders"]);
    // What is read but cannot be loaded is missing.
    let unet = bench.path("model/unet/model.onnx");
    crate::graph_files::unknown_operator(&unet);
    let output = bench.run(&["inspect", "model", "--load"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("missing     ONNX Runtime cannot load"), "{}", stdout(&output));
}

#[test]
fn every_small_model_is_known_to_the_command_that_runs_it() {
    let mut seen = 0;
    for folder in std::fs::read_dir(crate::data("models")).unwrap().map(|entry| entry.unwrap().path()) {
        let output =
            Command::new(env!("CARGO_BIN_EXE_edrun")).arg("inspect").arg(&folder).arg("--json").output().unwrap();
        let report: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert!(report["runs"].as_str().is_some_and(|line| line.starts_with("edrun ")), "{report:#}");
        assert!(!report["components"].as_array().unwrap().is_empty(), "{report:#}");
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} models were found");
}

#[test]
fn an_encoder_serves_the_flag_of_its_modality() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/models");
    for (model, flag) in [("emoji", "--init-image"), ("sound", "--init-audio"), ("clips", "--first-frame")] {
        let bench = Bench::new();
        let said = stdout(&bench.run(&["inspect", &models.join(model).display().to_string()]));
        assert!(said.contains(&format!("vae_encoder serves {flag}")), "{said}");
    }
}
