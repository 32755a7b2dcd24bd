//! Pictures that move, and the files they live in.

mod gif;

use crate::Info;
use crate::image::Picture;
use anyhow::Result;
use std::path::Path;

/// Pictures of one size, shown one after another, again and again.
#[derive(Clone, Debug)]
pub struct Animation {
    /// The pictures.
    pub frames: Vec<Picture>,
    /// How long they take together.
    pub seconds: f32,
}

/// A format of animations that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// How a file of this format begins.
    pub(crate) magic: &'static [u8],
    pub(crate) encode: fn(&Animation, &Info) -> Result<Vec<u8>>,
    pub(crate) info: fn(&[u8]) -> Result<Option<Info>>,
}

/// Every format.
pub const FORMATS: &[Format] = &[gif::FORMAT];

/// The format that the ending of `path` names, if there is one.
pub fn by_ending(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    FORMATS.iter().find(|format| format.extensions.contains(&ending.as_str()))
}

/// How the animation in `bytes` was made; `None` where it does not say or is none.
///
/// # Errors
/// When the file is damaged.
pub fn read_info(bytes: &[u8]) -> Result<Option<Info>> {
    match FORMATS.iter().find(|format| bytes.starts_with(format.magic)) {
        Some(format) => (format.info)(bytes),
        None => Ok(None),
    }
}
