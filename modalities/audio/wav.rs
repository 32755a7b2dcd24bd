//! WAV files, with how they were made in their INFO list.

use super::sink::{Sink, Target};
use super::{Depth, Format, Shape, Waveform};
use crate::info::{Info, JSON, PARAMETERS, Text};
use anyhow::Result;

pub(super) const FORMAT: Format = Format {
    name: "WAV",
    extensions: &["wav", "wave"],
    depths: &[Depth::Whole16, Depth::Whole24, Depth::Float],
    most: (u16::MAX as usize, u32::MAX),
    most_bytes: u32::MAX as u64 - (1 << 26),
    knows: |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"),
    start,
    texts,
};

/// Tags of our texts in the INFO list. The one of the readable text is the comment of the RIFF standard.
const TAGS: [(&[u8; 4], &str); 2] = [(b"ICMT", PARAMETERS), (b"edrn", JSON)];
const SOFTWARE: &[u8; 4] = b"ISFT";

/// The size that readers take as "until the end", where a file is too long to say it.
const UNKNOWN: u32 = u32::MAX;

/// Samples that are whole numbers, that are floating-point numbers, and that the format's own chunk says more of.
const WHOLE: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xFFFE;

/// What follows the kind of samples in an identifier of the extensible form.
const GUID_TAIL: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

struct Wav {
    out: Box<dyn Target>,
    shape: Shape,
    /// The chunk that says how the sound was made.
    list: Vec<u8>,
    /// Bytes of samples so far.
    written: u64,
}

/// Writes the head of the file: how it was made, then what its samples are like. It is complete from the start, because a
/// place such as standard output does not lead back.
pub(super) fn start(mut out: Box<dyn Target>, shape: Shape, info: &Info) -> Result<Box<dyn Sink>> {
    let list = list(info);
    out.write_all(&head(shape, &list))?;
    Ok(Box::new(Wav { out, shape, list, written: 0 }))
}

fn head(shape: Shape, list: &[u8]) -> Vec<u8> {
    let head = [&b"WAVE"[..], &chunk(b"fmt ", &format(shape)), &fact(shape), list, b"data"].concat();
    let size = shape.bytes();
    let all = size.map(|size| head.len() as u64 + 4 + size + size % 2);
    [&b"RIFF"[..], &known(all), &head, &known(size)].concat()
}

/// A size that fits into the format, and is known.
fn known(size: Option<u64>) -> [u8; 4] {
    size.and_then(|size| u32::try_from(size).ok()).unwrap_or(UNKNOWN).to_le_bytes()
}

impl Sink for Wav {
    fn write(&mut self, sound: &Waveform) -> Result<()> {
        let mut bytes = Vec::with_capacity(sound.len() * sound.channels.len() * 4);
        for value in sound.interleaved() {
            match self.shape.depth {
                Depth::Float => bytes.extend_from_slice(&value.to_le_bytes()),
                Depth::Whole24 => bytes.extend_from_slice(&self.shape.depth.whole(value).to_le_bytes()[..3]),
                Depth::Whole16 => bytes.extend_from_slice(&(self.shape.depth.whole(value) as i16).to_le_bytes()),
            }
        }
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Result<Box<dyn Target>> {
        self.out.write_all(&[0][..(self.written % 2) as usize])?;
        if self.shape.samples.is_none() {
            let frame = self.shape.channels as u64 * u64::from(self.shape.depth.bits() / 8);
            let samples = Some((self.written / frame.max(1)) as usize);
            self.out.patch(&head(Shape { samples, ..self.shape }, &self.list))?;
        }
        Ok(self.out)
    }
}

/// What the samples are like. More than two channels or 16 bits need the extensible form.
fn format(shape: Shape) -> Vec<u8> {
    let (bits, kind) = (shape.depth.bits() as u16, if shape.depth == Depth::Float { FLOAT } else { WHOLE });
    let extended = shape.channels > 2 || shape.depth == Depth::Whole24;
    let frame = shape.channels as u32 * u32::from(bits / 8);
    let mut out = if extended { EXTENSIBLE } else { kind }.to_le_bytes().to_vec();
    out.extend_from_slice(&(shape.channels as u16).to_le_bytes());
    out.extend_from_slice(&shape.sample_rate.to_le_bytes());
    out.extend_from_slice(&shape.sample_rate.saturating_mul(frame).to_le_bytes());
    out.extend_from_slice(&(frame as u16).to_le_bytes());
    out.extend_from_slice(&bits.to_le_bytes());
    if extended {
        // 22 more bytes: valid bits, no loudspeakers named, kind.
        let parts = [&22u16.to_le_bytes()[..], &bits.to_le_bytes(), &[0; 4], &kind.to_le_bytes(), &GUID_TAIL];
        out.extend_from_slice(&parts.concat());
    }
    out
}

/// The number of samples, which the standard asks for where they are no whole numbers of 16 bits.
fn fact(shape: Shape) -> Vec<u8> {
    match shape.depth {
        Depth::Float => chunk(b"fact", &known(shape.samples.map(|samples| samples as u64))),
        _ => Vec::new(),
    }
}

/// The LIST chunk that says how a sound was made; empty where there is nothing to say.
fn list(info: &Info) -> Vec<u8> {
    let mut body = b"INFO".to_vec();
    for (key, text) in info.texts() {
        if let Some((tag, _)) = TAGS.iter().find(|(_, own)| *own == key) {
            body.extend_from_slice(&chunk(tag, &[text.as_bytes(), b"\0"].concat()));
        }
    }
    if body.len() == 4 {
        return Vec::new();
    }
    body.extend_from_slice(&chunk(SOFTWARE, format!("edrun {}\0", env!("CARGO_PKG_VERSION")).as_bytes()));
    chunk(b"LIST", &body)
}

fn chunk(tag: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let pad = [0u8; 1];
    [tag.as_slice(), &(body.len() as u32).to_le_bytes(), body, &pad[..body.len() % 2]].concat()
}

/// The chunks of a RIFF body: tag and content. Stops where the file is cut off.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (tag, after) = rest.split_at_checked(4)?;
        let (size, after) = after.split_first_chunk::<4>()?;
        let size = (u32::from_le_bytes(*size) as usize).min(after.len());
        let (body, after) = after.split_at(size);
        rest = after.get(size % 2..).unwrap_or_default();
        Some((tag, body))
    })
}

/// The tags of all INFO lists.
fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let lists = chunks(bytes.get(12..).unwrap_or_default()).filter(|(tag, _)| *tag == b"LIST");
    let tags = lists.filter_map(|(_, body)| body.strip_prefix(b"INFO")).flat_map(chunks);
    let key = |tag: &[u8]| match TAGS.iter().find(|(own, _)| own.as_slice() == tag) {
        Some((_, key)) => (*key).to_owned(),
        None => String::from_utf8_lossy(tag).into_owned(),
    };
    Ok(tags.map(|(tag, body)| Text::new(key(tag), String::from_utf8_lossy(body).trim_end_matches('\0'))).collect())
}
