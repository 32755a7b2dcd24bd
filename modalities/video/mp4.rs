//! MP4: H.264 in the form that every browser plays, its index before its frames so that it plays while it loads. How it was
//! made stands in the metadata that players show.

mod boxes;
mod h264;
mod index;
mod tags;

use super::format::QUALITY;
use super::yuv::Yuv;
use super::{Format, Shape, Writer};
use crate::Info;
use crate::files::{Whole, unwritten};
use crate::image::Picture;
use crate::info::Text;
use anyhow::{Context, Result};
use h264::Encoder;
use index::Index;
use std::io::{self, Write};

pub(super) const FORMAT: Format = Format {
    name: "MP4",
    extensions: &["mp4", "m4v"],
    fastest: f64::INFINITY,
    // The encoder's limit.
    longest_side: 3840,
    even: true,
    lossy: true,
    knows: |bytes| bytes.get(4..8) == Some(b"ftyp"),
    start,
    texts,
};

struct Mp4 {
    file: Whole,
    /// Frames until all are there: their index comes first.
    frames: Whole,
    encoder: Encoder,
    index: Index,
    info: Info,
}

fn start(file: Whole, shape: Shape, info: &Info, quality: Option<u8>) -> Result<Box<dyn Writer>> {
    let frames = Whole::create(file.path())?;
    let encoder = Encoder::new(shape, quality.unwrap_or(QUALITY))?;
    Ok(Box::new(Mp4 { file, frames, encoder, index: Index::new(shape), info: info.clone() }))
}

impl Writer for Mp4 {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        let frame = self.encoder.encode(&Yuv::of(picture))?;
        self.index.add(&frame)?;
        self.frames.write_all(&frame.bytes).with_context(|| unwritten(self.file.path()))
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        let tags = tags::tags(&self.info);
        let head = self.index.head(self.encoder.parameters()?, &tags)?;
        let copied = self.file.write_all(&head).and_then(|()| io::copy(&mut self.frames.read_back()?, &mut self.file));
        copied.with_context(|| unwritten(self.file.path()))?;
        self.file.finish()
    }
}

#[cfg(test)]
mod tests;

fn texts(bytes: &[u8]) -> Result<Vec<Text>> {
    Ok(tags::texts(bytes))
}
