//! Model folders by name: below folders that hold models, and in the cache of the Hugging Face hub.

use crate::error::{Error, ErrorKind, Result};
use crate::folder::Folder;
use std::path::{Path, PathBuf};

/// Where models are found by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelRoots {
    /// Folders that hold models by name, such as `sd15` or `org/sd15`.
    pub folders: Vec<PathBuf>,
    /// The cache of the Hugging Face hub, if there is one.
    pub hub: Option<PathBuf>,
}

/// How the hub's cache begins the names of folders with models.
const MODELS: &str = "models--";
const SNAPSHOTS: &str = "snapshots";

impl ModelRoots {
    /// The user's own folder and the hub's cache, behind the folders given.
    pub fn usual(first: &[PathBuf]) -> Self {
        Self { folders: first.iter().cloned().chain(own_folder()).collect(), hub: hub_cache() }
    }

    /// The folder of the model called `name`; `None` where there is none. In the hub's cache, `ORG/NAME@REVISION` names
    /// a revision, and a name without its organisation will do while only one has it.
    ///
    /// # Errors
    /// `MissingFile` when a name fits several models, or a revision is not there.
    pub fn find(&self, name: &str) -> Result<Option<PathBuf>> {
        let plain = name.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
        if !plain || Path::new(name).is_absolute() {
            return Ok(None);
        }
        if let Some(folder) = self.folders.iter().map(|root| root.join(name)).find(|folder| folder.is_dir()) {
            return Ok(Some(folder));
        }
        let (name, revision) = name.split_once('@').map_or((name, None), |(name, revision)| (name, Some(revision)));
        let Some(entry) = self.in_hub(name)? else { return Ok(None) };
        match (snapshot(&entry, revision), revision) {
            (Some(folder), _) => Ok(Some(folder)),
            (None, Some(revision)) => {
                let message = format!("{name} has no revision {revision} in {}; download it", entry.display());
                Err(Error::new(ErrorKind::MissingFile, message))
            }
            (None, None) => Ok(None),
        }
    }

    /// Every model that can be found, by name.
    pub fn all(&self) -> Vec<(String, PathBuf)> {
        let mut all = Vec::new();
        for root in &self.folders {
            for (name, folder) in children(root) {
                match is_model(&folder) {
                    true => all.push((name, folder)),
                    false => all.extend(
                        children(&folder)
                            .filter(|(_, inner)| is_model(inner))
                            .map(|(inner, folder)| (format!("{name}/{inner}"), folder)),
                    ),
                }
            }
        }
        for (name, entry) in self.hub.iter().flat_map(|hub| children(hub)) {
            let folder = snapshot(&entry, None).filter(|folder| is_model(folder));
            let name = name.strip_prefix(MODELS).map(|name| name.replacen("--", "/", 1));
            all.extend(name.zip(folder));
        }
        all.sort();
        all
    }

    fn in_hub(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(hub) = &self.hub else { return Ok(None) };
        let exact = hub.join(format!("{MODELS}{}", name.replace('/', "--")));
        if exact.is_dir() {
            return Ok(Some(exact));
        }
        let ending = format!("--{name}");
        let mut fitting: Vec<_> =
            children(hub).filter(|(entry, _)| entry.starts_with(MODELS) && entry.ends_with(&ending)).collect();
        fitting.sort();
        if let [(_, one)] = fitting.as_slice() {
            return Ok(Some(one.clone()));
        }
        if fitting.is_empty() || name.contains('/') {
            return Ok(None);
        }
        let names: Vec<_> =
            fitting.iter().map(|(entry, _)| entry.trim_start_matches(MODELS).replacen("--", "/", 1)).collect();
        let message = format!("several models are called {name}: {}; name one in full", names.join(", "));
        Err(Error::new(ErrorKind::MissingFile, message))
    }
}

