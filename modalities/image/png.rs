//! PNG. How it was made stands in two text chunks, `parameters` and `edrun`.

use super::{Depth, Format, Picture};
use crate::info::{Info, Text};
use anyhow::{Context, Result};
use png::{BitDepth, ColorType, Decoder, Encoder};
use std::io::Cursor;

pub(super) const FORMAT: Format = Format {
    name: "PNG",
    extensions: &["png"],
    depths: &[Depth::Eight, Depth::Sixteen],
    knows: |bytes| bytes.starts_with(b"\x89PNG\r\n\x1a\n"),
    encode,
    texts,
};

fn encode(picture: &Picture, info: &Info, depth: Depth) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let side = |n: usize| u32::try_from(n).context("a picture side is too long for PNG");
    let mut encoder = Encoder::new(&mut out, side(picture.width)?, side(picture.height)?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(match depth {
        Depth::Eight => BitDepth::Eight,
        Depth::Sixteen => BitDepth::Sixteen,
    });
    for (key, text) in info.texts() {
        add(&mut encoder, key, text)?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&match depth {
        Depth::Eight => picture.to_rgb8(),
        Depth::Sixteen => picture.to_rgb16().into_iter().flat_map(u16::to_be_bytes).collect(),
    })?;
    writer.finish()?;
    Ok(out)
}

fn add<W: std::io::Write>(encoder: &mut Encoder<'_, W>, key: &str, text: &str) -> Result<()> {
    // A zero byte ends a chunk's text.
    let text = text.replace('\0', "\u{fffd}");
    // The plain chunk is what other tools look at first; it can hold Latin-1 only.
    if text.chars().all(|c| c <= '\u{ff}') {
        encoder.add_text_chunk(key.to_owned(), text)?;
    } else {
        encoder.add_itxt_chunk(key.to_owned(), text)?;
    }
    Ok(())
}

fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let mut reader = Decoder::new(Cursor::new(bytes)).read_info()?;
    // Text may also stand after the pixels.
    reader.finish()?;
    let chunks = reader.info();
    let mut texts = Vec::new();
    for chunk in &chunks.uncompressed_latin1_text {
        texts.push(Text::new(&chunk.keyword, latin1_or_utf8(&chunk.text)));
    }
    for chunk in &chunks.compressed_latin1_text {
        texts.push(Text::new(&chunk.keyword, latin1_or_utf8(&chunk.get_text()?)));
    }
    for chunk in &chunks.utf8_text {
        texts.push(Text::new(&chunk.keyword, chunk.get_text()?));
    }
    Ok(texts)
}

/// Some programs write UTF-8 where the format has Latin-1; text that is valid UTF-8 by chance is rare.
fn latin1_or_utf8(text: &str) -> String {
    let bytes: Option<Vec<u8>> = text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_else(|| text.to_owned())
}
