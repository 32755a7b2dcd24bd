//! A clip as pictures in files of their own, named by a pattern. Every one carries how the clip was made.

use super::Writer;
use crate::Info;
use crate::files::{create_folder, folder_of, temporary};
use crate::image::{Depth, Picture};
use anyhow::{Context, Result};
use edrun_onnx::Unfinished;
use std::fs;
use std::path::{Path, PathBuf};

/// What stands for a frame's number in a pattern.
pub const FRAME: &str = "{frame}";

pub(super) fn is_pattern(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(FRAME))
}

/// The file of a frame; numbers have at least four digits, so that names sort as the clip plays.
pub(super) fn file(pattern: &Path, frame: usize) -> PathBuf {
    let name = pattern.file_name().unwrap_or_default().to_string_lossy().replace(FRAME, &format!("{frame:04}"));
    pattern.with_file_name(name)
}

/// The files while they are written, in a folder of their own.
pub(super) struct Files {
    pattern: PathBuf,
    info: Info,
    part: Unfinished,
    written: usize,
}

impl Files {
    pub(super) fn start(pattern: &Path, info: &Info) -> Result<Self> {
        // Beside the folder of the pictures where that is not there yet: a rename must not cross file systems.
        let folder = folder_of(pattern);
        let place = if folder.is_dir() { pattern } else { folder };
        let part = Unfinished::new(temporary(place));
        fs::create_dir(part.path()).with_context(|| {
            format!("cannot write {}: the folder {} must be writable", pattern.display(), folder_of(place).display())
        })?;
        Ok(Self { pattern: pattern.to_owned(), info: info.clone(), part, written: 0 })
    }

    fn part_of(&self, frame: usize) -> PathBuf {
        let name = file(&self.pattern, frame);
        self.part.path().join(name.file_name().unwrap_or_default())
    }
}

impl Writer for Files {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        let saved = picture.save(&self.part_of(self.written), &self.info, Depth::Eight);
        saved.with_context(|| format!("cannot write {}", self.pattern.display()))?;
        self.written += 1;
        Ok(())
    }

    /// The first picture comes last: where it is, all are.
    fn finish(self: Box<Self>) -> Result<()> {
        create_folder(folder_of(&self.pattern))?;
        for frame in (0..self.written).rev() {
            let to = file(&self.pattern, frame);
            fs::rename(self.part_of(frame), &to).with_context(|| format!("cannot write {}", to.display()))?;
        }
        Ok(())
    }
}
