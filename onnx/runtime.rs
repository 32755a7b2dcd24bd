//! Finds the ONNX Runtime library and loads it once per process.

mod choose;
mod places;
mod probe;

use crate::error::{Error, ErrorKind, Result, one_line};
use crate::install::Target;
use crate::provider::Plugin;
use crate::wheel::Flavour;
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use crate::wheel::cache_dir;
pub use choose::{Listed, Wanted, list};
pub use places::{Candidate, Origin, candidates};
pub use probe::{Probe, probe};

/// The loaded library. There is one per process, and it stays until the process ends.
pub struct Runtime {
    /// What it is called on the command line, such as `cpu` or `openvino`.
    pub name: String,
    /// The library file, or a bare name where the system's loader found it.
    pub path: PathBuf,
    /// The library's own version, such as `1.32.0`.
    pub version: String,
    /// By which rule it was found.
    pub origin: Origin,
    environment: Environment,
    plugins: Mutex<Vec<Plugin>>,
}

static LOADED: Mutex<Option<&'static Runtime>> = Mutex::new(None);

/// Loads the library that suits best what is [`Wanted`], or returns the one already loaded.
///
/// # Errors
/// A library named by path or name that cannot be loaded is an error, never skipped: whoever
/// names one wants that one. So is naming another after one was loaded. Where none is found,
/// the error says how to get one.
pub fn init(wanted: &Wanted) -> Result<&'static Runtime> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = *loaded {
        return same_library(runtime, wanted);
    }
    let runtime: &'static Runtime = Box::leak(Box::new(load_first(choose::in_order(wanted)?)?));
    *loaded = Some(runtime);
    Ok(runtime)
}

/// The library already loaded, or the first usable one.
pub(crate) fn any() -> Result<&'static Runtime> {
    let loaded = *LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.map_or_else(|| init(&Wanted::default()), Ok)
}

/// Switches off the telemetry of ONNX Runtime, which is on by default in its PyPI builds.
///
/// Call it first in `main`, before any thread starts: it sets the environment variable
/// `ORT_DISABLE_TELEMETRY`, the only switch that also keeps the library from writing a
/// device id into the home directory.
#[allow(unsafe_code)]
pub fn silence_telemetry() {
    // SAFETY: called before other threads exist, as the contract above demands.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
}

/// A flavour that can be installed on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installable {
    /// Its name on the command line.
    pub name: &'static str,
    /// What is in it, in one line.
    pub about: &'static str,
    /// Its release.
    pub version: &'static str,
    /// Size of the download in bytes.
    pub bytes: u64,
    /// Whether it lies in the cache.
    pub is_installed: bool,
    /// Where it lies, or will.
    pub library: PathBuf,
}

/// Every flavour that can be installed on this machine.
pub fn installable() -> Vec<Installable> {
    places::targets(&cache_dir()).map(|target| Installable::of(&target)).collect()
}

impl Installable {
    fn of(target: &Target) -> Self {
        let Flavour { name, about, version, .. } = target.flavour;
        let is_installed = target.is_installed();
        Self { name, about, version, bytes: target.build.bytes, is_installed, library: target.library() }
    }
}

/// Fetches a flavour into the cache with pip or uv; what is there and intact is left alone.
///
/// Returns whether anything was fetched. `shows_progress` lets the installer write to standard error.
///
/// # Errors
/// `Runtime` for a name that is unknown or not for this machine, and when fetching fails.
pub fn install(name: &str, shows_progress: bool) -> Result<(Installable, bool)> {
    let failed = |what: String| Error::new(ErrorKind::Runtime, what);
    let flavour = Flavour::find(name).ok_or_else(|| failed(unknown(name)))?;
    let target = places::target(flavour, &cache_dir()).ok_or_else(|| failed(not_here(flavour)))?;
    if target.is_intact() {
        return Ok((Installable::of(&target), false));
    }
    target.install(shows_progress).map_err(|cause| failed(format!("runtime `{name}` was not installed: {cause}")))?;
    Ok((Installable::of(&target), true))
}

