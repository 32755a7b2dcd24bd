//! Model folders: where graphs and their configuration lie on disk.

use crate::error::{Error, ErrorKind, Result};
use std::io;
use std::path::{Component, Path, PathBuf};

/// A folder with one subfolder for each component, as exporters write it, or with the graphs of all components side by
/// side, in the folder itself or in its `onnx` subfolder, as speech models are deployed.
///
/// ```text
/// model/                               model/
///   model_index.json                     onnx/text_encoder.onnx
///   unet/model.onnx                      onnx/vocoder.int8.onnx
///   scheduler/scheduler_config.json      onnx/tts.json
/// ```
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
}

const GRAPH: &str = "model.onnx";

/// Where graphs lie side by side.
const BESIDE: [&str; 2] = ["", "onnx"];

/// What stands between a component's name and the ending of its graph; in full precision, nothing.
const PRECISIONS: [&str; 4] = ["", ".int8", "_int8", ".fp16"];

/// What graphs that lie side by side are called where it is not their component's name (sherpa-onnx's ZipVoice).
const CALLED: [(&str, &str); 3] = [("text_encoder", "encoder"), ("fm_decoder", "decoder"), ("vocoder", "vocos_24khz")];

impl Folder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// `MissingFile` if it does not exist or is a file.
    pub fn open(path: &Path) -> Result<Self> {
        let what = match path.metadata() {
            Ok(meta) if meta.is_dir() => return Ok(Self { path: path.to_owned() }),
            Ok(_) => "is a file; name the folder with the model's components",
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => "does not exist",
            Err(cause) => return Err(Error::io("open model folder", path, &cause)),
        };
        Err(Error::new(ErrorKind::MissingFile, format!("model folder {} {what}", path.display())))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a component; it need not exist.
    ///
    /// A name that would lead out of this folder leads to a name that cannot exist instead.
    pub fn subfolder(&self, name: &str) -> PathBuf {
        let relative = Path::new(name);
        let stays = relative.components().all(|part| matches!(part, Component::Normal(_)));
        self.path.join(if stays { relative } else { Path::new("\u{fffd}") })
    }

    /// The graph of a component: `<component>/model.onnx`, or else the only `.onnx` file there, or else
    /// `<component>.onnx` beside others.
    ///
    /// # Errors
    /// `MissingFile`, naming what was expected, which components are there, and the remedy.
    pub fn graph(&self, component: &str) -> Result<PathBuf> {
        self.find_graph(component).ok_or_else(|| self.no_graph(component))
    }

    /// Whether a component has a graph.
    pub fn has(&self, component: &str) -> bool {
        self.find_graph(component).is_some()
    }

    /// The names of the components that have a graph, sorted.
    pub fn components(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let folders = names.filter(|name| self.path.join(name).is_dir() && self.has(name));
        let mut names: Vec<_> = folders.chain(self.beside()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The components whose graphs lie side by side.
    fn beside(&self) -> impl Iterator<Item = String> {
        let graphs =
            BESIDE.iter().map(|place| graphs_in(&self.path.join(place))).filter(|graphs| are_components(graphs));
        graphs.flatten().map(|path| component_of(&path))
    }

    /// A file that lies beside such graphs.
    pub fn beside_graphs(&self, name: &str) -> Option<PathBuf> {
        BESIDE.iter().map(|place| self.path.join(place).join(name)).find(|path| path.is_file())
    }

    /// A JSON file below this folder, or `None` if it is absent.
    ///
    /// Python's `json` writes numbers that are not finite as bare words; they come as text.
    ///
    /// # Errors
    /// `Io` if it cannot be read; `Config`, naming line and column, if it is not JSON.
    pub fn json(&self, relative: &str) -> Result<Option<serde_json::Value>> {
        let path = self.subfolder(relative);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(Error::io("read", &path, &cause)),
        };
        let parsed = serde_json::from_slice(&text);
        let parsed = parsed.or_else(|cause| serde_json::from_slice(&quote_non_finite(&text)).map_err(|_| cause));
        parsed.map(Some).map_err(|cause| not_json(&path, &cause))
    }

    fn find_graph(&self, component: &str) -> Option<PathBuf> {
        let folder = self.subfolder(component);
        let usual = folder.join(GRAPH);
        if usual.is_file() {
            return Some(usual);
        }
        let mut graphs = graphs_in(&folder);
        // With several to choose from, guessing could run the wrong one.
        if graphs.len() == 1 { graphs.pop() } else { self.find_beside(component) }
    }

    /// The graph of a component among others, in the highest precision that is there.
    fn find_beside(&self, component: &str) -> Option<PathBuf> {
        let called = CALLED.iter().filter(|(name, _)| *name == component).map(|(_, called)| *called);
        let stems: Vec<&str> = [component].into_iter().filter(|name| !name.is_empty()).chain(called).collect();
        let files = stems.iter().flat_map(|stem| PRECISIONS.map(|precision| format!("{stem}{precision}.onnx")));
        files.flat_map(|file| BESIDE.map(|place| self.subfolder(place).join(&file))).find(|path| path.is_file())
    }

    fn no_graph(&self, component: &str) -> Error {
        let folder = self.subfolder(component);
        let others = graphs_in(&folder);
        let expected = folder.join(GRAPH);
        let what = match others.len() {
            0 => "does not exist".to_owned(),
            _ => format!("does not exist, and beside it are {}", names(&others)),
        };
        let there = match self.components() {
            found if found.is_empty() => "the folder has no component with a graph".to_owned(),
            found => format!("components with a graph are {}", found.join(", ")),
        };
        let message = format!(
            "graph {} {what}; {there}; export one with `optimum-cli export onnx --model MODEL {}`",
            expected.display(),
            self.path.display()
        );
        Error::new(ErrorKind::MissingFile, message)
    }
}

/// The component that a graph belongs to: what its folder is called, or where it lies beside others, what it is itself.
pub fn component_of(graph: &Path) -> String {
    let folder = graph.parent().unwrap_or(Path::new(""));
    if !are_components(&graphs_in(folder)) {
        return folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    }
    let stem = graph.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ends = PRECISIONS.iter().filter(|end| !end.is_empty());
    let name = ends.fold(stem.as_str(), |name, end| name.strip_suffix(end).unwrap_or(name));
    CALLED.iter().find(|(_, called)| *called == name).map_or(name, |(component, _)| *component).to_owned()
}

/// Whether graphs in one folder are called after components: a graph alone is not, nor are those beside the usual name, which
/// are the same in other precisions.
fn are_components(graphs: &[PathBuf]) -> bool {
    graphs.len() > 1 && !graphs.iter().any(|graph| graph.ends_with(GRAPH))
}

/// Puts quotes around `NaN`, `Infinity` and `-Infinity` outside strings.
fn quote_non_finite(text: &[u8]) -> Vec<u8> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut quoted = Vec::with_capacity(text.len() + 8);
    let (mut rest, mut inside, mut escaped) = (text, false, false);
    while let [byte, after @ ..] = rest {
        if let Some(word) = WORDS.into_iter().find(|word| !inside && rest.starts_with(word)) {
            quoted.extend([b"\"", word, b"\""].concat());
            rest = rest.get(word.len()..).unwrap_or_default();
            continue;
        }
        inside ^= *byte == b'"' && !escaped;
        escaped = inside && *byte == b'\\' && !escaped;
        quoted.push(*byte);
        rest = after;
    }
    quoted
}

