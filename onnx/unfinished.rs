//! Files and folders in the making: whatever ends a process in good order, or in haste, takes them away.
//!
//! What a process that is killed leaves behind has a name that nobody reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static ALL: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file or folder that is removed when this is dropped, unless it was renamed away before.
#[derive(Debug)]
pub struct Unfinished(PathBuf);

impl Unfinished {
    /// Takes charge of a path, whether or not there is something at it yet.
    pub fn new(path: PathBuf) -> Self {
        all().insert(path.clone());
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut all = all();
        remove(&self.0);
        all.remove(&self.0);
    }
}

/// Removes whatever is unfinished and ends the process at once, without waiting for other threads: for those who cannot
/// wait until a library hears that it is to stop.
pub fn leave(code: u8) -> ! {
    // Held to the end, so that nothing new begins.
    let all = all();
    all.iter().for_each(|path| remove(path));
    exit(code)
}

fn all() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    ALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What cannot be removed stays, under a name that nobody reads.
fn remove(path: &Path) {
    let _ = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
}

/// As `std::process::exit`, which would first take down the C++ libraries under the feet of the threads that run them.
#[allow(unsafe_code)]
fn exit(code: u8) -> ! {
    unsafe extern "C" {
        fn _exit(status: std::ffi::c_int) -> !;
    }
    // SAFETY: the C library's function takes any number and does not return.
    unsafe { _exit(code.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unfinished_goes_and_what_was_renamed_stays() {
        let dir = tempfile::tempdir().unwrap();
        let [file, folder, kept] = ["file", "folder", "kept"].map(|name| dir.path().join(name));
        let guards = [&file, &folder, &dir.path().join("absent")].map(|path| Unfinished::new(path.clone()));
        std::fs::write(&file, "x").unwrap();
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(folder.join("inner/file"), "x").unwrap();
        drop(guards);
        assert!(!file.exists() && !folder.exists());
        let renamed = Unfinished::new(file.clone());
        std::fs::write(&file, "x").unwrap();
        std::fs::rename(renamed.path(), &kept).unwrap();
        drop(renamed);
        assert!(kept.exists() && !all().contains(&file));
    }
}
