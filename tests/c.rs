//! The C interface, from C programs. That its header is current, `.ci/run` checks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{stderr, stdout};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Builds the library as the README says, without the command line, but with every modality.
fn library() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let features = ["--no-default-features", "--features", "c,models,image,audio,text,mesh,video"];
    let output = Command::new(cargo)
        .args(["rustc", "--locked", "--quiet", "--lib", "--crate-type", "cdylib"])
        .args(features)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    Path::new(env!("CARGO_BIN_EXE_edrun")).parent().unwrap().to_owned()
}

/// What a C program says on standard output.
fn compiled(compiler: &str, source: &Path, library: &Path, place: &Path, words: &[&OsStr]) -> String {
    let program = place.join("program");
    let output = Command::new(compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o"])
        .args([&program, source])
        .arg(format!("-I{}", root().join("include").display()))
        .arg(format!("-L{}", library.display()))
        .arg("-ledrun")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let output = Command::new(&program)
        .args(words)
        .env("LD_LIBRARY_PATH", library)
        .env("DYLD_LIBRARY_PATH", library)
        .current_dir(place)
        .output()
        .unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    stdout(&output)
}

#[test]
fn a_c_program_makes_the_same_picture() {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    if Command::new(&compiler).arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no C compiler {compiler} to test the C interface with");
        return;
    }
    let (folder, temp) = (library(), tempfile::tempdir().unwrap());
    let (model, picture) = (crate::data("models/sd15"), temp.path().join("picture.png"));
    let ask = r#"{"prompt": "a red cube", "seed": 7, "steps": 4, "guidance_scale": 3.0}"#;
    let words = [model.as_os_str(), ask.as_ref(), picture.as_os_str()];
    let said = compiled(&compiler, &root().join("tests/c/generate.c"), &folder, temp.path(), &words);
    let ask = edrun::Ask {
        prompt: "a red cube".into(),
        seed: 7,
        steps: Some(4),
        guidance_scale: Some(3.0),
        ..edrun::Ask::default()
    };
    let want = edrun::Pipeline::open(&model).unwrap().image(&ask).unwrap();
    let sum = want.to_rgb8().iter().fold(0u64, |all, byte| all.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    assert_eq!(said.trim(), format!("{} {} {sum}", want.width, want.height));
    let info = edrun_modalities::Info::of(&edrun_modalities::info::about(&picture).unwrap().texts).unwrap();
    let made: serde_json::Value = serde_json::from_str(&info.json).unwrap();
    assert_eq!((&made["seed"], &made["steps"], &made["prompt"]), (&7.into(), &4.into(), &"a red cube".into()));

    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let example = readme.split("```c\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let source = temp.path().join("apple.c");
    std::fs::write(&source, example).unwrap();
    compiled(&compiler, &source, &folder, temp.path(), &[]);
    let apple = edrun_modalities::image::Picture::open(&temp.path().join("apple.png")).unwrap();
    assert_eq!((apple.width, apple.height), (64, 64));
}
