//! OpenVINO for real, beside ONNX Runtime's own kernels, on every model the tests have.
//!
//! Its library is fetched by `edrun runtime install openvino`, which `.ci/run` does. Where it is not there, these tests
//! say so and do nothing, unless `EDRUN_TEST_OPENVINO=1` demands it.

use std::path::PathBuf;
use std::process::Command;

use ndarray::ArrayD;
use ndarray_npy::ReadNpyExt;
use serde_json::Value as Json;

use crate::command::{Bench, stderr, stdout};
use crate::{copy, data};

/// How far single precision may be from ONNX Runtime's own kernels, relative to the largest value.
const F32: f32 = 1e-4;

/// The library with OpenVINO, where this machine's user keeps such libraries.
fn library() -> Option<String> {
    let list = Command::new(env!("CARGO_BIN_EXE_edrun")).args(["runtime", "list", "--json"]).output().unwrap();
    let list: Json = serde_json::from_slice(&list.stdout).unwrap();
    let has = |one: &&Json| one["providers"].as_array().is_some_and(|names| names.contains(&"openvino".into()));
    let found = list["libraries"].as_array().unwrap().iter().find(has).map(|one| one["path"].as_str().unwrap().into());
    if found.is_none() {
        assert!(std::env::var_os("EDRUN_TEST_OPENVINO").is_none(), "no library with OpenVINO is there: {list}");
        println!("skipped: no library with OpenVINO is there; `edrun runtime install openvino` fetches one");
    }
    found
}

/// A deployment: a model of the tests, and what is copied over it.
fn bench(model: &str, over: Option<&str>) -> Bench {
    let bench = Bench::of(model);
    over.into_iter().for_each(|over| copy(&data(over), &bench.path("model")));
    bench
}

/// The report of a run on a provider; its latents are in `{name}.npy`.
fn report(bench: &Bench, command: &[&str], flags: &[&str]) -> Json {
    let output = bench.run(&[command, &["--model", "model", "--json", "--quiet", "--seed", "7"], flags].concat());
    assert!(output.status.success(), "{command:?} {flags:?}: {}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

fn latents(bench: &Bench, name: &str) -> ArrayD<f32> {
    ArrayD::read_npy(std::fs::File::open(bench.path(name)).unwrap()).unwrap()
}

/// The largest difference, relative to the largest value.
fn difference(a: &ArrayD<f32>, b: &ArrayD<f32>) -> f32 {
    assert_eq!(a.shape(), b.shape());
    let largest = a.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
    a.iter().zip(b).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs())) / largest
}

/// The components, and that OpenVINO took all of each one.
fn whole(report: &Json) -> Vec<String> {
    let components = report["runtime"]["components"].as_object().unwrap();
    components.keys().for_each(|name| taken(report, name, 0));
    components.keys().cloned().collect()
}

/// That OpenVINO took all nodes of a component but so many, which the processor runs and the report counts.
fn taken(report: &Json, component: &str, left: u64) {
    let one = &report["runtime"]["components"][component];
    let nodes = one["nodes"].as_object().unwrap();
    let by = |name: &str| nodes.get(name).and_then(Json::as_u64).unwrap_or(0);
    assert!(nodes.keys().all(|name| ["openvino", "cpu"].contains(&name.as_str())), "{component}: {one}");
    assert!(by("openvino") > 0 && by("cpu") == left && one["fallback"].is_null(), "{component}: {one}");
}

