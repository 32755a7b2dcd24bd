//! WebP, lossless. How it was made stands in its Exif chunk. No maintained encoder in Rust writes the lossy kind.

use super::{Depth, Format, Picture, exif};
use crate::info::{Info, Text};
use anyhow::{Result, ensure};
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{ExtendedColorType, ImageDecoder, ImageEncoder};
use std::io::Cursor;

const MAX_SIDE: usize = 16_383;

pub(super) const FORMAT: Format = Format {
    name: "WebP",
    extensions: &["webp"],
    depths: &[Depth::Eight],
    knows: |bytes| bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP"),
    encode,
    texts,
};

fn encode(picture: &Picture, info: &Info, _: Depth) -> Result<Vec<u8>> {
    let (width, height) = (picture.width, picture.height);
    ensure!(width.max(height) <= MAX_SIDE, "a WebP picture has sides of up to {MAX_SIDE} pixels: write a PNG");
    let mut bytes = Vec::new();
    let mut encoder = WebPEncoder::new_lossless(&mut bytes);
    let entries = exif::entries(info);
    if !entries.is_empty() {
        encoder.set_exif_metadata(exif::block(&entries))?;
    }
    encoder.write_image(&picture.to_rgb8(), width as u32, height as u32, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

pub(crate) fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let exif = WebPDecoder::new(Cursor::new(bytes))?.exif_metadata()?.unwrap_or_default();
    // Some programs put the mark of JPEG's segment before it.
    Ok(exif::texts(exif.strip_prefix(b"Exif\0\0").unwrap_or(&exif)))
}
