//! What an MP4 file says of its frames: where they are, how long they last, how they are decoded.

use super::boxes::{boxed, full, words};
use super::h264::Frame;
use crate::video::Shape;
use anyhow::{Context, Result};

/// The frames so far.
pub(super) struct Index {
    shape: Shape,
    sizes: Vec<u32>,
    /// Numbers of frames that can be jumped to, from 1.
    keys: Vec<u32>,
}

/// Units of time a frame, in thousandths of frames.
const FRAME: u32 = 1000;

/// No turning, no scaling: fixed-point numbers of a 3 by 3 matrix.
const UPRIGHT: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// The language that is none.
const UNDETERMINED: u32 = 0x55C4_0000;

impl Index {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, sizes: Vec::new(), keys: Vec::new() }
    }

    pub(super) fn add(&mut self, frame: &Frame) -> Result<()> {
        self.sizes.push(u32::try_from(frame.bytes.len()).context("a frame is too large for an MP4 file")?);
        if frame.key {
            self.keys.push(self.sizes.len() as u32);
        }
        Ok(())
    }

    /// Everything that stands before the frames.
    pub(super) fn head(&self, (sequence, picture): (&[u8], &[u8]), tags: &[u8]) -> Result<Vec<u8>> {
        let kind = boxed(b"ftyp", &[b"isom", &words(&[512]), b"isomiso2avc1mp41"]);
        let all: u64 = self.sizes.iter().map(|size| u64::from(*size)).sum();
        // A length of 64 bits, so that nothing changes for large files.
        let data = [&words(&[1]), &b"mdat"[..], &(all + 16).to_be_bytes()].concat();
        let film = |offset: usize| self.film(offset as u64, sequence, picture, tags);
        let length = film(0)?.len();
        Ok([kind.clone(), film(kind.len() + length + data.len())?, data].concat())
    }

    /// Units of time in a second.
    fn scale(&self) -> u32 {
        (self.shape.fps * f64::from(FRAME)).round().max(1.0) as u32
    }

    fn duration(&self) -> Result<u32> {
        let frames = u32::try_from(self.sizes.len()).ok();
        frames.and_then(|frames| frames.checked_mul(FRAME)).context("the clip is too long for an MP4 file")
    }

    fn film(&self, offset: u64, sequence: &[u8], picture: &[u8], tags: &[u8]) -> Result<Vec<u8>> {
        let (scale, duration) = (self.scale(), self.duration()?);
        let matrix = words(&UPRIGHT);
        let header = full(
            b"mvhd",
            0,
            &[&words(&[0, 0, scale, duration, 0x1_0000, 0x0100_0000, 0, 0]), &matrix, &words(&[0, 0, 0, 0, 0, 0, 2])],
        );
        let size = words(&[(self.shape.width as u32) << 16, (self.shape.height as u32) << 16]);
        let track = full(b"tkhd", 3, &[&words(&[0, 0, 1, 0, duration, 0, 0, 0, 0]), &matrix, &size]);
        let media = full(b"mdhd", 0, &[&words(&[0, 0, scale, duration, UNDETERMINED])]);
        let handler = full(b"hdlr", 0, &[&words(&[0]), b"vide", &words(&[0, 0, 0]), b"VideoHandler\0"]);
        let place = boxed(b"dinf", &[&full(b"dref", 0, &[&words(&[1]), &full(b"url ", 1, &[])])]);
        let table = self.table(offset, sequence, picture)?;
        let about = boxed(b"minf", &[&full(b"vmhd", 1, &[&words(&[0, 0])]), &place, &table]);
        let media = boxed(b"mdia", &[&media, &handler, &about]);
        Ok(boxed(b"moov", &[&header, &boxed(b"trak", &[&track, &media]), tags]))
    }

    fn table(&self, offset: u64, sequence: &[u8], picture: &[u8]) -> Result<Vec<u8>> {
        let count = self.sizes.len() as u32;
        let entry = self.entry(sequence, picture)?;
        let all = |name: &[u8; 4], numbers: &[u32]| full(name, 0, &[&words(numbers)]);
        let listed = |list: &[u32]| [&[list.len() as u32], list].concat();
        Ok(boxed(
            b"stbl",
            &[
                &full(b"stsd", 0, &[&words(&[1]), &entry]),
                &all(b"stts", &[1, count, FRAME]),
                &all(b"stss", &listed(&self.keys)),
                &all(b"stsc", &[1, 1, count, 1]),
                &all(b"stsz", &[&[0][..], &listed(&self.sizes)].concat()),
                &full(b"co64", 0, &[&words(&[1]), &offset.to_be_bytes()]),
            ],
        ))
    }

    /// How the frames are decoded.
    fn entry(&self, sequence: &[u8], picture: &[u8]) -> Result<Vec<u8>> {
        let short = |length: usize| u16::try_from(length).map(u16::to_be_bytes).context("a parameter set is too long");
        let profile = sequence.get(1..4).context("a parameter set is too short")?;
        // Version 1, lengths of four bytes, one set of each kind.
        let sets: [&[u8]; 9] = [
            &[1],
            profile,
            &[0xFF, 0xE1],
            &short(sequence.len())?,
            sequence,
            &[1],
            &short(picture.len())?,
            picture,
            &[],
        ];
        let configuration = boxed(b"avcC", &sets);
        // BT.709 throughout, limited range.
        let colours = boxed(b"colr", &[b"nclx", &[0, 1, 0, 1, 0, 1, 0]]);
        let square = boxed(b"pasp", &[&words(&[1, 1])]);
        let (width, height) = (short(self.shape.width)?, short(self.shape.height)?);
        let name = [0; 32];
        Ok(boxed(
            b"avc1",
            &[
                &words(&[0, 1, 0, 0, 0, 0]),
                &width,
                &height,
                &words(&[0x48_0000, 0x48_0000, 0]),
                &[0, 1],
                &name,
                &[0, 24, 0xFF, 0xFF],
                &configuration,
                &colours,
                &square,
            ],
        ))
    }
}
