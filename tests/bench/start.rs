//! What a full-size model costs: from the command to the first denoising step, with and without the kept graphs, and a
//! step of each provider at 64 x 64 latents.
//!
//! `EDRUN_BENCH_MODEL=DIR cargo bench --bench start`, with the model that `tests/data/make_full.py` makes. Filling the
//! cache takes 5 GB in the folder for temporary files.
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

fn main() {
    let Some(model) = std::env::var_os("EDRUN_BENCH_MODEL") else {
        println!("start: nothing was measured; name a model of tests/data/make_full.py in EDRUN_BENCH_MODEL");
        return;
    };
    let model = Path::new(&model);
    println!("{} threads; {}", std::thread::available_parallelism().unwrap(), processor());
    starts(model);
    steps(model);
}

fn processor() -> String {
    let facts = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = |key: &str| facts.lines().find(|line| line.starts_with(key)).and_then(|line| line.split(": ").nth(1));
    let has: Vec<_> = ["avx2", "avx512f", "avx512_bf16", "amx_bf16"]
        .into_iter()
        .filter(|name| line("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == *name)))
        .collect();
    format!("{} ({})", line("model name").unwrap_or("unknown processor"), has.join(", "))
}

/// One picture of 512 x 512.
fn command(model: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edrun"));
    command.args(["image", "a lighthouse at dusk", "--width", "512", "--height", "512", "--seed", "1", "--model"]);
    command.arg(model).args(flags);
    command
}

fn starts(model: &Path) {
    let cache = tempfile::tempdir().unwrap();
    let library = library("cpu").unwrap();
    println!("\nfrom the command to the first denoising step:");
    let kinds: [(&str, &[&str]); 4] = [
        ("without a cache", &["--no-cache-models"]),
        ("filling the cache", &[]),
        ("second start", &[]),
        ("third start", &[]),
    ];
    for (name, flags) in kinds {
        let mut command = command(model, flags);
        command.env("EDRUN_CACHE_DIR", cache.path()).args(["--ort-lib", &library, "--overwrite", "-o"]);
        command.arg(cache.path().join("out.png"));
        let (seconds, bytes) = first_step(command);
        println!("  {name:18} {seconds:6.2} s   {:5.2} GB at most till then", bytes as f64 / 1e9);
    }
}

/// How long a run takes to its first step, and the most memory it held till then.
fn first_step(mut command: Command) -> (f64, u64) {
    let start = Instant::now();
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = Vec::new();
    let began = lines.inspect(|line| said.push(line.clone())).any(|line| line == "sampling");
    let seconds = start.elapsed().as_secs_f64();
    let bytes = peak(&child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(began, "{said:?}");
    (seconds, bytes)
}

/// The most memory a process held so far.
fn peak(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// A library that has a provider, by what `edrun runtime list` says.
fn library(provider: &str) -> Option<String> {
    let list = Command::new(env!("CARGO_BIN_EXE_edrun"))
        .args(["runtime", "list", "--json", "--ep", provider])
        .output()
        .unwrap();
    let list: Json = serde_json::from_slice(&list.stdout).unwrap();
    let has = |one: &&Json| {
        one["used"] == true && one["providers"].as_array().is_some_and(|names| names.contains(&provider.into()))
    };
    list["libraries"].as_array().unwrap().iter().find(has).map(|one| one["path"].as_str().unwrap().to_owned())
}

/// Three steps of two rows each, and one run before it that is not counted.
fn steps(model: &Path) {
    println!(
        "\na step with guidance at 64 x 64 latents (mean of three; differences are of the result's latents, relative):"
    );
    let dir = tempfile::tempdir().unwrap();
    let mut first: Option<(f64, Vec<f32>)> = None;
    for provider in ["cpu", "openvino", "openvino:precision=bf16"] {
        let name = provider.split(':').next().unwrap();
        let Some(library) = library(name) else {
            println!("  {provider:26} not measured: `edrun runtime install {name}`");
            continue;
        };
        let latents = dir.path().join("latents.npy");
        let ep = format!("unet={provider}");
        let mut command = command(model, &["--steps", "3", "--sampler", "euler", "--json", "--quiet", "--overwrite"]);
        command.args(["--ort-lib", &library, "--ep", &ep, "--no-cache-models", "--save-latents"]).arg(&latents);
        let output = command.arg("-o").arg(dir.path().join("out.png")).output().unwrap();
        if !output.status.success() {
            println!("  {provider:26} not measured: {}", String::from_utf8_lossy(&output.stderr).trim());
            continue;
        }
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        let seconds = report["seconds"]["denoiser_graph"].as_f64().unwrap() / 3.0;
        let values: ndarray::ArrayD<f32> = ndarray_npy::read_npy(&latents).unwrap();
        let values: Vec<f32> = values.into_iter().collect();
        let (base, exact) = first.get_or_insert_with(|| (seconds, values.clone()));
        println!(
            "  {provider:26} {seconds:6.2} s   {:4.2} of cpu's   {:.1e} off",
            seconds / *base,
            off(&values, exact)
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Root mean square of the difference, relative to that of the values.
fn off(values: &[f32], exact: &[f32]) -> f64 {
    let square = |v: f32| f64::from(v) * f64::from(v);
    let difference: f64 = values.iter().zip(exact).map(|(a, b)| square(a - b)).sum();
    (difference / exact.iter().map(|v| square(*v)).sum::<f64>()).sqrt()
}
