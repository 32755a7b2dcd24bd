//! All tests from outside the crate, as one binary. What is where:
//! - `moments`: what stochastic methods make of Gaussian data
//! - `rng`: random numbers against torch and numpy
//! - `schedulers`: sampling runs against diffusers' schedulers
//! - `step_lists`: step lists against their references
//! - `convergence`: orders of convergence on closed-form models
//! - `recipe`: configuration files, read and corrected as the reference pipelines do
//! - `parity`: whole deployments against the Python pipelines' pictures
//! - `text`: language models against Python, and against a joint distribution that is known
//! - `text_command`: `edrun text` from outside
//! - `fields`: decoders of objects, and a whole Shap-E, against torch and diffusers
//! - `mesh`: `edrun 3d` from outside
//! - `audio`: sound against references, and `edrun audio` from outside
//! - `video`: clips against references, and `edrun video` from outside
//! - `sound_models`: sound models of the field against diffusers
//! - `voices`: models that speak against their own host loops, and `edrun audio` with them from outside
//! - `sound_files`: the files that `edrun audio` writes
//! - `sound_media`: files of sound read back, other rates and channels, loudness, spectrograms
//! - `sound_editing`: sound from sound, long sound, sound in a stream
//! - `command`: the binary from outside: flags, files, errors, exit codes
//! - `failures`: what goes wrong outside: interruptions, full disks, damaged caches and weights
//! - `graph_files`: graph files taken apart, for those that damage them
//! - `runtimes`: ONNX Runtime libraries and providers, from outside
//! - `openvino`: OpenVINO beside ONNX Runtime's own kernels
//! - `mutations`: model folders with random damage
//! - `inspect`: what it says of files and folders
//! - `config`: flags that are set without being typed
//! - `library`: the crate as others embed it
//! - `timing`: where the time went
//! - `c`: the C interface, from a C program
//! - `preview`: what it shows before it is done
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(feature = "cli")]
mod audio;
#[cfg(feature = "cli")]
mod c;
mod closed_form;
#[cfg(feature = "cli")]
mod command;
#[cfg(feature = "cli")]
mod config;
mod convergence;
#[cfg(feature = "cli")]
mod failures;
#[cfg(feature = "mesh")]
mod fields;
#[cfg(feature = "cli")]
mod graph_files;
#[cfg(feature = "cli")]
mod inspect;
#[cfg(feature = "cli")]
mod library;
#[cfg(feature = "cli")]
mod mesh;
mod moments;
#[cfg(feature = "cli")]
mod mutations;
#[cfg(feature = "cli")]
mod openvino;
#[cfg(feature = "image")]
mod parity;
#[cfg(feature = "cli")]
mod preview;
#[cfg(feature = "run")]
mod recipe;
mod rng;
#[cfg(feature = "cli")]
mod runtimes;
mod schedulers;
#[cfg(feature = "cli")]
mod sound_editing;
#[cfg(feature = "cli")]
mod sound_files;
#[cfg(feature = "audio")]
mod sound_media;
#[cfg(feature = "cli")]
mod sound_models;
mod step_lists;
#[cfg(feature = "text")]
mod text;
#[cfg(feature = "cli")]
mod text_command;
#[cfg(feature = "cli")]
mod timing;
#[cfg(feature = "cli")]
mod video;
#[cfg(feature = "run")]
mod video_families;
#[cfg(feature = "cli")]
mod voices;

#[cfg(feature = "run")]
use std::path::Path;
use std::path::PathBuf;

/// A path below `tests/data`.
fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// Copies a folder and what is in it, over what is there.
#[cfg(feature = "run")]
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            std::fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

/// Reads a golden JSON file of `tests/data`.
fn golden(name: &str) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(data(name)).unwrap()).unwrap()
}
