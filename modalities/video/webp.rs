//! Animated WebP, lossless unless a quality is asked for. How it was made stands in its Exif chunk.
//!
//! The crates that write WebP pictures write no animations; their picture goes into a chunk of the animation as it is.

use super::{Format, Shape, Writer};
use crate::Info;
use crate::files::{Whole, unwritten};
use crate::image::{self, Depth, Picture, exif, lossy};
use anyhow::{Context, Result, ensure};
use std::io::{Seek, SeekFrom, Write};

pub(super) const FORMAT: Format = Format {
    name: "WebP",
    extensions: &["webp"],
    // Durations are thousandths of a second, and browsers slow down what is shown for ten of them or fewer.
    fastest: 90.0,
    longest_side: 16_383,
    even: false,
    lossy: true,
    knows: |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..16) == Some(b"WEBPVP8X") && flags(bytes) & ANIMATED != 0,
    start,
    texts: image::webp_texts,
};

/// Units of time in a second.
const THOUSANDTHS: f64 = 1000.0;

/// Flags of a file: that it moves, and that it has an Exif chunk.
const ANIMATED: u8 = 2;
const EXIF: u8 = 8;

/// A frame replaces what was there, and stays until the next one.
const REPLACES: u8 = 2;

/// Bytes of a RIFF header, and of a chunk's.
const RIFF: usize = 12;
const CHUNK: usize = 8;

struct WebP {
    file: Whole,
    shape: Shape,
    info: Info,
    quality: Option<u8>,
    written: usize,
}

fn flags(bytes: &[u8]) -> u8 {
    bytes.get(RIFF + CHUNK).copied().unwrap_or_default()
}

/// The lowest three bytes of a number.
fn three(number: usize) -> Result<[u8; 3]> {
    let [a, b, c, 0] = u32::try_from(number)?.to_le_bytes() else { anyhow::bail!("{number} is too large for WebP") };
    Ok([a, b, c])
}

fn chunk(name: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let mut body = parts.concat();
    let length = body.len() as u32;
    body.resize(body.len().next_multiple_of(2), 0);
    [&name[..], &length.to_le_bytes(), &body].concat()
}

fn start(mut file: Whole, shape: Shape, info: &Info, quality: Option<u8>) -> Result<Box<dyn Writer>> {
    let exif = if exif::entries(info).is_empty() { 0 } else { EXIF };
    let sides = [three(shape.width - 1)?, three(shape.height - 1)?].concat();
    let head = chunk(b"VP8X", &[&[ANIMATED | exif, 0, 0, 0], &sides]);
    // No background, and again and again.
    let moves = chunk(b"ANIM", &[&[0; 4], &[0; 2]]);
    let written = file.write_all(&[b"RIFF\0\0\0\0WEBP", &head[..], &moves].concat());
    written.with_context(|| unwritten(file.path()))?;
    Ok(Box::new(WebP { file, shape, info: info.clone(), quality, written: 0 }))
}

/// The chunk of a picture that leaves nothing out.
fn lossless(picture: &Picture) -> Result<Vec<u8>> {
    let format = image::Format::of_extension("webp").context("WebP is gone")?;
    let still = format.encode(picture, &Info::default(), Depth::Eight)?;
    let pixels = still.get(RIFF..).filter(|chunks| chunks.starts_with(b"VP8L"));
    Ok(pixels.context("the WebP encoder wrote no plain picture")?.to_vec())
}

impl Writer for WebP {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        let pixels = match self.quality {
            Some(quality) => lossy::chunk(picture, quality)?,
            None => lossless(picture)?,
        };
        let at = |frame| self.shape.start_of(frame, THOUSANDTHS) as usize;
        let lasts = three((at(self.written + 1) - at(self.written)).max(1))?;
        let place = [[0; 3], [0; 3], three(picture.width - 1)?, three(picture.height - 1)?, lasts].concat();
        self.written += 1;
        let frame = chunk(b"ANMF", &[&place, &[REPLACES], &pixels]);
        self.file.write_all(&frame).with_context(|| unwritten(self.file.path()))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let mut end = || -> std::io::Result<u64> {
            let entries = exif::entries(&self.info);
            if !entries.is_empty() {
                self.file.write_all(&chunk(b"EXIF", &[&exif::block(&entries)]))?;
            }
            self.file.stream_position()
        };
        let length = end().with_context(|| unwritten(self.file.path()))?;
        let inside = u32::try_from(length - CHUNK as u64).ok();
        ensure!(inside.is_some(), "a WebP file ends at 4 GiB: write an .mp4");
        let patched = self.file.seek(SeekFrom::Start(4));
        let patched = patched.and_then(|_| self.file.write_all(&inside.unwrap_or_default().to_le_bytes()));
        patched.with_context(|| unwritten(self.file.path()))?;
        self.file.finish()
    }
}