#[test]
fn latents_and_media_equal_the_processors() {
    let Some(library) = library() else { return };
    let cases: [(&str, Option<&str>, f32); 9] = [
        ("sd15", None, F32),
        ("sd21v", None, F32),
        ("lcm", None, F32),
        ("legacy", None, F32),
        ("sd15", Some("networks/variance"), F32),
        ("sd15", Some("networks/damped"), F32),
        ("sd15", Some("fields/grid"), F32),
        ("sd15", Some("fields/query"), F32),
        // Half precision: both round, each where it likes.
        ("sd15-fp16", None, 3e-2),
    ];
    for (model, over, limit) in cases {
        let bench = bench(model, over);
        let is_mesh = over.is_some_and(|over| over.starts_with("fields"));
        let (command, file) = if is_mesh { ("3d", "glb") } else { ("image", "png") };
        let run = |name: &str, flags: &[&str]| {
            let (file, latents) = (format!("{name}.{file}"), format!("{name}.npy"));
            let common = [command, "a red cube", "--steps", "4", "--save-latents", &latents, "-o", &file];
            report(&bench, &common, flags)
        };
        run("cpu", &[]);
        let report = run("openvino", &["--ep", "openvino", "--ort-lib", &library]);
        let off = difference(&latents(&bench, "cpu.npy"), &latents(&bench, "openvino.npy"));
        println!("{model} {over:?}: {off:.1e}, {:?}", whole(&report));
        assert!(off <= limit, "{model} {over:?}: {off}");
        if !is_mesh {
            let [a, b] = ["cpu.png", "openvino.png"].map(|name| image::open(bench.path(name)).unwrap().to_rgb8());
            let worst = a.iter().zip(b.iter()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(f32::from(worst) <= 1.0f32.max(limit * 1000.0), "{model} {over:?}: {worst}/255");
        }
    }
}

#[test]
#[cfg(feature = "models")]
fn the_built_in_pictures_equal_the_processors() {
    let Some(library) = library() else { return };
    let bench = bench("sd15", None);
    let run = |name: &str, flags: &[&str]| {
        let (file, latents) = (format!("{name}.png"), format!("{name}.npy"));
        let common = ["image", "a cat", "--model", "emoji", "--seed", "7", "--save-latents", &latents, "-o", &file];
        let output = bench.run(&[&common[..], flags, &["--json", "--quiet"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str::<Json>(&stdout(&output)).unwrap()
    };
    run("cpu", &[]);
    whole(&run("openvino", &["--ep", "openvino", "--ort-lib", &library]));
    let off = difference(&latents(&bench, "cpu.npy"), &latents(&bench, "openvino.npy"));
    println!("emoji: {off:.1e}");
    assert!(off <= F32, "{off}");
}

#[test]
fn tokens_and_their_probabilities_equal_the_processors() {
    let Some(library) = library() else { return };
    // LLaDA finds all positions of an empty text alike, and rounding would choose among them.
    let river = "The river runs";
    let cases = [
        ("bert", river, 6, 0),
        ("llada", river, 6, 0),
        ("dream", river, 6, 0),
        ("joint", "", 4, 0),
        ("ratios", "", 4, 0),
        ("scrambled", "", 4, 1),
    ];
    for (model, prompt, length, left) in cases {
        let bench = bench(model, None);
        let count = length.to_string();
        let common = ["text", prompt, "--length", &count];
        let a = report(&bench, &common, &[]);
        let b = report(&bench, &common, &["--ep", "openvino", "--ort-lib", &library]);
        taken(&b, "model", left);
        let tokens = |report: &Json| report["texts"][0]["tokens"].as_array().unwrap().clone();
        let (a, b) = (tokens(&a), tokens(&b));
        assert_eq!(a.len(), length, "{model}");
        for (a, b) in a.iter().zip(&b) {
            assert_eq!(a["id"], b["id"], "{model}");
            let [a, b] = [a, b].map(|token| token["log_probability"].as_f64().unwrap());
            assert!((a - b).abs() <= f64::from(F32), "{model}: {a} {b}");
        }
    }
}

/// What the processor lacks is refused, where OpenVINO would have computed in single precision without a word.
#[test]
fn half_the_bits_are_offered_where_the_processor_has_them() {
    let Some(library) = library() else { return };
    let bench = bench("sd15", None);
    let run = |name: &str, ep: &str| {
        let file = format!("{name}.npy");
        let common = ["image", "a red cube", "--model", "model", "--steps", "1", "--seed", "7", "--quiet"];
        bench.run(&[&common[..], &["--ep", ep, "--ort-lib", &library, "--save-latents", &file, "-o", name]].concat())
    };
    let exact = run("f32.png", "unet=openvino");
    assert!(exact.status.success(), "{}", stderr(&exact));
    let coarse = run("bf16.png", "unet=openvino:precision=bf16");
    if coarse.status.success() {
        let off = difference(&latents(&bench, "f32.png.npy"), &latents(&bench, "bf16.png.npy"));
        println!("bf16: {off:.1e}");
        assert!(off > F32 && off < 0.1, "{off}");
    } else {
        let said = stderr(&coarse);
        assert_eq!(coarse.status.code(), Some(2), "{said}");
        assert!(said.contains("this processor cannot compute in bf16"), "{said}");
    }
}

#[test]
fn parts_run_where_they_were_sent_and_what_nobody_takes_is_refused() {
    let Some(library) = library() else { return };
    let bench = bench("sd15", None);
    let common = ["image", "x", "--steps", "1", "--ort-lib", &library, "-o", "out.png", "--overwrite"];
    let report = report(&bench, &common, &["--ep", "unet=openvino:threads=1,vae_decoder=cpu"]);
    let components = &report["runtime"]["components"];
    assert_eq!(components["unet"]["providers"], "openvino:threads=1");
    assert!(components["unet"]["nodes"]["openvino"].as_u64() > Some(0), "{components}");
    assert_eq!(components["vae_decoder"]["nodes"].as_object().unwrap().keys().collect::<Vec<_>>(), ["cpu"]);
    assert_eq!(components["text_encoder"]["providers"], "cpu");
    let wrong = ["--ep", "openvino:device=ABACUS", "--model", "model"];
    let output = bench.run(&[&common[..], &wrong].concat());
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.contains("openvino:device=ABACUS") && said.lines().filter(|l| l.starts_with("error")).count() == 1,
        "{said}"
    );
}

/// Compiled graphs are kept where a folder is named, and serve the next start.
#[test]
fn compiled_graphs_are_kept() {
    let Some(library) = library() else { return };
    let bench = bench("sd15", None);
    let run = |name: &str| {
        let ep = format!("openvino:cache={}", bench.path("cache/compiled").display());
        let common = ["image", "x", "--steps", "1", "--ort-lib", &library, "--save-latents", name, "-o"];
        report(&bench, &[&common[..], &[&format!("{name}.png")]].concat(), &["--ep", &ep]);
        let kept = std::fs::read_dir(bench.path("cache/compiled")).unwrap().count();
        (latents(&bench, name), kept)
    };
    let ((first, kept), (second, again)) = (run("a.npy"), run("b.npy"));
    assert!(kept > 0 && kept == again, "{kept} {again}");
    assert_eq!(first, second);
}

/// Where its library is not the one in use, it is found without being named.
#[test]
fn the_provider_finds_its_library() {
    let Some(library) = library() else { return };
    let output = Command::new(env!("CARGO_BIN_EXE_edrun"))
        .args(["runtime", "list", "--json", "--ep", "openvino"])
        .env_remove("EDRUN_ORT_LIB")
        .output()
        .unwrap();
    let list: Json = serde_json::from_slice(&output.stdout).unwrap();
    let used: Vec<_> = list["libraries"].as_array().unwrap().iter().filter(|one| one["used"] == true).collect();
    assert_eq!(used.len(), 1, "{list}");
    assert_eq!(PathBuf::from(used[0]["path"].as_str().unwrap()), PathBuf::from(library));
    assert_eq!(used[0]["why"], "the first that has openvino");
}

/// OpenVINO runs a graph as one node, which nothing stops; the process leaves it all the same.
#[cfg(unix)]
#[test]
fn a_step_that_cannot_be_stopped_is_left() {
    use crate::graph_files::{Slow, slow_down};
    let Some(library) = library() else { return };
    let bench = bench("sd15", None);
    slow_down(&bench.path("model/unet/model.onnx"), "sample", Slow::Running, 400);
    let common = ["image", "x", "--model", "model", "--seed", "7", "--width", "32", "--height", "32", "-o", "out.png"];
    let args = [&common[..], &["--ep", "unet=openvino", "--ort-lib", &library]].concat();
    let (mut child, said) = crate::failures::interrupts::interrupted(&bench, &args, "sampling");
    assert_eq!(said, ["interrupted; nothing was saved"]);
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(bench.files(), Vec::<String>::new());
}