fn unknown(name: &str) -> String {
    let known: Vec<_> = installable().iter().map(|one| one.name).collect();
    format!("there is no runtime `{name}` to install; for this machine there are {}", known.join(", "))
}

fn not_here(flavour: &Flavour) -> String {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let Flavour { name, package, .. } = flavour;
    format!(
        "runtime `{name}` cannot be installed: PyPI has no {package} for {arch}-{os}; build ONNX Runtime with it and \
         name that library with --ort-lib"
    )
}

impl Runtime {
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// ONNX Runtime's names of the execution providers that this library can start
    /// (`CPUExecutionProvider`).
    pub fn providers(&self) -> Vec<String> {
        probe::startable(&self.path, probe::listed(ort::api()))
    }

    /// Adds the library of a provider, which is then asked for as `name`.
    ///
    /// # Errors
    /// `Provider` when ONNX Runtime cannot use it, or when another one has that name.
    pub fn add_plugin(&self, name: &str, path: &Path) -> Result<()> {
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        match plugins.iter().find(|plugin| plugin.name == name) {
            Some(plugin) if plugin.path == path => return Ok(()),
            Some(plugin) => {
                let message = format!("provider library `{name}` is {} already", plugin.path.display());
                return Err(Error::new(ErrorKind::Provider, message));
            }
            None => plugins.push(Plugin::load(&self.environment, name, path)?),
        }
        Ok(())
    }

    /// The provider libraries that were added.
    pub fn plugins(&self) -> Vec<Plugin> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn plugin(&self, name: &str) -> Option<Plugin> {
        self.plugins().into_iter().find(|plugin| plugin.name == name)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ONNX Runtime {} ({:?}) at {}", self.version, self.origin, self.path.display())
    }
}