/// The folder of a revision: a branch or tag by its file below `refs`, or a commit.
fn snapshot(entry: &Path, revision: Option<&str>) -> Option<PathBuf> {
    let snapshots = entry.join(SNAPSHOTS);
    let named = std::fs::read_to_string(entry.join("refs").join(revision.unwrap_or("main"))).ok();
    let by_name = named.map(|commit| snapshots.join(commit.trim())).filter(|folder| folder.is_dir());
    let commits = || children(&snapshots).map(|(_, folder)| folder);
    by_name.or_else(|| match revision {
        Some(revision) => commits().find(|folder| folder.ends_with(revision)),
        None => commits().max_by_key(|folder| folder.metadata().and_then(|meta| meta.modified()).ok()),
    })
}

/// Folders inside a folder, by name.
fn children(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders.into_iter().filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
}

fn is_model(folder: &Path) -> bool {
    let Ok(folder) = Folder::open(folder) else { return false };
    folder.subfolder("model_index.json").is_file() || folder.has("") || !folder.components().is_empty()
}

/// `edrun/models` where the user's programs keep data.
fn own_folder() -> Option<PathBuf> {
    let usual = || Some(std::env::home_dir()?.join(if cfg!(windows) { "AppData/Local" } else { ".local/share" }));
    let data = set(if cfg!(windows) { "LOCALAPPDATA" } else { "XDG_DATA_HOME" }).or_else(usual)?;
    Some(data.join("edrun").join("models"))
}

/// Where the hub's own programs keep it.
fn hub_cache() -> Option<PathBuf> {
    let home = || set("XDG_CACHE_HOME").or_else(|| Some(std::env::home_dir()?.join(".cache")));
    let inner = || set("HF_HOME").or_else(|| Some(home()?.join("huggingface")));
    set("HF_HUB_CACHE").or_else(|| set("HUGGINGFACE_HUB_CACHE")).or_else(|| Some(inner()?.join("hub")))
}

fn set(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn with(files: &[&str]) -> (tempfile::TempDir, ModelRoots) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file.rsplit('/').next().unwrap_or_default().trim_end_matches("-ref")).unwrap();
        }
        let roots = ModelRoots { folders: vec![dir.path().join("root")], hub: Some(dir.path().join("hub")) };
        (dir, roots)
    }

    #[test]
    fn names_lead_to_folders() {
        let (dir, roots) = with(&[
            "root/sd15/model_index.json",
            "root/org/sd21/unet/model.onnx",
            "root/speech/onnx/text_encoder.onnx",
            "root/speech/onnx/vocoder.onnx",
            "hub/models--org--flux/snapshots/aaa/model_index.json",
            "hub/models--org--flux/snapshots/bbb/model_index.json",
            "hub/models--one--same/snapshots/a/model_index.json",
            "hub/models--two--same/snapshots/a/model_index.json",
            "hub/models--bert/snapshots/c/model.onnx",
            "hub/models--org--empty/snapshots/c/README.md",
            "hub/datasets--org--x/snapshots/c/model.onnx",
        ]);
        let refs = dir.path().join("hub/models--org--flux/refs");
        fs::create_dir_all(&refs).unwrap();
        fs::write(refs.join("main"), "aaa\n").unwrap();
        fs::write(refs.join("v2"), "bbb").unwrap();
        let cases = [
            ("sd15", Some("root/sd15")),
            ("org/sd21", Some("root/org/sd21")),
            ("org/flux", Some("hub/models--org--flux/snapshots/aaa")),
            ("flux", Some("hub/models--org--flux/snapshots/aaa")),
            ("org/flux@v2", Some("hub/models--org--flux/snapshots/bbb")),
            ("flux@bbb", Some("hub/models--org--flux/snapshots/bbb")),
            ("bert", Some("hub/models--bert/snapshots/c")),
            ("two/same", Some("hub/models--two--same/snapshots/a")),
            ("absent", None),
            ("../hub", None),
            ("", None),
            ("/etc", None),
        ];
        for (name, want) in cases {
            assert_eq!(roots.find(name).unwrap(), want.map(|want| dir.path().join(want)), "{name}");
        }
        for (name, part) in [("same", "one/same, two/same"), ("org/flux@v9", "v9")] {
            let error = roots.find(name).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        let names: Vec<_> = roots.all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["bert", "one/same", "org/flux", "org/sd21", "sd15", "speech", "two/same"]);
    }
}
