//! What a library is, asked of the library itself, without deciding to use it.

use crate::error::one_line;
use crate::provider::PROVIDERS;
use ort::sys::{OrtApi, OrtApiBase};
use std::ffi::{CStr, c_char, c_int};
use std::path::{Path, PathBuf};

/// Version and providers of a library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The file; for a bare name, what the system's loader found, as far as that can be told.
    pub path: PathBuf,
    /// Its version, such as `1.32.0`.
    pub version: String,
    /// ONNX Runtime's names of the providers it can start, as far as its files tell.
    pub providers: Vec<String>,
}

/// Loads a library beside the one in use and asks it; no session or environment is made.
///
/// # Errors
/// In words that follow the path: what the loader says, or that the version is too old.
pub fn probe(path: &Path) -> Result<Probe, String> {
    let base = base_of(path)?;
    let version = version_of(base)?;
    // Asked for a version it does not have, a library answers null and grumbles to standard error.
    let minor = version.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    let api = minor.filter(|minor| *minor >= ort::MINOR_VERSION).and_then(|_| api_of(base));
    let too_old = || format!("it is version {version}, and 1.{} or newer is needed", ort::MINOR_VERSION);
    let api = api.ok_or_else(too_old)?;
    let path = if path.is_absolute() { path.to_owned() } else { mapped_at(base).unwrap_or_else(|| path.to_owned()) };
    Ok(Probe { providers: startable(&path, listed(api)), version, path })
}

/// The file that a part of a loaded library comes from; the loader hands out a library that was
/// loaded by path before when it is asked for one of the same name.
fn mapped_at(base: &OrtApiBase) -> Option<PathBuf> {
    let address = base.GetVersionString as *const () as usize;
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    maps.lines().find_map(|line| {
        let (range, rest) = line.split_once(' ')?;
        let (from, to) = range.split_once('-')?;
        let holds = usize::from_str_radix(from, 16).ok()? <= address && address < usize::from_str_radix(to, 16).ok()?;
        // Permissions, offset, device and inode come before the path.
        holds.then(|| rest.splitn(5, ' ').last().map(|path| PathBuf::from(path.trim())))?
    })
}

#[allow(unsafe_code)]
fn base_of(path: &Path) -> Result<&'static OrtApiBase, String> {
    type GetBase = unsafe extern "C" fn() -> *const OrtApiBase;
    // SAFETY: the symbol has had this type since the first release of ONNX Runtime, and the
    // structure it returns belongs to the library, which is never unloaded.
    unsafe {
        let library = libloading::Library::new(path).map_err(|cause| one_line(&cause))?;
        let base = library.get::<GetBase>(b"OrtGetApiBase").map_err(|_| "it is not ONNX Runtime".to_owned())?();
        std::mem::forget(library);
        base.as_ref().ok_or_else(|| "it is not ONNX Runtime".to_owned())
    }
}

/// The library's own version.
pub(super) fn version(path: &Path) -> Option<String> {
    base_of(path).and_then(version_of).ok()
}

#[allow(unsafe_code)]
fn version_of(base: &OrtApiBase) -> Result<String, String> {
    // SAFETY: the returned string is a constant of the library.
    let text = unsafe { (base.GetVersionString)() };
    if text.is_null() {
        return Err("it tells no version".into());
    }
    // SAFETY: not null, and ended by a zero as the API promises.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[allow(unsafe_code)]
fn api_of(base: &OrtApiBase) -> Option<&'static OrtApi> {
    // SAFETY: null when the library is older than the version asked for, else valid for ever.
    unsafe { (base.GetApi)(ort::MINOR_VERSION).as_ref() }
}

/// The names of the providers the library was built with.
#[allow(unsafe_code)]
pub(super) fn listed(api: &OrtApi) -> Vec<String> {
    let (mut names, mut count): (*mut *mut c_char, c_int) = (std::ptr::null_mut(), 0);
    // SAFETY: the list is read before it is released, and both calls report by a status.
    unsafe {
        let status = (api.GetAvailableProviders)(&raw mut names, &raw mut count);
        if !status.0.is_null() || names.is_null() {
            return Vec::new();
        }
        let all = std::slice::from_raw_parts(names, usize::try_from(count).unwrap_or(0));
        let owned = all.iter().map(|name| CStr::from_ptr(*name).to_string_lossy().into_owned()).collect();
        let _ = (api.ReleaseAvailableProviders)(names, count);
        owned
    }
}

/// Leaves out providers whose own library is missing: ONNX Runtime lists them all the same.
pub(super) fn startable(library: &Path, mut listed: Vec<String>) -> Vec<String> {
    let Some(folder) = library.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return listed };
    let is_there = |bridge: &str| folder.join(bridge_name(bridge)).is_file();
    listed.retain(|name| {
        let row = PROVIDERS.iter().find(|row| row.ort_name == name);
        row.and_then(|row| row.bridge).is_none_or(is_there)
    });
    listed
}

/// The file that carries a provider which is not part of the library itself.
fn bridge_name(bridge: &str) -> String {
    match std::env::consts::OS {
        "windows" => format!("onnxruntime_providers_{bridge}.dll"),
        "macos" => format!("libonnxruntime_providers_{bridge}.dylib"),
        _ => format!("libonnxruntime_providers_{bridge}.so"),
    }
}
