//! Finds the ONNX Runtime library and loads it once per process.

use crate::error::{Error, ErrorKind, Result, one_line};
use crate::wheel;
use ort::environment::Environment;
use ort::logging::LogLevel;
use std::ffi::CStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use crate::wheel::cache_dir;

/// The loaded library. There is one per process, and it stays until the process ends.
pub struct Runtime {
    /// The library file, or a bare name where the system's loader found it.
    pub path: PathBuf,
    /// The library's own version, such as `1.32.0`.
    pub version: String,
    /// By which rule it was found.
    pub origin: Origin,
    environment: Environment,
}

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
    /// Left to the search path of the system's loader.
    System,
}

/// A place where the library may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// A library file, or a bare name for the system's loader.
    pub path: PathBuf,
    /// The rule that names this place.
    pub origin: Origin,
}

static LOADED: Mutex<Option<&'static Runtime>> = Mutex::new(None);

/// Loads the first usable library of [`candidates`], or returns the one already loaded.
///
/// # Errors
/// A library named by `explicit` or `EDRUN_ORT_LIB` that cannot be loaded is an error, never
/// skipped: whoever names one wants that one. So is naming another after one was loaded.
/// Where none is found, the error says how to get one.
pub fn init(explicit: Option<&Path>) -> Result<&'static Runtime> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = *loaded {
        return same_library(runtime, explicit);
    }
    let runtime: &'static Runtime = Box::leak(Box::new(load_first(candidates(explicit))?));
    *loaded = Some(runtime);
    Ok(runtime)
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

/// Every place where a library is looked for, in order of preference.
///
/// With a library named by `explicit` or `EDRUN_ORT_LIB` there is only that one. A folder
/// may be named as well, such as `site-packages/onnxruntime/capi`.
pub fn candidates(explicit: Option<&Path>) -> Vec<Candidate> {
    let variable = std::env::var_os("EDRUN_ORT_LIB").filter(|value| !value.is_empty());
    let named = explicit.map(|path| named(path, Origin::Explicit));
    if let Some(only) = named.or_else(|| variable.map(|path| self::named(path.as_ref(), Origin::Variable))) {
        return vec![only];
    }
    let mut all = Vec::new();
    all.extend(beside_executable().map(|path| Candidate { path, origin: Origin::Executable }));
    all.extend(fetched(option_env!("EDRUN_FETCHED_ORT"), &cache_dir()));
    all.extend(system_names().map(|name| Candidate { path: name.into(), origin: Origin::System }));
    all
}

