//! Which model a command runs: a folder, or one that is built in.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_onnx::{BUILT_IN, BuiltIn};
use serde_json::{Value as Json, json};

use super::Ending;

/// A model, found.
pub(super) struct Model {
    pub(super) folder: PathBuf,
    /// What reports and files call it.
    pub(super) name: String,
}

impl Model {
    /// The folder that was asked for, or the built-in model of that name; without a wish, the command's default.
    ///
    /// # Errors
    /// When there is no default, and when a built-in model cannot be unpacked.
    pub(super) fn find(asked: Option<&Path>, command: &str) -> Result<Self> {
        let Some(asked) = asked else {
            let model = BuiltIn::default_of(command).with_context(|| {
                format!("this edrun has no built-in model for `edrun {command}`; give a model folder with --model")
            })?;
            return Self::unpacked(model);
        };
        match asked.to_str().and_then(BuiltIn::find) {
            Some(model) if !asked.exists() => Self::unpacked(model),
            _ if !asked.exists() => {
                bail!(
                    "--model {} does not exist; give a model folder or a built-in model ({})",
                    asked.display(),
                    built_in_names()
                )
            }
            _ => Ok(Self { folder: asked.to_owned(), name: folder_name(asked) }),
        }
    }

    fn unpacked(model: &BuiltIn) -> Result<Self> {
        Ok(Self { folder: model.folder()?, name: model.name.to_owned() })
    }
}

/// `edrun models`.
pub(super) fn list(json: bool) -> Result<Ending> {
    let mut out = std::io::stdout().lock();
    if json {
        let rows: Vec<_> = BUILT_IN.iter().map(row).collect();
        writeln!(out, "{:#}", Json::from(rows))?;
        return Ok(Ending::Done);
    }
    for model in BUILT_IN {
        let size = model.bytes() as f64 / 1e6;
        writeln!(
            out,
            "{:12} {}; edrun {} --model {}; {size:.1} MB",
            model.name, model.about, model.command, model.name
        )?;
    }
    Ok(Ending::Done)
}

fn row(model: &BuiltIn) -> Json {
    json!({ "name": model.name, "command": model.command, "about": model.about, "bytes": model.bytes() })
}

fn built_in_names() -> String {
    match BUILT_IN {
        [] => "this edrun has none".to_owned(),
        models => models.iter().map(|model| model.name).collect::<Vec<_>>().join(", "),
    }
}

fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize().ok();
    let name = whole.as_deref().and_then(Path::file_name).or(folder.file_name());
    name.unwrap_or_default().to_string_lossy().into_owned()
}
