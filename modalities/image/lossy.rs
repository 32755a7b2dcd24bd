//! Pictures that leave something out: VP8 key frames, which are what lossy WebP pictures hold and what WebM clips may be made of.

use super::Picture;
use anyhow::{Context, Result, anyhow, ensure};
use webp::{Encoder, WebPConfig};

/// The most pixels a side.
pub(crate) const MAX_SIDE: usize = 16_383;

/// How hard the encoder tries, of 0 to 6: its own choice.
const METHOD: i32 = 4;

/// A file of one picture, in a quality of 1 to 100.
fn file(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let (width, height) = (picture.width, picture.height);
    ensure!(width.max(height) <= MAX_SIDE, "such a picture has sides of up to {MAX_SIDE} pixels, not {width}x{height}");
    let mut config = WebPConfig::new().map_err(|()| anyhow!("the VP8 encoder failed"))?;
    (config.quality, config.method) = (f32::from(quality), METHOD);
    let rgb = picture.to_rgb8();
    let encoded = Encoder::from_rgb(&rgb, width as u32, height as u32).encode_advanced(&config);
    encoded.map(|memory| memory.to_vec()).map_err(|error| anyhow!("the VP8 encoder failed: {error:?}"))
}

/// The chunk `VP8 ` of a WebP file, with its head.
pub(crate) fn chunk(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let file = file(picture, quality)?;
    let chunk = file.get(12..).filter(|chunk| chunk.starts_with(b"VP8 "));
    Ok(chunk.context("the VP8 encoder wrote no plain picture")?.to_vec())
}

/// The key frame alone.
pub(crate) fn vp8(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let chunk = chunk(picture, quality)?;
    let (head, rest) = chunk.split_at_checked(8).context("the VP8 encoder wrote nothing")?;
    let length = head.last_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
    Ok(rest.get(..length).context("the VP8 encoder wrote half a frame")?.to_vec())
}
