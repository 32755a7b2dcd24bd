//! TIFF, compressed without loss. How it was made stands in its Exif directory.

use super::{Depth, Format, Picture, exif};
use crate::info::Info;
use anyhow::{Context, Result, ensure};
use std::borrow::Cow;
use std::io::Cursor;
use tiff::encoder::colortype::{ColorType, RGB8, RGB16};
use tiff::encoder::{Compression, DeflateLevel, Predictor, TiffEncoder, TiffValue};
use tiff::tags::{Tag, Type};

pub(super) const FORMAT: Format = Format {
    name: "TIFF",
    extensions: &["tiff", "tif"],
    depths: &[Depth::Eight, Depth::Sixteen],
    knows: |bytes| bytes.starts_with(b"II\x2a\0") || bytes.starts_with(b"MM\0\x2a"),
    encode,
    texts: |bytes| {
        ensure!(bytes.len() > 8, "it ends within its header");
        Ok(exif::texts(bytes))
    },
};

fn encode(picture: &Picture, info: &Info, depth: Depth) -> Result<Vec<u8>> {
    match depth {
        Depth::Eight => write::<RGB8>(picture, info, &picture.to_rgb8()),
        Depth::Sixteen => write::<RGB16>(picture, info, &picture.to_rgb16()),
    }
}

fn write<C: ColorType>(picture: &Picture, info: &Info, values: &[C::Inner]) -> Result<Vec<u8>>
where
    [C::Inner]: TiffValue,
{
    let side = |n: usize| u32::try_from(n).context("a picture side is too long for TIFF");
    let mut bytes = Vec::new();
    let encoder = TiffEncoder::new(Cursor::new(&mut bytes))?;
    let encoder = encoder.with_compression(Compression::Deflate(DeflateLevel::Balanced));
    let mut encoder = encoder.with_predictor(Predictor::Horizontal);
    let entries = exif::entries(info);
    let exif = match entries.is_empty() {
        true => None,
        false => {
            let mut exif = encoder.extra_directory()?;
            for exif::Entry { tag, content } in &entries {
                exif.write_tag(Tag::Unknown(*tag), Undefined(content))?;
            }
            Some(exif.finish_with_offsets()?.offset)
        }
    };
    let mut image = encoder.new_image::<C>(side(picture.width)?, side(picture.height)?)?;
    if let Some(place) = exif {
        image.encoder().write_tag(Tag::ExifDirectory, place)?;
    }
    image.write_data(values)?;
    Ok(bytes)
}

/// Bytes whose meaning is nobody's business.
struct Undefined<'a>(&'a [u8]);

impl TiffValue for Undefined<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::UNDEFINED;

    fn count(&self) -> usize {
        self.0.len()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.0)
    }
}