fn same_library(runtime: &'static Runtime, wanted: &Wanted) -> Result<&'static Runtime> {
    match choose::named(wanted)?.filter(|candidate| candidate.path != runtime.path) {
        None => Ok(runtime),
        Some(candidate) => Err(Error::new(
            ErrorKind::Runtime,
            format!(
                "cannot load {}: this process already uses {}, and it can use one library only",
                candidate.path.display(),
                runtime.path.display()
            ),
        )),
    }
}

fn load_first(candidates: Vec<Candidate>) -> Result<Runtime> {
    let is_only = candidates.len() == 1;
    let mut reasons = Vec::new();
    for candidate in candidates {
        let is_named = is_only || candidate.origin.is_named();
        let is_there = candidate.path.exists();
        match load(candidate) {
            Ok(runtime) => return Ok(runtime),
            Err(error) if is_named => return Err(error),
            // What the loader did not find is no news; a version that is too old is.
            Err(error) if is_there || error.to_string().contains("it is version") => {
                reasons.push(error.to_string());
            }
            Err(_) => {}
        }
    }
    Err(none_found(&reasons))
}

fn none_found(reasons: &[String]) -> Error {
    let tried = if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
    let message = format!(
        "no usable ONNX Runtime library was found{tried}: run `edrun runtime install cpu`, or `pip install onnxruntime` \
         and name its `onnxruntime/capi` folder with --ort-lib or EDRUN_ORT_LIB"
    );
    Error::new(ErrorKind::Runtime, message)
}

fn load(candidate: Candidate) -> Result<Runtime> {
    preload(&candidate);
    let Candidate { name, path, origin } = candidate;
    let builder = ort::init_from(&path).map_err(|cause| unloadable(&path, &cause))?;
    let environment = builder.with_name("edrun").with_telemetry(false).build();
    let environment = environment.map_err(|cause| {
        let (path, cause) = (path.display(), one_line(&cause));
        Error::new(ErrorKind::Runtime, format!("ONNX Runtime at {path} cannot start: {cause}"))
    })?;
    // Whatever goes wrong is returned as an error; the library would print it as well.
    environment.set_log_level(LogLevel::Fatal);
    let version = probe::version(&path).unwrap_or_else(|| "unknown".into());
    Ok(Runtime { name, path, version, origin, environment, plugins: Mutex::default() })
}

/// Loads what the providers of a flavour will look for by bare name. Where one fails, so will
/// the provider, and tells which.
#[allow(unsafe_code)]
fn preload(candidate: &Candidate) {
    let (Some(flavour), Some(folder)) = (candidate.flavour(), candidate.path.parent()) else { return };
    for name in flavour.preload {
        // SAFETY: vendor libraries, fetched under their pinned hashes, whose start-up code has no
        // preconditions; they are never unloaded.
        if let Ok(library) = unsafe { libloading::Library::new(folder.join(name)) } {
            std::mem::forget(library);
        }
    }
}

fn unloadable(path: &Path, cause: &ort::LoadDynamicError) -> Error {
    let shown = path.display();
    let reason = match cause {
        _ if path.is_absolute() && !path.exists() => "there is no such file".to_owned(),
        ort::LoadDynamicError::Dlopen { error, .. } => {
            let source = std::error::Error::source(error).map(ToString::to_string);
            one_line(&source.unwrap_or_else(|| error.to_string()))
        }
        ort::LoadDynamicError::BadVersion { version_str, .. } => {
            format!("it is version {version_str}, and 1.{} or newer is needed", ort::MINOR_VERSION)
        }
        other => one_line(other),
    };
    Error::new(ErrorKind::Runtime, format!("cannot load ONNX Runtime from {shown}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ready;

    #[test]
    fn the_library_tells_its_version() {
        let runtime = ready();
        let minor = runtime.version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
        assert!(minor >= ort::MINOR_VERSION, "{runtime:?}");
        assert!(runtime.providers().contains(&"CPUExecutionProvider".to_owned()));
        assert!(std::ptr::eq(init(&Wanted::default()).unwrap(), runtime), "loaded once");
        assert!(std::ptr::eq(init(&Wanted::library(&runtime.path)).unwrap(), runtime), "the same again");
    }

    #[test]
    fn another_library_is_refused_once_one_is_loaded() {
        ready();
        let error = init(&Wanted::library(Path::new("other.so"))).unwrap_err();
        assert!(error.to_string().contains("already uses"), "{error}");
    }

    /// In a process of its own, as this one has loaded its library.
    #[test]
    fn a_named_library_that_fails_is_an_error() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "runtime::tests::child", "--ignored"])
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }

    #[test]
    #[ignore = "started by a_named_library_that_fails_is_an_error"]
    fn child() {
        silence_telemetry();
        let dir = tempfile::tempdir().unwrap();
        let (absent, foreign) = (dir.path().join("absent.so"), dir.path().join("foreign.so"));
        std::fs::write(&foreign, "text").unwrap();
        for (path, expected) in [(&absent, "there is no such file"), (&foreign, "foreign.so")] {
            let error = init(&Wanted::library(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Runtime);
            assert!(error.to_string().contains(expected), "{error}");
        }
        init(&Wanted::default()).unwrap();
    }

    #[test]
    fn unknown_flavours_list_the_known_ones() {
        let error = install("abacus", false).unwrap_err().to_string();
        assert!(error.contains("`abacus`") && error.contains("cpu"), "{error}");
        if !cfg!(windows) {
            let error = install("directml", false).unwrap_err().to_string();
            assert!(error.contains("onnxruntime-directml") && error.contains(std::env::consts::OS), "{error}");
        }
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let error = load_first(Vec::new()).unwrap_err().to_string();
        for part in ["runtime install cpu", "pip install onnxruntime", "--ort-lib", "EDRUN_ORT_LIB"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
