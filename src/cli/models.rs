//! Which model a command runs: a folder, one that is found by name, or one that is built in.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use edrun_onnx::{BUILT_IN, BuiltIn, ModelRoots};
use serde_json::{Value as Json, json};

use super::Ending;
use super::args::{ModelsArgs, RunningArgs};

/// A model, found.
pub(super) struct Model {
    pub(super) folder: PathBuf,
    /// What reports and files call it.
    pub(super) name: String,
}

impl Model {
    /// The folder that was asked for, or the model of that name; without a wish, the command's default.
    ///
    /// # Errors
    /// When there is no default, when a name fits none or several, and when a built-in model cannot be unpacked.
    pub(super) fn find(args: &RunningArgs, command: &str) -> Result<Self> {
        let Some(asked) = &args.model else {
            let model = BuiltIn::default_of(command).with_context(|| {
                format!("this edrun has no built-in model for `edrun {command}`; give a model folder with --model")
            })?;
            return Self::unpacked(model);
        };
        if asked.exists() {
            return Ok(Self { folder: asked.clone(), name: folder_name(asked) });
        }
        let roots = ModelRoots::usual(&args.model_root);
        let name = asked.to_str().unwrap_or_default();
        match (BuiltIn::find(name), roots.find(name)?) {
            (Some(model), _) => Self::unpacked(model),
            (None, Some(folder)) => Ok(Self { folder, name: name.to_owned() }),
            (None, None) => {
                let places = roots.folders.iter().chain(&roots.hub).map(|place| place.display().to_string());
                bail!(
                    "--model {name} does not exist: it is no folder, no built-in model ({}), and no name of a model in {}; `edrun models` \
                     lists what is there",
                    built_in_names(),
                    places.collect::<Vec<_>>().join(", ")
                )
            }
        }
    }

    fn unpacked(model: &BuiltIn) -> Result<Self> {
        Ok(Self { folder: model.folder()?, name: model.name.to_owned() })
    }
}

/// `edrun models`.
pub(super) fn list(args: &ModelsArgs) -> Result<Ending> {
    let found = ModelRoots::usual(&args.model_root).all();
    let mut out = std::io::stdout().lock();
    if args.json {
        let folders =
            found.iter().map(|(name, folder)| json!({ "name": name, "folder": folder.display().to_string() }));
        let rows: Vec<_> = BUILT_IN.iter().map(row).chain(folders).collect();
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
    for (name, folder) in found {
        writeln!(out, "{name:12} {}", folder.display())?;
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