impl Runtime {
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The names of the execution providers this library was built with, as ONNX Runtime
    /// spells them (`CPUExecutionProvider`).
    #[allow(unsafe_code)]
    pub fn providers(&self) -> Vec<String> {
        let (mut names, mut count) = (std::ptr::null_mut(), 0);
        // SAFETY: the API is loaded, and the list is read before it is released.
        unsafe {
            let status = (ort::api().GetAvailableProviders)(&raw mut names, &raw mut count);
            if ort::Error::result_from_status(status).is_err() || names.is_null() {
                return Vec::new();
            }
            let listed = std::slice::from_raw_parts(names, usize::try_from(count).unwrap_or(0));
            let owned = listed.iter().map(|name| CStr::from_ptr(*name).to_string_lossy().into_owned());
            let owned = owned.collect();
            let released = (ort::api().ReleaseAvailableProviders)(names, count);
            drop(ort::Error::result_from_status(released));
            owned
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ONNX Runtime {} ({:?}) at {}", self.version, self.origin, self.path.display())
    }
}

impl Origin {
    /// Whether a person asked for exactly this library.
    fn is_named(self) -> bool {
        matches!(self, Self::Explicit | Self::Variable)
    }
}

fn same_library(runtime: &'static Runtime, explicit: Option<&Path>) -> Result<&'static Runtime> {
    let wanted = explicit.map(|path| named(path, Origin::Explicit).path);
    match wanted.filter(|path| *path != runtime.path) {
        None => Ok(runtime),
        Some(path) => Err(Error::new(
            ErrorKind::Runtime,
            format!(
                "cannot load {}: this process already uses {}, and it can use one library only",
                path.display(),
                runtime.path.display()
            ),
        )),
    }
}

fn load_first(candidates: Vec<Candidate>) -> Result<Runtime> {
    let mut reasons = Vec::new();
    for candidate in candidates {
        let is_named = candidate.origin.is_named();
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
    Error::new(
        ErrorKind::Runtime,
        format!(
            "no usable ONNX Runtime library was found{tried}: build again with a network, or run \
             `pip install onnxruntime=={}` and name its `onnxruntime/capi` folder with --ort-lib or EDRUN_ORT_LIB",
            wheel::VERSION
        ),
    )
}

fn load(candidate: Candidate) -> Result<Runtime> {
    let Candidate { path, origin } = candidate;
    let builder = ort::init_from(&path).map_err(|cause| unloadable(&path, &cause))?;
    let environment = builder.with_name("edrun").with_telemetry(false).build();
    let environment = environment.map_err(|cause| {
        let (path, cause) = (path.display(), one_line(&cause));
        Error::new(ErrorKind::Runtime, format!("ONNX Runtime at {path} cannot start: {cause}"))
    })?;
    // Whatever goes wrong is returned as an error; the library would print it as well.
    environment.set_log_level(LogLevel::Fatal);
    let version = version(&path).unwrap_or_else(|| "unknown".into());
    Ok(Runtime { path, version, origin, environment })
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

/// Asks the library itself; it is loaded already, so this only takes another handle to it.
#[allow(unsafe_code)]
fn version(path: &Path) -> Option<String> {
    // SAFETY: the symbol has had this type since the first release of ONNX Runtime, and the
    // returned string is a constant of the library.
    unsafe {
        let library = libloading::Library::new(path).ok()?;
        type GetBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
        let base = library.get::<GetBase>(b"OrtGetApiBase").ok()?();
        let text = (base.as_ref()?.GetVersionString)();
        Some(CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// A file is taken as it is; in a folder, the library is looked for by its usual names.
fn named(path: &Path, origin: Origin) -> Candidate {
    // ort would look for a relative name beside the executable first.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let path = if path.is_dir() { library_in(&path).unwrap_or(path) } else { path };
    Candidate { path, origin }
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

/// The path known at build time, and the same library by name in today's cache directory:
/// the binary may have moved to another machine or user.
fn fetched(baked: Option<&str>, cache: &Path) -> Vec<Candidate> {
    let baked = baked.filter(|path| !path.is_empty()).map(PathBuf::from);
    let wheel = wheel::for_target(std::env::consts::OS, std::env::consts::ARCH);
    let by_name = wheel.map(|wheel| wheel.library_in(cache));
    let mut paths: Vec<PathBuf> = baked.into_iter().chain(by_name).collect();
    paths.dedup();
    let candidate = |path| Candidate { path, origin: Origin::Fetched };
    paths.into_iter().filter(|path| path.exists()).map(candidate).collect()
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
    use crate::testing::ready;

    #[test]
    fn the_library_tells_its_version() {
        let runtime = ready();
        let minor = runtime.version.split('.').nth(1).unwrap().parse::<u32>().unwrap();
        assert!(minor >= ort::MINOR_VERSION, "{runtime:?}");
        assert!(runtime.providers().contains(&"CPUExecutionProvider".to_owned()));
        assert!(std::ptr::eq(init(None).unwrap(), runtime), "loaded once");
        assert!(std::ptr::eq(init(Some(&runtime.path)).unwrap(), runtime), "the same again");
    }

    #[test]
    fn another_library_is_refused_once_one_is_loaded() {
        ready();
        let error = init(Some(Path::new("other.so"))).unwrap_err();
        assert!(error.to_string().contains("already uses"), "{error}");
    }

    #[test]
    fn a_named_library_is_the_only_candidate() {
        let named = candidates(Some(Path::new("some/lib.so")));
        assert_eq!(named.len(), 1);
        assert!(named[0].path.is_absolute() && named[0].origin == Origin::Explicit);
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
            let error = init(Some(path)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Runtime);
            assert!(error.to_string().contains(expected), "{error}");
        }
        init(None).unwrap();
    }

    #[test]
    fn a_folder_stands_for_the_library_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = wheel::for_target(std::env::consts::OS, std::env::consts::ARCH).unwrap();
        for name in ["LICENSE", wheel.library, "libonnxruntime_providers_shared.so"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let found = named(dir.path(), Origin::Explicit);
        assert_eq!(found.path, dir.path().join(wheel.library));
    }

    #[test]
    fn the_cache_is_searched_when_the_baked_path_is_gone() {
        let cache = tempfile::tempdir().unwrap();
        let baked = cache.path().join("gone.so");
        let wheel = wheel::for_target(std::env::consts::OS, std::env::consts::ARCH).unwrap();
        assert_eq!(fetched(baked.to_str(), cache.path()), []);
        let library = wheel.library_in(cache.path());
        std::fs::create_dir_all(library.parent().unwrap()).unwrap();
        std::fs::write(&library, "").unwrap();
        for baked in [None, Some(""), baked.to_str()] {
            let found = fetched(baked, cache.path());
            assert_eq!(found, [Candidate { path: library.clone(), origin: Origin::Fetched }]);
        }
    }

    #[test]
    fn nothing_found_says_what_to_do() {
        let error = load_first(Vec::new()).unwrap_err().to_string();
        for part in ["pip install onnxruntime", "--ort-lib", "EDRUN_ORT_LIB"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
