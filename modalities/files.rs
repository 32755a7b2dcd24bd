//! Output files appear whole or not at all.

use anyhow::{Context, Result, bail};
use edrun_onnx::Unfinished;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes `bytes` to a temporary name beside `path` and renames it, so that a failure or an interruption never leaves half a
/// file under the name that was asked for. An existing file is replaced.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    check_place(path)?;
    let part = Unfinished::new(temporary(path));
    File::create_new(part.path())
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(part.path(), path))
        .with_context(|| unwritten(path))
}

/// What is said of a file that cannot be written.
pub(crate) fn unwritten(path: &Path) -> String {
    format!("cannot write {}: check that its folder is writable and the disk is not full", path.display())
}

/// A file that is written piece by piece under a temporary name, which is removed unless it is finished.
pub struct Whole {
    file: BufWriter<File>,
    part: Unfinished,
    path: PathBuf,
}

impl Whole {
    /// Starts a file that will be called `path`.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn create(path: &Path) -> Result<Self> {
        check_place(path)?;
        let part = Unfinished::new(temporary(path));
        let file = File::options().read(true).write(true).create_new(true).open(part.path());
        let file = BufWriter::new(file.with_context(|| unwritten(path))?);
        Ok(Self { file, part, path: path.to_owned() })
    }

    /// The name that was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written so far, from its beginning, to be read.
    ///
    /// # Errors
    /// When what was written last does not fit on the disk.
    pub(crate) fn read_back(&mut self) -> io::Result<&mut File> {
        self.file.flush()?;
        self.file.rewind()?;
        Ok(self.file.get_mut())
    }

    /// Gives it its name, over what is there.
    ///
    /// # Errors
    /// When what was written last does not fit on the disk, or the name cannot be given.
    pub fn finish(mut self) -> Result<()> {
        let renamed = self.file.flush().and_then(|()| fs::rename(self.part.path(), &self.path));
        renamed.with_context(|| unwritten(&self.path))
    }
}

impl Write for Whole {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Whole {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Refuses a `path` that no file can be written to because its folder is missing or takes no files, or it is itself a
/// folder; worth asking before a long run.
pub fn check_place(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if !folder.is_dir() {
        bail!("cannot write {}: the folder {} does not exist, create it first", path.display(), folder.display());
    }
    if path.is_dir() || path.file_name().is_none() {
        bail!("cannot write {}: it is a folder, give a file name", path.display());
    }
    check_writable(folder).with_context(|| {
        format!("cannot write {}: the folder {} takes no files, name another", path.display(), folder.display())
    })
}

/// Tries each folder once, with an empty file.
fn check_writable(folder: &Path) -> io::Result<()> {
    static KNOWN: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if !known.contains(folder) {
        let probe = Unfinished::new(temporary(&folder.join("probe")));
        File::create_new(probe.path())?;
        known.insert(folder.to_owned());
    }
    Ok(())
}

/// The folder that a file is or will be in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder in one that is there, if it is not there itself.
pub(crate) fn create_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir(folder).with_context(|| format!("the folder {} cannot be made", folder.display()))
}

/// A name beside `path` that nothing else has, nor a process that was killed before: in containers all have the same number.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    // Not the name itself with more letters: that could exceed the longest name the file system takes.
    folder_of(path).join(format!(".edrun-{}-{now}-{count}.part", std::process::id()))
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
