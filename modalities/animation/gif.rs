//! GIF. How it was made stands in a comment block.

use super::{Animation, Format};
use crate::Info;
use anyhow::{Context, Result, ensure};
use gif::{AnyExtension, Encoder, Extension, Frame, Repeat};

pub(super) const FORMAT: Format = Format { name: "GIF", extensions: &["gif"], magic: b"GIF8", encode, info };

/// How carefully colours are chosen, 1 (best) to 30 (fastest).
const SPEED: i32 = 10;

const MARK: &str = "edrun ";

fn encode(animation: &Animation, info: &Info) -> Result<Vec<u8>> {
    let first = animation.frames.first().context("an animation needs a picture")?;
    let side = |n: usize| u16::try_from(n).context("a picture side is too long for GIF");
    let (width, height) = (side(first.width)?, side(first.height)?);
    // Hundredths of a second; below two, players fall back to ten.
    let delay = (100.0 * animation.seconds / animation.frames.len() as f32).round().clamp(2.0, 65535.0) as u16;
    let mut encoder = Encoder::new(Vec::new(), width, height, &[])?;
    encoder.set_repeat(Repeat::Infinite)?;
    if *info != Info::default() {
        let text = format!("{MARK}{}", serde_json::to_string(info)?);
        encoder.write_raw_extension(AnyExtension(Extension::Comment as u8), &[text.as_bytes()])?;
    }
    for picture in &animation.frames {
        ensure!((picture.width, picture.height) == (first.width, first.height), "the pictures differ in size");
        let mut frame = Frame::from_rgb_speed(width, height, &picture.to_rgb8(), SPEED);
        frame.delay = delay;
        encoder.write_frame(&frame)?;
    }
    Ok(encoder.into_inner()?)
}

/// The first comment of ours. The crate's reader skips comments, so the blocks before the first picture are walked here.
fn info(bytes: &[u8]) -> Result<Option<Info>> {
    let flags = *bytes.get(10).context("the file is cut off")?;
    let colours = if flags & 0x80 != 0 { 3 << ((flags & 7) + 1) } else { 0 };
    let mut rest = bytes.get(13 + colours..).context("the file is cut off")?;
    while let [INTRODUCER, label, blocks @ ..] = rest {
        let (content, after) = sub_blocks(blocks).context("the file is cut off")?;
        if let (true, Some(text)) = (*label == Extension::Comment as u8, content.strip_prefix(MARK.as_bytes())) {
            return Ok(Some(serde_json::from_slice(text)?));
        }
        rest = after;
    }
    Ok(None)
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
