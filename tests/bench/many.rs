//! Many requests through one process: how much faster than one process each, and how much memory after thousands.
//!
//! `cargo bench --bench many` prints both; `EDRUN_BENCH_REQUESTS` is the number of requests that the memory is watched
//! over (10,000 when not given).
#![allow(clippy::unwrap_used, missing_docs)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value as Json;

const LINES: usize = 200;
const SUBJECTS: [&str; 8] =
    ["a cat", "a dog", "a heart", "the sun", "a red cube", "a smiling face", "a tree", "a lighthouse"];

fn main() {
    let dir = tempfile::tempdir().unwrap();
    throughput(dir.path(), "the built-in model", &[]);
    let toy = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/sd15").display().to_string();
    throughput(dir.path(), "a toy model", &["--width", "64", "--height", "64", "--steps", "20", "--model", &toy]);
    memory(dir.path());
}

fn edrun(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edrun"));
    command.current_dir(dir).arg("image");
    command
}

fn prompt(line: usize) -> String {
    format!("{} {line}", SUBJECTS[line % SUBJECTS.len()])
}

fn write_prompts(dir: &Path, count: usize) {
    let lines: Vec<_> = (0..count).map(prompt).collect();
    std::fs::write(dir.join("prompts.txt"), lines.join("\n")).unwrap();
}

/// What runs in the process itself, without its start and the loading of the model.
fn compute(report: &Json) -> f64 {
    ["encode", "sample", "decode"].map(|part| report["seconds"][part].as_f64().unwrap()).iter().sum()
}

/// `LINES` prompts in one process, and in as many processes.
fn throughput(dir: &Path, name: &str, model: &[&str]) {
    println!("{LINES} prompts through {name}, {} threads:", std::thread::available_parallelism().unwrap());
    let start = Instant::now();
    let own: f64 = (0..LINES)
        .map(|line| {
            let mut command = edrun(dir);
            command.args([&prompt(line), "--seed", "1", "--json", "--quiet", "--overwrite"]).args(model).arg("-o");
            let output = command.arg(format!("single-{line}.png")).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            compute(&serde_json::from_slice(&output.stdout).unwrap())
        })
        .sum();
    let wall = start.elapsed().as_secs_f64();
    println!("  {LINES} processes           {wall:7.2} s, of which computing {own:7.2} s");
    write_prompts(dir, LINES);
    for batch in ["1", "4", "16"] {
        let start = Instant::now();
        let mut command = edrun(dir);
        command.args(["--prompts", "prompts.txt", "--seed", "1", "--batch", batch, "--json", "--quiet", "--overwrite"]);
        command.args(model).arg("-o");
        let output = command.arg(format!("b{batch}-{{index}}.png")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Json = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["images"].as_array().unwrap().len(), LINES);
        let wall = start.elapsed().as_secs_f64();
        println!(
            "  one process, --batch {batch:3} {wall:7.2} s in all: {:4.2} x the throughput of their computing",
            own / wall
        );
    }
}

/// Thousands of requests of a small model through one process, whose memory is looked at on the way.
#[cfg(target_os = "linux")]
fn memory(dir: &Path) {
    let count = std::env::var("EDRUN_BENCH_REQUESTS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    write_prompts(dir, count);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models/sd15");
    let mut command = edrun(dir);
    command.args(["--prompts", "prompts.txt", "--steps", "2", "--width", "32", "--height", "32", "--seed", "1"]);
    command.args(["--batch", "8", "-o", "m-{index}.png", "--model"]).arg(model);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut resident = Vec::with_capacity(count);
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        if line.unwrap().starts_with("saved ") {
            resident.push(megabytes(&status).unwrap_or_else(|| *resident.last().unwrap()));
        }
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(resident.len(), count);
    println!("\n{count} requests through one process; memory after");
    let most = |range: &[f64]| range.iter().copied().fold(0.0, f64::max);
    let (warm, rest) = resident.split_at(count / 10);
    for at in [1, count / 100, count / 10, count / 2, count] {
        println!("  {at:6}: {:6.1} MB", resident[at.max(1) - 1]);
    }
    println!("  growth after the first tenth: {:+.1} %", 100.0 * (most(rest) / most(warm) - 1.0));
}

#[cfg(target_os = "linux")]
fn megabytes(status: &str) -> Option<f64> {
    let text = std::fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse::<f64>().ok().map(|kb| kb / 1e3)
}

#[cfg(not(target_os = "linux"))]
fn memory(_: &Path) {
    println!("memory is looked at on Linux only");
}
