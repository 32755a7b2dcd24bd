//! A graph file of any content: what is read of it before ONNX Runtime sees it.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use edrun_onnx::{Footprint, Given, Outline};
use libfuzzer_sys::fuzz_target;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("edrun-fuzz-graph-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder.join("model.onnx")
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("a temporary file");
    let _ = Outline::read(&FILE);
    let _ = Outline::total_bytes(&FILE);
    let given = [Given { names: &["sample", "x"], shape: vec![2, 4, 8, 8] }];
    let _ = Footprint::of(&FILE, &given, 2, 77);
});