fn graphs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_graph = |path: &PathBuf| path.extension().is_some_and(|end| end == "onnx") && path.is_file();
    let mut graphs: Vec<_> = paths.filter(is_graph).collect();
    graphs.sort_unstable();
    graphs
}

fn names(paths: &[PathBuf]) -> String {
    let names = paths.iter().filter_map(|path| path.file_name());
    names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join(", ")
}

fn not_json(path: &Path, cause: &serde_json::Error) -> Error {
    let (path, line, column) = (path.display(), cause.line(), cause.column());
    Error::new(ErrorKind::Config, format!("{path} is not JSON at line {line}, column {column}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn model(files: &[&str]) -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, r#"{"a": 1}"#).unwrap();
        }
        let folder = Folder::open(dir.path()).unwrap();
        (dir, folder)
    }

    #[test]
    fn graphs_are_found_by_component() {
        let (_dir, folder) = model(&[
            "unet/model.onnx",
            "unet/other.onnx",
            "vae_decoder/decoder.onnx",
            "several/a.onnx",
            "several/b.onnx",
            "scheduler/scheduler_config.json",
        ]);
        assert_eq!(folder.components(), ["unet", "vae_decoder"]);
        assert!(folder.graph("unet").unwrap().ends_with("unet/model.onnx"));
        assert!(folder.graph("vae_decoder").unwrap().ends_with("vae_decoder/decoder.onnx"));
        let error = folder.graph("several").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::MissingFile);
        for part in ["several/model.onnx", "a.onnx, b.onnx", "unet, vae_decoder", "optimum-cli export onnx"] {
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(!folder.has("scheduler"));
    }

    #[test]
    fn graphs_that_lie_side_by_side_are_components() {
        let check = |files: &[&str], want: &[(&str, &str)]| {
            let (dir, folder) = model(files);
            assert_eq!(folder.components(), want.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{files:?}");
            for (name, file) in want {
                assert_eq!(folder.graph(name).unwrap(), dir.path().join(file), "{name}");
                assert_eq!(component_of(&dir.path().join(file)), *name, "{file}");
            }
            assert!(!folder.has("") && !folder.has("encoder2"), "{files:?}");
        };
        check(
            &["onnx/text_encoder.onnx", "onnx/vocoder.onnx", "onnx/vocoder.int8.onnx", "onnx/tts.json"],
            &[("text_encoder", "onnx/text_encoder.onnx"), ("vocoder", "onnx/vocoder.onnx")],
        );
        let sherpa = [
            ("fm_decoder", "decoder.int8.onnx"),
            ("text_encoder", "encoder.int8.onnx"),
            ("vocoder", "vocos_24khz.onnx"),
        ];
        check(&sherpa.map(|(_, file)| file), &sherpa);
        let mixed = [
            ("fm_decoder", "fm_decoder.onnx"),
            ("text_encoder", "text_encoder_int8.onnx"),
            ("unet", "unet/model.onnx"),
        ];
        check(&mixed.map(|(_, file)| file), &mixed);
        // One graph in several precisions.
        let (_dir, folder) = model(&["model.onnx", "model_quantized.onnx", "onnx/model.onnx", "onnx/model_fp16.onnx"]);
        assert_eq!(folder.components(), ["onnx"]);
        assert!(folder.has(""));
    }

    #[test]
    fn names_never_leave_the_folder() {
        let (dir, folder) = model(&["inner/unet/model.onnx", "secret/model.onnx", "secret/s.json"]);
        let inner = Folder::open(&dir.path().join("inner")).unwrap();
        let absolute = dir.path().join("secret");
        for name in ["../secret", "unet/../../secret", absolute.to_str().unwrap(), "..", ""] {
            assert!(!inner.has(name), "{name}");
            assert!(inner.subfolder(name).starts_with(inner.path()), "{name}");
        }
        assert_eq!(inner.json("../secret/s.json").unwrap(), None);
        assert!(folder.has("inner/unet"));
    }

    #[test]
    fn configuration_is_read() {
        let (dir, folder) = model(&["scheduler/scheduler_config.json"]);
        fs::write(dir.path().join("bad.json"), "{\n  \"a\": oops\n}").unwrap();
        assert_eq!(folder.json("scheduler/scheduler_config.json").unwrap().unwrap()["a"], 1);
        assert_eq!(folder.json("absent.json").unwrap(), None);
        let error = folder.json("bad.json").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("bad.json is not JSON") && error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn numbers_that_python_writes_beyond_json_come_as_text() {
        let (dir, folder) = model(&[]);
        let text = r#"{"lambda_min_clipped": -Infinity, "b": [NaN, Infinity], "c": "-Infinity \" NaN"}"#;
        fs::write(dir.path().join("python.json"), text).unwrap();
        let json = folder.json("python.json").unwrap().unwrap();
        assert_eq!(json["lambda_min_clipped"], "-Infinity");
        assert_eq!(json["b"], serde_json::json!(["NaN", "Infinity"]));
        assert_eq!(json["c"], "-Infinity \" NaN");
    }

    #[test]
    fn folders_that_are_none_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for (path, expected) in [(file, "is a file"), (dir.path().join("absent"), "does not exist")] {
            let error = Folder::open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::MissingFile);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
