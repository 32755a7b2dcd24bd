//! The sound formats: one file and one line each.

use super::sink::{Sink, Target};
use super::{Shape, flac, tags, vorbis, wav};
use crate::info::{About, Info, Text};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;

/// Whether a file that begins like this is of a format.
type Knows = fn(&[u8]) -> bool;

/// Begins a file.
type Start = fn(Box<dyn Target>, Shape, &Info) -> Result<Box<dyn Sink>>;

/// A sound format that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// How finely it can hold samples.
    pub depths: &'static [Depth],
    /// The most channels and samples a second.
    pub most: (usize, u32),
    /// The most bytes that samples take as they are.
    pub(super) most_bytes: u64,
    /// Whether a file that begins like this is of this format.
    pub(super) knows: Knows,
    pub(super) start: Start,
    pub(super) texts: fn(&[u8]) -> Result<Vec<Text>>,
}

/// Every format.
pub const FORMATS: &[Format] = &[wav::FORMAT, flac::FORMAT, vorbis::FORMAT];

/// A sound format that can be read only: what it is called, and whether a file that begins like this is of it.
const READ_ONLY: &[(&str, Knows)] = &[("MP3", is_mp3)];

/// How finely samples are written, in formats that leave a choice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Depth {
    /// Whole numbers of 16 bits.
    #[default]
    Whole16,
    /// Whole numbers of 24 bits.
    Whole24,
    /// Floating-point numbers of 32 bits, which may leave full scale.
    Float,
}

impl Depth {
    /// Every depth with its name.
    pub const ALL: [(&'static str, Self); 3] = [("16", Self::Whole16), ("24", Self::Whole24), ("f32", Self::Float)];

    /// Bits of a sample.
    pub fn bits(self) -> u32 {
        match self {
            Self::Whole16 => 16,
            Self::Whole24 => 24,
            Self::Float => 32,
        }
    }

    /// The depth of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(own, _)| *own == name).map(|(_, depth)| *depth)
    }

    /// A sample as a whole number of so many bits (24 for floating point); what leaves full scale is cut off.
    pub(super) fn whole(self, value: f32) -> i32 {
        let scale = (1i64 << (self.bits().min(24) - 1)) as f64;
        (f64::from(value) * scale).round_ties_even().clamp(-scale, scale - 1.0) as i32
    }
}

impl Format {
    /// Refuses a depth that the format cannot hold.
    pub fn check_depth(&self, depth: Depth) -> Result<()> {
        if self.depths.contains(&depth) {
            return Ok(());
        }
        let able: Vec<_> = FORMATS.iter().filter(|f| f.depths.contains(&depth)).map(|f| f.name).collect();
        let name = Depth::ALL.iter().find(|(_, own)| *own == depth).map_or("", |(name, _)| name);
        bail!("{} files cannot have samples of {name} bits: write {}", self.name, able.join(" or "))
    }

    /// Refuses sound that the format cannot hold.
    pub fn check_shape(&self, shape: Shape) -> Result<()> {
        self.check_depth(shape.depth)?;
        let (channels, rate) = self.most;
        ensure!(
            (1..=channels).contains(&shape.channels) && shape.sample_rate <= rate,
            "{} files hold up to {channels} channels and {rate} Hz, but this sound has {} and {} Hz: write WAV",
            self.name,
            shape.channels,
            shape.sample_rate
        );
        ensure!(
            shape.bytes().is_none_or(|bytes| bytes <= self.most_bytes),
            "a {} file ends at {} GiB of samples: make it shorter, or write Ogg Vorbis",
            self.name,
            self.most_bytes >> 30
        );
        Ok(())
    }
}

/// The format that the ending of `path` names. Call it before a long run: an unknown ending is an error that lists the known ones.
pub fn check_extension(path: &Path) -> Result<&'static Format> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let known = |e: &String| FORMATS.iter().find(|format| format.extensions.contains(&e.as_str()));
    if let Some(format) = ending.as_ref().and_then(known) {
        return Ok(format);
    }
    let all: Vec<_> = FORMATS.iter().flat_map(|f| f.extensions).map(|e| format!(".{e}")).collect();
    match ending {
        None => bail!("{} has no ending that names a sound format: add one of {}", path.display(), all.join(", ")),
        Some(ending) => {
            bail!("the ending .{ending} of {} names no sound format: use one of {}", path.display(), all.join(", "))
        }
    }
}

/// Whether a file that begins like this is a sound that can be read.
pub(crate) fn knows(bytes: &[u8]) -> bool {
    name(bytes).is_some()
}

/// What a sound file is and says of itself.
pub(crate) fn about(bytes: &[u8]) -> Result<About> {
    let name = name(bytes).context("it is no sound")?;
    let texts = FORMATS.iter().find(|format| (format.knows)(bytes)).map_or(tags::texts as fn(&[u8]) -> _, |f| f.texts);
    Ok(About { kind: format!("{name} sound{}", tags::shape(bytes)), texts: texts(bytes)? })
}

/// The format of a file that begins like this.
fn name(bytes: &[u8]) -> Option<&'static str> {
    let written = FORMATS.iter().find(|format| (format.knows)(bytes)).map(|format| format.name);
    written.or_else(|| READ_ONLY.iter().find(|(_, knows)| knows(bytes)).map(|(name, _)| *name))
}

/// A tag, or the head of a frame of layer III.
fn is_mp3(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ID3") || matches!(bytes, [0xFF, second, ..] if second & 0xE6 == 0xE2)
}
