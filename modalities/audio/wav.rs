//! WAV files, with how they were made in their INFO list.

use std::io::{Cursor, Write};

use super::{Depth, Format, Waveform};
use crate::info::{Info, JSON, PARAMETERS, Text};
use anyhow::{Result, ensure};
use hound::{SampleFormat, WavSpec, WavWriter};

pub(super) const FORMAT: Format = Format {
    name: "WAV",
    extensions: &["wav", "wave"],
    depths: &[Depth::Whole16, Depth::Whole24, Depth::Float],
    knows: |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WAVE"),
    encode,
    texts,
};

/// Tags of our texts in the INFO list. The one of the readable text is the comment of the RIFF standard.
const TAGS: [(&[u8; 4], &str); 2] = [(b"ICMT", PARAMETERS), (b"edrn", JSON)];
const SOFTWARE: &[u8; 4] = b"ISFT";

/// The size that readers take as "until the end", where it is not known beforehand.
const UNKNOWN: u32 = u32::MAX;

fn encode(sound: &Waveform, info: &Info, depth: Depth) -> Result<Vec<u8>> {
    let bytes = sound.len() as u64 * sound.channels.len() as u64 * u64::from(depth.bits() / 8);
    ensure!(bytes < u64::from(u32::MAX) - (1 << 20), "a WAV file ends at 4 GiB: make it shorter, or a FLAC file");
    let mut out = Cursor::new(Vec::with_capacity(bytes as usize + 1024));
    let mut writer = WavWriter::new(&mut out, spec(sound.sample_rate, sound.channels.len(), depth))?;
    for value in sound.interleaved() {
        match depth {
            Depth::Float => writer.write_sample(value)?,
            _ => writer.write_sample(depth.whole(value))?,
        }
    }
    writer.finalize()?;
    Ok(with_list(out.into_inner(), &list(info)))
}

fn spec(sample_rate: u32, channels: usize, depth: Depth) -> WavSpec {
    let sample_format = if depth == Depth::Float { SampleFormat::Float } else { SampleFormat::Int };
    WavSpec { channels: channels as u16, sample_rate, bits_per_sample: depth.bits() as u16, sample_format }
}

/// Puts a chunk at the end of a file, and its length into the file's.
fn with_list(mut file: Vec<u8>, list: &[u8]) -> Vec<u8> {
    if file.len() % 2 == 1 {
        file.push(0);
    }
    file.extend_from_slice(list);
    let size = (file.len() - 8) as u32;
    if let Some(place) = file.get_mut(4..8) {
        place.copy_from_slice(&size.to_le_bytes());
    }
    file
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

/// A WAV file that leaves as it is made, of a length that is not known yet.
pub struct Stream<W: Write> {
    out: W,
    depth: Depth,
}

impl<W: Write> Stream<W> {
    /// Writes the head of the file: how it was made, then what its samples are like.
    pub fn start(mut out: W, sample_rate: u32, channels: usize, depth: Depth, info: &Info) -> Result<Self> {
        let kind: u16 = if depth == Depth::Float { 3 } else { 1 };
        let frame = channels as u32 * depth.bits() / 8;
        let mut format = Vec::new();
        format.extend_from_slice(&kind.to_le_bytes());
        format.extend_from_slice(&(channels as u16).to_le_bytes());
        format.extend_from_slice(&sample_rate.to_le_bytes());
        format.extend_from_slice(&(sample_rate * frame).to_le_bytes());
        format.extend_from_slice(&(frame as u16).to_le_bytes());
        format.extend_from_slice(&(depth.bits() as u16).to_le_bytes());
        let unknown = UNKNOWN.to_le_bytes();
        let parts = [b"RIFF", &unknown[..], b"WAVE", &chunk(b"fmt ", &format), &list(info), b"data", &unknown];
        out.write_all(&parts.concat())?;
        Ok(Self { out, depth })
    }

    /// Writes more samples.
    pub fn write(&mut self, sound: &Waveform) -> Result<()> {
        let mut bytes = Vec::with_capacity(sound.len() * sound.channels.len() * 4);
        for value in sound.interleaved() {
            match self.depth {
                Depth::Float => bytes.extend_from_slice(&value.to_le_bytes()),
                Depth::Whole24 => bytes.extend_from_slice(&self.depth.whole(value).to_le_bytes()[..3]),
                Depth::Whole16 => bytes.extend_from_slice(&(self.depth.whole(value) as i16).to_le_bytes()),
            }
        }
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        Ok(())
    }
}
