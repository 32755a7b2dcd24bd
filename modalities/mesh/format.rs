//! The mesh formats: one file and one line each.

use super::{Mesh, glb, obj, ply, stl};
use crate::Info;
use crate::info::{About, sidecar};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// A mesh format that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// How a file of this format begins; empty where it may begin with anything.
    pub(super) magic: &'static [u8],
    pub(super) encode: fn(&Mesh, &Info) -> Result<Vec<u8>>,
    /// How a file of this format was made.
    pub(super) info: fn(&[u8]) -> Result<Option<Info>>,
    /// Whether it has no place for how it was made, which then stands in a file beside it.
    pub(super) beside: bool,
}

/// Every format.
pub const FORMATS: &[Format] = &[glb::FORMAT, obj::FORMAT, ply::FORMAT, stl::FORMAT];

/// The format that the ending of `path` names. Call it before a long run: an unknown ending is an error that lists the known ones.
///
/// # Errors
/// For endings that no format has.
pub fn check_extension(path: &Path) -> Result<&'static Format> {
    if let Some(format) = by_ending(path) {
        return Ok(format);
    }
    let all: Vec<_> = FORMATS.iter().flat_map(|f| f.extensions).map(|e| format!(".{e}")).collect();
    match path.extension() {
        None => bail!("{} has no ending that names a mesh format: add one of {}", path.display(), all.join(", ")),
        Some(ending) => bail!(
            "the ending .{} of {} names no mesh format: use one of {}",
            ending.to_string_lossy(),
            path.display(),
            all.join(", ")
        ),
    }
}

/// How the mesh at `path` was made; `None` where the file does not say.
///
/// # Errors
/// When the file cannot be read, is damaged, or is no mesh.
pub fn read_info(path: &Path) -> Result<Option<Info>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(format) = known(path, &bytes) else {
        let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
        bail!("{} is not a mesh of a known format: give one of {}", path.display(), names.join(", "));
    };
    let damaged = || format!("{} is a damaged {} file: make it again", path.display(), format.name);
    match (format.info)(&bytes).with_context(damaged)? {
        None if format.beside => read_beside(path),
        info => Ok(info),
    }
}

/// The format by the content of a file, or by its ending where formats begin with anything.
fn known(path: &Path, bytes: &[u8]) -> Option<&'static Format> {
    let by_content = FORMATS.iter().find(|format| !format.magic.is_empty() && bytes.starts_with(format.magic));
    by_content.or(by_ending(path).filter(|format| format.magic.is_empty()))
}

/// Whether a file is a mesh.
pub(crate) fn knows(path: &Path, bytes: &[u8]) -> bool {
    known(path, bytes).is_some()
}

/// What a mesh's file is and says of itself.
pub(crate) fn about(path: &Path, bytes: &[u8]) -> Result<About> {
    let format = known(path, bytes).context("it is no mesh")?;
    let info = (format.info)(bytes)?;
    Ok(About { kind: format!("{} mesh", format.name), texts: info.unwrap_or_default().into_texts() })
}

fn read_beside(path: &Path) -> Result<Option<Info>> {
    let file = sidecar(path);
    match std::fs::read(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        bytes => {
            let bytes = bytes.with_context(|| format!("cannot read {}", file.display()))?;
            let info = serde_json::from_slice(&bytes);
            info.with_context(|| format!("{} does not say how {} was made", file.display(), path.display())).map(Some)
        }
    }
}

fn by_ending(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    FORMATS.iter().find(|format| format.extensions.contains(&ending.as_str()))
}

/// How a mesh was made, as one line of text; `None` when nothing is known.
pub(super) fn line(info: &Info) -> Result<Option<String>> {
    if info.parameters.is_empty() && info.json.is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::to_string(info)?))
}

/// The line again, found behind `mark` at the beginning of a line of text.
pub(super) fn find_line(text: &[u8], mark: &str) -> Result<Option<Info>> {
    let found = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(mark.as_bytes()));
    Ok(found.map(serde_json::from_slice).transpose()?)
}
