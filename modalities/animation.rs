//! Pictures that move, and the files they live in.

mod gif;

use crate::Info;
use crate::image::Picture;
use crate::info::About;
use anyhow::{Context, Result};
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

fn of_content(bytes: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| bytes.starts_with(format.magic))
}

/// Whether a file that begins like this is an animation.
pub(crate) fn knows(bytes: &[u8]) -> bool {
    of_content(bytes).is_some()
}

/// What an animation's file is and says of itself.
pub(crate) fn about(bytes: &[u8]) -> Result<About> {
    let format = of_content(bytes).context("it is no animation")?;
    let info = (format.info)(bytes)?;
    Ok(About { kind: format!("{} animation", format.name), texts: info.unwrap_or_default().into_texts() })
}

/// How the animation in `bytes` was made; `None` where it does not say or is none.
///
/// # Errors
/// When the file is damaged.
pub fn read_info(bytes: &[u8]) -> Result<Option<Info>> {
    match of_content(bytes) {
        Some(format) => (format.info)(bytes),
        None => Ok(None),
    }
}
