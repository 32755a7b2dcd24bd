//! A model folder whose configuration files have any content: the first byte says which, the rest is the file.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use edrun::pipeline::text::{TextAsk, TextPipeline};
use edrun::pipeline::{Ask, Pipeline, Settings};
use libfuzzer_sys::fuzz_target;

/// Files of a picture's model; the rest of the folder is a small deployment of the tests.
const FILES: [&str; 7] = [
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "vae_decoder/config.json",
    "edrun.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
];

/// Files of a language model.
const TEXT_FILES: [&str; 3] = ["config.json", "tokenizer_config.json", "tokenizer.json"];

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a temporary folder");
    for entry in std::fs::read_dir(from).expect("the models of the tests").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

static FOLDERS: LazyLock<[PathBuf; 2]> = LazyLock::new(|| {
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/models");
    ["sd15", "llada"].map(|name| {
        let folder = std::env::temp_dir().join(format!("edrun-fuzz-{name}-{}", std::process::id()));
        copy(&models.join(name), &folder);
        folder
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((which, content)) = bytes.split_first() else { return };
    let [picture, text] = &*FOLDERS;
    let (folder, name) = match FILES.iter().chain(&TEXT_FILES).nth(usize::from(*which) % 10) {
        Some(name) if TEXT_FILES.contains(name) => (text, name),
        Some(name) => (picture, name),
        None => return,
    };
    let file = folder.join(name);
    let before = std::fs::read(&file).ok();
    std::fs::write(&file, content).expect("a temporary file");
    if folder == picture {
        if let Ok(pipeline) = Pipeline::open(folder, Settings::default()) {
            let _ = pipeline.plan(&Ask::default()).map(|plan| pipeline.memory(&[&plan]));
        }
    } else if let Ok(pipeline) = TextPipeline::open(folder, Settings::default()) {
        let _ = pipeline.plan(&TextAsk::default());
    }
    match before {
        Some(before) => std::fs::write(&file, before).expect("a temporary file"),
        None => drop(std::fs::remove_file(&file)),
    }
});
