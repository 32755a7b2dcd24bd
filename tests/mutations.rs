//! Model folders with random damage: whatever it is, a run ends with a picture or with one sentence.
//!
//! Fifty damaged folders by default; `EDRUN_TEST_MUTATIONS=500`, as in `.ci/run`, makes it more. The number of a mutation
//! decides it, so that one that fails can be looked at again.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::command::Bench;

/// What a folder is damaged in: graphs as bytes, configurations as bytes and as JSON.
const FILES: [&str; 9] = [
    "unet/model.onnx",
    "vae_decoder/model.onnx",
    "text_encoder/model.onnx",
    "scheduler/scheduler_config.json",
    "model_index.json",
    "unet/config.json",
    "vae_decoder/config.json",
    "tokenizer/vocab.json",
    "tokenizer/tokenizer_config.json",
];

/// Longer than any run of the small model takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(120);

/// Steele and Vigna's SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides.max(1) as u64).unwrap()
    }

    fn bytes(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.roll(4) {
            let at = self.roll(bytes.len());
            match self.roll(6) {
                0 => bytes.truncate(at),
                1 => drop(bytes.drain(at..(at + 1 + self.roll(64)).min(bytes.len()))),
                2 => (0..=self.roll(16)).for_each(|_| bytes.insert(at, self.roll(256) as u8)),
                3 => bytes.extend_from_within(at..(at + self.roll(256)).min(bytes.len())),
                _ => bytes.iter_mut().skip(at).take(1 + self.roll(3)).for_each(|byte| *byte ^= 1 << self.roll(8)),
            }
        }
    }

    /// Another value in some place, removed or added.
    fn json(&mut self, value: &mut Json) {
        let odd =
            ["null", "-1", "0", "1e300", "18446744073709551615", "0.5", "\"\"", "\"x\"", "[]", "{}", "true", "[1e9]"];
        match value {
            Json::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(self.roll(fields.len())).unwrap().clone();
                match self.roll(6) {
                    0 => drop(fields.remove(&key)),
                    _ => self.json(&mut fields[&key]),
                }
            }
            Json::Array(items) if !items.is_empty() && self.roll(3) > 0 => {
                let at = self.roll(items.len());
                self.json(&mut items[at]);
            }
            other => *other = serde_json::from_str(odd[self.roll(odd.len())]).unwrap(),
        }
    }
}

/// Damages one file of a folder and says which.
fn damage(model: &Path, number: u64) -> &'static str {
    let mut dice = Dice(number);
    let file = FILES[dice.roll(FILES.len())];
    let mut bytes = std::fs::read(model.join(file)).unwrap();
    match serde_json::from_slice(&bytes) {
        Ok(mut json) if dice.roll(3) > 0 => {
            dice.json(&mut json);
            bytes = json.to_string().into_bytes();
        }
        _ => dice.bytes(&mut bytes),
    }
    std::fs::write(model.join(file), bytes).unwrap();
    file
}

/// A run that must end by itself, with no more memory than a small model could want.
fn run(bench: &Bench) -> Output {
    let edrun = env!("CARGO_BIN_EXE_edrun");
    let mut command = bench.command();
    let place = command.get_current_dir().unwrap().to_owned();
    let (home, cache) = (place.clone(), place.join("cache"));
    command = Command::new("sh");
    command.current_dir(place).env("HOME", home).env("XDG_CACHE_HOME", cache).args([
        "-c",
        "ulimit -v 16000000; exec \"$0\" \"$@\"",
        edrun,
    ]);
    command.args([
        "image",
        "a red cube",
        "--model",
        "model",
        "--steps",
        "2",
        "--seed",
        "7",
        "-o",
        "out.png",
        "--threads",
        "1",
    ]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if start.elapsed() > PATIENCE {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// What is wrong with how a run ended, if anything.
fn fault(bench: &Bench, output: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let errors = said.lines().filter(|line| line.starts_with("error: ")).count();
    let fault = match output.status.code() {
        _ if said.contains("panicked") => "it panicked",
        None => "it was killed",
        Some(0) if bench.path("out.png").is_file() => return None,
        Some(2) if errors == 1 && bench.files().is_empty() => return None,
        Some(2) if errors == 1 => "it left files behind",
        Some(_) => "it ended without a sentence or a picture",
    };
    Some(format!("{fault} ({}): {said}", output.status))
}

#[cfg(unix)]
#[test]
fn random_damage_ends_in_a_sentence_or_a_picture() {
    let count = std::env::var("EDRUN_TEST_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return;
            }
            let bench = Bench::new();
            let file = damage(&bench.path("model"), number as u64);
            if let Some(fault) = fault(&bench, &run(&bench)) {
                println!("mutation {number} of {file}: {fault}");
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    assert_eq!(failed.into_inner(), 0, "of {count}");
}

#[test]
fn damage_is_the_same_for_the_same_number() {
    let folders: [Bench; 2] = std::array::from_fn(|_| Bench::new());
    let files = folders.each_ref().map(|bench| damage(&bench.path("model"), 11));
    assert_eq!(files[0], files[1]);
    let read = |bench: &Bench| std::fs::read(bench.path("model").join(files[0])).unwrap();
    assert_eq!(read(&folders[0]), read(&folders[1]));
    let whole: PathBuf = crate::data("models/sd15").join(files[0]);
    assert_ne!(read(&folders[0]), std::fs::read(whole).unwrap());
}
