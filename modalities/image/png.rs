//! PNG. How it was made stands in two text chunks, `parameters` and `edrun`.

use super::{Format, Picture};
use crate::Info;
use anyhow::{Context, Result};
use png::{BitDepth, ColorType, Decoder, Encoder};
use std::io::Cursor;

const PARAMETERS: &str = "parameters";
const JSON: &str = "edrun";

pub(super) const FORMAT: Format =
    Format { name: "PNG", extensions: &["png"], magic: b"\x89PNG\r\n\x1a\n", encode, info };

fn encode(picture: &Picture, info: &Info) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let side = |n: usize| u32::try_from(n).context("a picture side is too long for PNG");
    let mut encoder = Encoder::new(&mut out, side(picture.width)?, side(picture.height)?);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    for (key, text) in [(PARAMETERS, &info.parameters), (JSON, &info.json)] {
        add(&mut encoder, key, text)?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.to_rgb8())?;
    writer.finish()?;
    Ok(out)
}

fn add<W: std::io::Write>(encoder: &mut Encoder<'_, W>, key: &str, text: &str) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
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

fn info(bytes: &[u8]) -> Result<Option<Info>> {
    let mut reader = Decoder::new(Cursor::new(bytes)).read_info()?;
    // Text may also stand after the pixels.
    reader.finish()?;
    let chunks = reader.info();
    let find = |key: &str| -> Result<Option<String>> {
        if let Some(chunk) = chunks.uncompressed_latin1_text.iter().find(|c| c.keyword == key) {
            return Ok(Some(chunk.text.clone()));
        }
        if let Some(chunk) = chunks.utf8_text.iter().find(|c| c.keyword == key) {
            return Ok(Some(chunk.get_text()?));
        }
        Ok(chunks.compressed_latin1_text.iter().find(|c| c.keyword == key).map(|c| c.get_text()).transpose()?)
    };
    let (parameters, json) = (find(PARAMETERS)?, find(JSON)?);
    let any = parameters.is_some() || json.is_some();
    Ok(any.then(|| Info { parameters: parameters.unwrap_or_default(), json: json.unwrap_or_default() }))
}
