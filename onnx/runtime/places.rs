//! Where an ONNX Runtime library may lie.

use crate::error::{Error, ErrorKind, Result};
use crate::install::Target;
use crate::wheel::{FLAVOURS, Flavour, cache_dir};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// By which rule a library is looked for; in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Named by the caller (`--ort-lib`).
    Explicit,
    /// Named by the environment variable `EDRUN_ORT_LIB`.
    Variable,
    /// Beside the executable, as in a packaged release.
    Executable,
    /// Fetched when this program was built.
    Fetched,
    /// Installed into the cache later (`edrun runtime install`).
    Installed,
    /// Left to the search path of the system's loader.
    System,
}

/// A place where the library may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called on the command line: a flavour, `executable`, `system` or `named`.
    pub name: String,
    /// A library file, or a bare name for the system's loader.
    pub path: PathBuf,
    /// The rule that names this place.
    pub origin: Origin,
}

impl Origin {
    /// Whether a person asked for exactly this library.
    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Explicit | Self::Variable)
    }

    /// The rule in words, as they follow a library.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Explicit => "named by --ort-lib",
            Self::Variable => "named by EDRUN_ORT_LIB",
            Self::Executable => "beside the executable",
            Self::Fetched => "fetched when edrun was built",
            Self::Installed => "installed in the cache",
            Self::System => "found by the system's loader",
        }
    }
}

impl Candidate {
    fn new(name: &str, path: PathBuf, origin: Origin) -> Self {
        Self { name: name.to_owned(), path, origin }
    }

    /// The flavour it was installed as.
    pub(super) fn flavour(&self) -> Option<&'static Flavour> {
        let is_ours = matches!(self.origin, Origin::Fetched | Origin::Installed);
        Flavour::find(&self.name).filter(|_| is_ours)
    }

    /// The folder that `edrun` takes a library from when it is named: a file is taken as it is;
    /// in a folder, the library is looked for by its usual names.
    pub(super) fn named(path: &Path, origin: Origin) -> Self {
        // ort would look for a relative name beside the executable first.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let path = if path.is_dir() { library_in(&path).unwrap_or(path) } else { path };
        Self::new("named", path, origin)
    }
}

/// Every place where a library is looked for, in order of preference.
///
/// With a library named by `explicit` or `EDRUN_ORT_LIB` there is only that one. A folder
/// may be named as well, such as `site-packages/onnxruntime/capi`.
pub fn candidates(explicit: Option<&Path>) -> Vec<Candidate> {
    match explicit.map(|path| Candidate::named(path, Origin::Explicit)).or_else(by_variable) {
        Some(only) => vec![only],
        None => found(),
    }
}

/// The library that the environment names.
pub(super) fn by_variable() -> Option<Candidate> {
    let variable: Option<OsString> = std::env::var_os("EDRUN_ORT_LIB").filter(|value| !value.is_empty());
    variable.map(|path| Candidate::named(path.as_ref(), Origin::Variable))
}

/// The libraries that nobody named, in order of preference.
pub(super) fn found() -> Vec<Candidate> {
    let mut all: Vec<_> =
        beside_executable().map(|path| Candidate::new("executable", path, Origin::Executable)).into_iter().collect();
    all.extend(cached(option_env!("EDRUN_FETCHED_ORT"), &cache_dir()));
    all.extend(system_names().map(|name| Candidate::new("system", name.into(), Origin::System)));
    all
}

/// The library of this name, among those that nobody named by path.
///
/// # Errors
/// When there is none: how to install it, or which names there are.
pub(super) fn by_name(name: &str) -> Result<Candidate> {
    let found = found();
    if let Some(candidate) = found.iter().find(|candidate| candidate.name == name) {
        return Ok(candidate.clone());
    }
    let message = match Flavour::find(name) {
        Some(_) => format!("runtime `{name}` is not installed; run `edrun runtime install {name}`"),
        None => {
            let mut names: Vec<_> = found.iter().map(|candidate| candidate.name.as_str()).collect();
            names.dedup();
            format!("there is no runtime `{name}`; found are {}, see `edrun runtime list`", names.join(", "))
        }
    };
    Err(Error::new(ErrorKind::Runtime, message))
}

