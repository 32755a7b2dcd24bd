//! Fetches the ONNX Runtime library once per machine, so that a fresh clone runs and tests
//! with one command. A build without network still succeeds: it warns, and the run says
//! what to do.

// These files serve the crate as well, which uses the rest of them.
#[allow(dead_code)]
#[path = "install.rs"]
mod install;
#[allow(dead_code)]
#[path = "unfinished.rs"]
mod unfinished;
#[allow(dead_code)]
#[path = "wheel.rs"]
mod wheel;

use install::Target;
use std::path::PathBuf;
use wheel::{Build, FLAVOURS, Flavour};

fn main() {
    declare_triggers();
    let library = match provide() {
        Ok(path) => path.display().to_string(),
        Err(reason) => {
            println!("cargo:warning=ONNX Runtime was not fetched: {reason}");
            String::new()
        }
    };
    println!("cargo:rustc-env=EDRUN_FETCHED_ORT={library}");
}

fn declare_triggers() {
    for file in ["build.rs", "install.rs", "unfinished.rs", "wheel.rs"] {
        println!("cargo:rerun-if-changed={file}");
    }
    for name in ["EDRUN_NO_FETCH", "EDRUN_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
}

/// The library in the cache, fetched if it is not there yet.
fn provide() -> Result<PathBuf, String> {
    let flavour = FLAVOURS.first().ok_or("no flavour is known")?;
    let target = Target { flavour, build: build_of_target(flavour)?, cache: wheel::cache_dir() };
    // Named even while it is missing: Cargo then runs this script again at the next build.
    println!("cargo:rerun-if-changed={}", target.library().display());
    if target.is_intact() {
        return Ok(target.library());
    }
    if is_set("EDRUN_NO_FETCH") || is_set("DOCS_RS") {
        return Err("fetching is switched off by EDRUN_NO_FETCH".into());
    }
    target.install(false)?;
    Ok(target.library())
}

fn build_of_target(flavour: &'static Flavour) -> Result<&'static Build, String> {
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let (os, arch) = (var("CARGO_CFG_TARGET_OS"), var("CARGO_CFG_TARGET_ARCH"));
    let fits = var("CARGO_CFG_TARGET_ENV") != "musl";
    flavour
        .build_for(&os, &arch)
        .filter(|_| fits)
        .ok_or_else(|| format!("PyPI has no library for {arch}-{os}; name one with --ort-lib or EDRUN_ORT_LIB"))
}

fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok_and(|value| !value.is_empty() && value != "0")
}
