//! The picture formats: one file and one line each.

use super::{Picture, jpeg, png, tiff, webp};
use crate::info::{About, Info, Text};
use anyhow::{Context, Result, bail};
use image::ImageReader;
use std::io::Cursor;
use std::path::Path;

/// A picture format that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// Bits per channel it can hold.
    pub depths: &'static [Depth],
    /// Whether a file that begins like this is of this format.
    pub(super) knows: fn(&[u8]) -> bool,
    pub(super) encode: fn(&Picture, &Info, Depth) -> Result<Vec<u8>>,
    pub(super) texts: fn(&[u8]) -> Result<Vec<Text>>,
}

/// Bits per channel of a picture file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Depth {
    /// 8 bits: what screens show.
    #[default]
    Eight,
    /// 16 bits: for pictures that are edited further.
    Sixteen,
}

/// Every format.
pub const FORMATS: &[Format] = &[png::FORMAT, jpeg::FORMAT, webp::FORMAT, tiff::FORMAT];

impl Depth {
    /// The number of bits.
    pub fn bits(self) -> u8 {
        match self {
            Self::Eight => 8,
            Self::Sixteen => 16,
        }
    }

    /// The depth of so many bits: 8 or 16.
    pub fn of_bits(bits: u8) -> Option<Self> {
        [Self::Eight, Self::Sixteen].into_iter().find(|depth| depth.bits() == bits)
    }
}

impl Format {
    /// The bytes of a file that shows `picture` and carries `info`.
    pub fn encode(&self, picture: &Picture, info: &Info, depth: Depth) -> Result<Vec<u8>> {
        self.check_depth(depth)?;
        (self.encode)(picture, info, depth)
    }

    /// The format of a file name ending, without its dot.
    pub fn of_extension(extension: &str) -> Option<&'static Self> {
        FORMATS.iter().find(|format| format.extensions.contains(&extension.to_lowercase().as_str()))
    }

    /// Refuses bits per channel that the format cannot hold.
    pub fn check_depth(&self, depth: Depth) -> Result<()> {
        if self.depths.contains(&depth) {
            return Ok(());
        }
        let able: Vec<_> = FORMATS.iter().filter(|f| f.depths.contains(&depth)).map(|f| f.name).collect();
        bail!("{} pictures cannot have {} bits per channel: write {}", self.name, depth.bits(), able.join(" or "))
    }
}

/// The names of all formats, as alternatives.
pub(super) fn names() -> String {
    let names: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
    names.split_last().map_or(String::new(), |(last, rest)| format!("{} or {last}", rest.join(", ")))
}

/// The format that the ending of `path` names. Call it before a long run: an unknown ending is an error that lists the known ones.
pub fn check_extension(path: &Path) -> Result<&'static Format> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    if let Some(format) = ending.as_deref().and_then(Format::of_extension) {
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

fn of_content(bytes: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.knows)(bytes))
}

/// Whether a file that begins like this is a picture that can be read.
pub(crate) fn knows(bytes: &[u8]) -> bool {
    of_content(bytes).is_some()
}

/// What a picture file is and says of itself.
pub(crate) fn about(bytes: &[u8]) -> Result<About> {
    let format = of_content(bytes).context("it is not a picture")?;
    let (width, height) = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?.into_dimensions()?;
    let kind = format!("{} picture, {width} x {height} pixels", format.name);
    Ok(About { kind, texts: (format.texts)(bytes)? })
}
