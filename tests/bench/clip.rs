//! How much memory the decoding of a long clip takes: 17 and 33 frames of 832 x 480 pixels, each in a process of its own.
//!
//! `EDRUN_BENCH_MODEL=DIR cargo bench --bench clip`, with the model that `tests/data/make_full_wan.py` makes. `EDRUN_BENCH_FRAMES=17,33`
//! and `EDRUN_BENCH_SIZE=832x480` are the defaults.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use edrun::media::{ClipWanted, Wanted};
use edrun::pipeline::{Pipeline, Settings};
use edrun::sampling::Noise;
use edrun_onnx::{Cancel, Folder, GraphOptions};

/// Set in the processes that decode.
const CHILD: &str = "EDRUN_BENCH_CHILD";

fn main() {
    let Some(model) = std::env::var_os("EDRUN_BENCH_MODEL") else {
        println!("clip: nothing was measured; name a model of tests/data/make_full_wan.py in EDRUN_BENCH_MODEL");
        return;
    };
    if let Ok(frames) = std::env::var(CHILD) {
        return decode(Path::new(&model), frames.parse().unwrap());
    }
    println!("{} threads", std::thread::available_parallelism().unwrap());
    for frames in std::env::var("EDRUN_BENCH_FRAMES").unwrap_or("17,33".into()).split(',') {
        assert!(Command::new(std::env::current_exe().unwrap()).env(CHILD, frames).status().unwrap().success());
    }
}

fn decode(model: &Path, frames: usize) {
    let size = std::env::var("EDRUN_BENCH_SIZE").unwrap_or("832x480".into());
    let (width, height) = size.split_once('x').unwrap();
    let clip = ClipWanted { frames: Some(frames), ..ClipWanted::default() };
    let wanted = Wanted {
        width: Some(width.parse().unwrap()),
        height: Some(height.parse().unwrap()),
        clip,
        ..Wanted::default()
    };
    let (folder, cancel) = (Folder::open(model).unwrap(), Cancel::new());
    let pipeline = Pipeline::open(model, Settings::default()).unwrap();
    let medium = &pipeline.recipe().medium;
    let (extent, shape) = medium.measure(&wanted, None).unwrap();
    let latent = Noise::torch(1).normal(&shape);
    let start = Instant::now();
    let mut decoder = medium.decoder(&folder, &GraphOptions::default(), &cancel).unwrap();
    let media = decoder.decode(&latent, extent, &cancel).unwrap();
    let mut shown = 0;
    let show = |_| {
        shown += 1;
        Ok(())
    };
    media.clip().unwrap().play(show).unwrap();
    println!("{size}, {shown} frames: {:.3} GB at most, {:.0} s", peak() / 1e9, start.elapsed().as_secs_f64());
}

/// The most memory that this process ever had, in bytes.
fn peak() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok()).map_or(f64::NAN, |kilo| kilo * 1024.0)
}
