//! JPEG. How it was made stands in comment segments of ours, without a limit of length, and, for other tools, in the Exif
//! `UserComment` as the A1111 web interface writes it. A segment holds 65,533 bytes; where the readable text is longer,
//! the `UserComment` is left out, and only edrun finds it.

use super::{Depth, Format, Picture, exif};
use crate::info::{Info, Text};
use anyhow::{Context, Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Visually lossless; generated pictures are often edited further.
const QUALITY: u8 = 95;
const MAX_SEGMENT: usize = 65_533;
const OURS: &[u8] = b"edrun-info ";
const EXIF: &[u8] = b"Exif\0\0";
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const COMMENT: u8 = 0xfe;
const START_OF_SCAN: u8 = 0xda;

pub(super) const FORMAT: Format = Format {
    name: "JPEG",
    extensions: &["jpg", "jpeg"],
    depths: &[Depth::Eight],
    knows: |bytes| bytes.starts_with(b"\xff\xd8\xff"),
    encode,
    texts,
};

fn encode(picture: &Picture, info: &Info, _: Depth) -> Result<Vec<u8>> {
    let side = |n: usize| {
        u16::try_from(n).with_context(|| format!("a picture side of {n} pixels is too long for JPEG: write a PNG"))
    };
    let (width, height) = (side(picture.width)?, side(picture.height)?);
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).write_image(
        &picture.to_rgb8(),
        width.into(),
        height.into(),
        ExtendedColorType::Rgb8,
    )?;
    let at = after_app0(&bytes);
    bytes.splice(at..at, info_segments(info)?);
    Ok(bytes)
}

/// Where further segments may begin: the file's own header segment has to stay first.
fn after_app0(bytes: &[u8]) -> usize {
    match segments(bytes).first() {
        Some((APP0, content)) => 2 + 4 + content.len(),
        _ => 2,
    }
}

fn info_segments(info: &Info) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    if *info == Info::default() {
        return Ok(out);
    }
    let readable = Info { json: String::new(), ..info.clone() };
    let exif = [EXIF, &exif::block(&exif::entries(&readable))].concat();
    if exif.len() <= MAX_SEGMENT {
        push_segment(&mut out, APP1, &exif)?;
    }
    for part in serde_json::to_vec(info)?.chunks(MAX_SEGMENT - OURS.len()) {
        push_segment(&mut out, COMMENT, &[OURS, part].concat())?;
    }
    Ok(out)
}

fn push_segment(out: &mut Vec<u8>, marker: u8, content: &[u8]) -> Result<()> {
    let length = u16::try_from(content.len() + 2).context("a JPEG segment is too long")?;
    out.extend([0xff, marker]);
    out.extend(length.to_be_bytes());
    out.extend(content);
    Ok(())
}

fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let segments = segments(bytes);
    ensure!(!segments.is_empty(), "it ends within its header");
    let comments = || segments.iter().filter(|s| s.0 == COMMENT);
    let ours: Vec<u8> = comments().filter_map(|s| s.1.strip_prefix(OURS)).flatten().copied().collect();
    if !ours.is_empty() {
        let info: Info = serde_json::from_slice(&ours).context("its comment is cut off or was changed")?;
        return Ok(info.into_texts());
    }
    let exif = segments.iter().filter(|s| s.0 == APP1).filter_map(|s| s.1.strip_prefix(EXIF)).flat_map(exif::texts);
    Ok(exif.chain(comments().map(|s| Text::new("comment", String::from_utf8_lossy(s.1)))).collect())
}

/// The segments before the pixels: `(marker, content)`.
fn segments(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, after @ ..] = rest {
        if *marker == 0xff {
            rest = &rest[1..];
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(2);
        if *marker == START_OF_SCAN || after.len() < length {
            break;
        }
        let (content, next) = after.split_at(length);
        found.push((*marker, content));
        rest = next;
    }
    found
}
