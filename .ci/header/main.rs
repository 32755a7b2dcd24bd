//! Writes `include/edrun.h`, or with `--check` says whether it is what would be written. Runs in the repository's root.

use cbindgen::{Builder, Config, DocumentationStyle, EnumConfig, Language, RenameRule};
use std::path::Path;
use std::process::ExitCode;

const HEADER: &str = "include/edrun.h";
const SOURCES: [&str; 2] = ["src/c/types.rs", "src/c.rs"];
const OPENING: &str = "/* Runs exported diffusion models of every modality on ONNX Runtime.\n * Made of src/c.rs by .ci/header; \
                       change that file instead. */";

fn main() -> ExitCode {
    match run(std::env::args().any(|word| word == "--check")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(only_check: bool) -> Result<(), String> {
    let builder = SOURCES.iter().fold(Builder::new(), |builder, file| builder.with_src(Path::new(file)));
    let bindings = builder.with_config(config()).generate().map_err(|cause| cause.to_string())?;
    let mut made = Vec::new();
    bindings.write(&mut made);
    match only_check {
        true if std::fs::read(HEADER).is_ok_and(|kept| kept == made) => Ok(()),
        true => Err(format!("{HEADER} is out of date: run `cargo run --manifest-path .ci/header/Cargo.toml`")),
        false => std::fs::write(HEADER, made).map_err(|cause| format!("{HEADER} cannot be written: {cause}")),
    }
}

fn config() -> Config {
    Config {
        language: Language::C,
        header: Some(OPENING.into()),
        include_guard: Some("EDRUN_H".into()),
        cpp_compat: true,
        documentation_style: DocumentationStyle::Doxy,
        line_length: 120,
        usize_is_size_t: true,
        enumeration: EnumConfig { rename_variants: RenameRule::QualifiedScreamingSnakeCase, ..EnumConfig::default() },
        ..Config::default()
    }
}