/// The path known at build time, and what lies in today's cache directory: the binary may have
/// moved to another machine or user.
fn cached(baked: Option<&str>, cache: &Path) -> Vec<Candidate> {
    let first = FLAVOURS.first().map_or("", |flavour| flavour.name);
    let baked = baked.map(PathBuf::from).filter(|path| path.is_file());
    let installed = targets(cache).filter(Target::is_installed);
    let installed = installed.map(|target| Candidate::new(target.flavour.name, target.library(), Origin::Installed));
    let installed = installed.filter(|candidate| Some(&candidate.path) != baked.as_ref());
    let baked = baked.iter().map(|path| Candidate::new(first, path.clone(), Origin::Fetched));
    baked.chain(installed).collect()
}

/// What can be installed on this machine.
pub(super) fn targets(cache: &Path) -> impl Iterator<Item = Target> {
    let fits = !cfg!(target_env = "musl");
    FLAVOURS.iter().filter(move |_| fits).filter_map(|flavour| target(flavour, cache))
}

/// What is to be installed of one flavour on this machine.
pub(super) fn target(flavour: &'static Flavour, cache: &Path) -> Option<Target> {
    let build = flavour.build_for(std::env::consts::OS, std::env::consts::ARCH)?;
    Some(Target { flavour, build, cache: cache.to_owned() })
}

fn beside_executable() -> Option<PathBuf> {
    library_in(std::env::current_exe().ok()?.parent()?)
}

/// The library in a folder; of several versions, the one whose name sorts last.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    entries.filter(|path| is_library_name(path)).max()
}

fn is_library_name(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if cfg!(windows) {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_os = "macos") {
        name.starts_with("libonnxruntime.") && name.ends_with(".dylib")
    } else {
        name == "libonnxruntime.so" || name.starts_with("libonnxruntime.so.")
    }
}

fn system_names() -> impl Iterator<Item = &'static str> {
    let names: &[&str] = if cfg!(windows) {
        &["onnxruntime.dll"]
    } else if cfg!(target_os = "macos") {
        &["libonnxruntime.dylib"]
    } else {
        &["libonnxruntime.so.1", "libonnxruntime.so"]
    };
    names.iter().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_library_is_the_only_candidate() {
        let named = candidates(Some(Path::new("some/lib.so")));
        assert_eq!(named.len(), 1);
        assert!(named[0].path.is_absolute() && named[0].origin == Origin::Explicit);
    }

    #[test]
    fn a_folder_stands_for_the_library_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let library = FLAVOURS[0].library(std::env::consts::OS);
        for name in ["LICENSE", &library, "libonnxruntime_providers_shared.so"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = Candidate::named(dir.path(), Origin::Explicit);
        assert_eq!(found.path, dir.path().join(library));
    }

    /// An installed flavour is one whose files agree with its list.
    #[test]
    fn the_cache_is_searched_when_the_baked_path_is_gone() {
        let cache = tempfile::tempdir().unwrap();
        let baked = cache.path().join("gone.so");
        let Some(target) = target(&FLAVOURS[0], cache.path()) else { return };
        assert_eq!(cached(baked.to_str(), cache.path()), []);
        std::fs::create_dir_all(target.folder()).unwrap();
        std::fs::write(target.library(), "library").unwrap();
        assert_eq!(cached(baked.to_str(), cache.path()), [], "without a list");
        let name = target.flavour.library(std::env::consts::OS);
        std::fs::write(target.folder().join("MANIFEST"), format!("0 7 {name}\n")).unwrap();
        let expected = Candidate::new("cpu", target.library(), Origin::Installed);
        for baked in [None, Some(""), baked.to_str()] {
            assert_eq!(cached(baked, cache.path()), std::slice::from_ref(&expected));
        }
        let same = target.library();
        let fetched = Candidate { origin: Origin::Fetched, ..expected };
        assert_eq!(cached(same.to_str(), cache.path()), [fetched]);
        std::fs::write(target.library(), "cut").unwrap();
        assert_eq!(cached(None, cache.path()), [], "of another size");
        assert!(!target.is_intact());
    }

    #[test]
    fn names_that_are_not_there_say_what_to_do() {
        let cases = [("abacus", "found are"), ("directml", "edrun runtime install directml")];
        for (name, part) in cases {
            let error = by_name(name).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains(name), "{error}");
        }
    }
}
