//! Output files appear whole or not at all.

use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Writes `bytes` to a temporary name beside `path` and renames it, so that a failure or an interruption never leaves half a
/// file under the name that was asked for. An existing file is replaced.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    check_place(path)?;
    let part = Part(beside(path));
    File::create_new(&part.0)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&part.0, path))
        .with_context(|| {
            format!("cannot write {}: check that its folder is writable and the disk is not full", path.display())
        })
}

/// Refuses a `path` that no file can be written to because its folder is missing or it is itself a folder; worth asking
/// before a long run.
pub fn check_place(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!("cannot write {}: the folder {} does not exist, create it first", path.display(), folder.display());
    }
    if path.is_dir() || path.file_name().is_none() {
        bail!("cannot write {}: it is a folder, give a file name", path.display());
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Not the name itself with more letters: that could exceed the longest name the file system takes.
    folder_of(path).join(format!(".edrun-{}-{count}.part", std::process::id()))
}

/// A file that is removed unless it was renamed away.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_files_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.bin");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn names_what_is_wrong_with_the_place() {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [(dir.path().join("no/a.png"), "does not exist"), (dir.path().to_path_buf(), "is a folder")]
        {
            assert!(write_whole(&path, b"x").unwrap_err().to_string().contains(text));
        }
    }
}
