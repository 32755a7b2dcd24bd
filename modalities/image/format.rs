//! The picture formats: one file and one line each.

use super::{Picture, jpeg, png};
use crate::Info;
use anyhow::{Context, Result, bail};
use std::path::Path;

/// A picture format that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// How a file of this format begins.
    pub(super) magic: &'static [u8],
    pub(super) encode: fn(&Picture, &Info) -> Result<Vec<u8>>,
    pub(super) info: fn(&[u8]) -> Result<Option<Info>>,
}

/// Every format.
pub const FORMATS: &[Format] = &[png::FORMAT, jpeg::FORMAT];

/// The format that the ending of `path` names. Call it before a long run: an unknown ending is an error that lists the known ones.
pub fn check_extension(path: &Path) -> Result<&'static Format> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let known = |e: &String| FORMATS.iter().find(|format| format.extensions.contains(&e.as_str()));
    if let Some(format) = ending.as_ref().and_then(known) {
        return Ok(format);
    }
    let all: Vec<_> = FORMATS.iter().flat_map(|f| f.extensions).map(|e| format!(".{e}")).collect();
    match ending {
        None => bail!("{} has no ending that names a picture format: add one of {}", path.display(), all.join(", ")),
        Some(ending) => {
            bail!("the ending .{ending} of {} names no picture format: use one of {}", path.display(), all.join(", "))
        }
    }
}

/// How the picture at `path` was made; `None` where the file does not say. The format is taken from the content.
pub fn read_info(path: &Path) -> Result<Option<Info>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(format) = FORMATS.iter().find(|format| bytes.starts_with(format.magic)) else {
        let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        bail!("{} is not a picture of a known format: give one of {}", path.display(), names.join(", "));
    };
    (format.info)(&bytes)
        .with_context(|| format!("{} is a damaged {} file: make it again", path.display(), format.name))
}
