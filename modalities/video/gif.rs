//! GIF. How it was made stands in a comment block.

use super::{Format, Shape, Writer};
use crate::Info;
use crate::files::{Whole, unwritten};
use crate::image::Picture;
use crate::info::Text;
use anyhow::{Context, Result};
use gif::{AnyExtension, Encoder, Extension, Frame, Repeat};
use std::path::PathBuf;

pub(super) const FORMAT: Format = Format {
    name: "GIF",
    extensions: &["gif"],
    // Below two hundredths of a second, players fall back to ten.
    fastest: 50.0,
    longest_side: u16::MAX as usize,
    even: false,
    lossy: false,
    knows: |bytes| bytes.starts_with(b"GIF8"),
    start,
    texts,
};

/// How carefully colours are chosen, 1 (best) to 30 (fastest).
const SPEED: i32 = 10;

const MARK: &str = "edrun ";

/// Units of time in a second.
const HUNDREDTHS: f64 = 100.0;

struct Gif {
    encoder: Encoder<Whole>,
    shape: Shape,
    written: usize,
    path: PathBuf,
}

fn start(file: Whole, shape: Shape, info: &Info, _: Option<u8>) -> Result<Box<dyn Writer>> {
    let path = file.path().to_owned();
    let mut encoder = Encoder::new(file, side(shape.width)?, side(shape.height)?, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    if *info != Info::default() {
        let text = format!("{MARK}{}", serde_json::to_string(info)?);
        encoder.write_raw_extension(AnyExtension(Extension::Comment as u8), &[text.as_bytes()])?;
    }
    Ok(Box::new(Gif { encoder, shape, written: 0, path }))
}

fn side(pixels: usize) -> Result<u16> {
    u16::try_from(pixels).context("a picture side is too long for GIF")
}

impl Writer for Gif {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        let mut frame = Frame::from_rgb_speed(side(picture.width)?, side(picture.height)?, &picture.to_rgb8(), SPEED);
        // Rounded so that the frames together last as long as they should.
        let at = |frame| self.shape.start_of(frame, HUNDREDTHS);
        frame.delay = (at(self.written + 1) - at(self.written)).clamp(2, u64::from(u16::MAX)) as u16;
        self.written += 1;
        self.encoder.write_frame(&frame).with_context(|| unwritten(&self.path))
    }

    fn finish(self: Box<Self>) -> Result<()> {
        let path = self.path;
        self.encoder.into_inner().with_context(|| unwritten(&path))?.finish()
    }
}

/// The first comment of ours. The crate's reader skips comments, so the blocks before the first picture are walked here.
fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    let flags = *bytes.get(10).context("the file is cut off")?;
    let colours = if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut rest = bytes.get(13 + colours..).context("the file is cut off")?;
    while let [INTRODUCER, label, blocks @ ..] = rest {
        let (content, after) = sub_blocks(blocks).context("the file is cut off")?;
        if let (true, Some(text)) = (*label == Extension::Comment as u8, content.strip_prefix(MARK.as_bytes())) {
            return Ok(serde_json::from_slice::<Info>(text)?.into_texts());
        }
        rest = after;
    }
    Ok(Vec::new())
}

/// How every extension begins.
const INTRODUCER: u8 = 0x21;

/// What blocks of up to 255 bytes hold together, and what follows the empty one that ends them.
fn sub_blocks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut content = Vec::new();
    loop {
        let (length, rest) = bytes.split_first()?;
        if *length == 0 {
            return Some((content, rest));
        }
        let (block, rest) = rest.split_at_checked(usize::from(*length))?;
        content.extend_from_slice(block);
        bytes = rest;
    }
}
