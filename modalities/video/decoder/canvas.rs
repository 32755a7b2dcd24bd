//! Frames that are put together of tiles: in memory for a few, in a file without a name for a whole clip.

use super::steps::Block;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

/// Frames, as whole numbers: a quarter of the range is room for values that are a little too large.
pub(super) struct Canvas {
    height: usize,
    width: usize,
    store: Store,
}

enum Store {
    /// `[frames, 3, height, width]`.
    Memory(Vec<i16>),
    File(File),
}

/// Where a tile lies, and how much of each place it makes up.
pub(super) struct Place<'a> {
    pub(super) frame: usize,
    pub(super) top: usize,
    pub(super) left: usize,
    /// Of each row.
    pub(super) rows: &'a [f32],
    /// Of each column.
    pub(super) columns: &'a [f32],
}

/// Whole numbers for one: the error of a value is far below what a screen shows.
const ONE: f32 = 16384.0;

impl Canvas {
    pub(super) fn in_memory(frames: usize, height: usize, width: usize) -> Self {
        Self { height, width, store: Store::Memory(vec![0; frames * 3 * height * width]) }
    }

    /// A file that vanishes with the canvas.
    pub(super) fn in_file(frames: usize, height: usize, width: usize) -> Result<Self> {
        let file = tempfile::tempfile().and_then(|file| {
            file.set_len((frames * 3 * height * width * size_of::<i16>()) as u64)?;
            Ok(file)
        });
        Ok(Self { height, width, store: Store::File(file.with_context(full)?) })
    }

    /// Adds a tile's part of the frames.
    pub(super) fn add(&mut self, block: &Block, place: &Place<'_>) -> Result<()> {
        let (size, mut line) = (block.height * block.width, vec![0i16; block.width]);
        for (frame, colour) in (0..block.frames).flat_map(|frame| (0..3).map(move |colour| (frame, colour))) {
            let plane = block.values.get((colour * block.frames + frame) * size..).unwrap_or_default();
            for ((y, row), values) in place.rows.iter().enumerate().zip(plane.chunks(block.width)) {
                if *row == 0.0 {
                    continue;
                }
                for ((whole, value), column) in line.iter_mut().zip(values).zip(place.columns) {
                    *whole = (value.clamp(-1.0, 1.0) * row * column * ONE).round() as i16;
                }
                let at = ((place.frame + frame) * 3 + colour) * self.height + place.top + y;
                self.add_line(at * self.width + place.left, &line)?;
            }
        }
        Ok(())
    }

    /// So many frames from the first one on.
    pub(super) fn block(&mut self, frames: usize) -> Result<Block> {
        let (height, width) = (self.height, self.width);
        let (size, mut values) = (height * width, vec![0.0; 3 * frames * height * width]);
        for frame in 0..frames {
            for (colour, plane) in self.planes(frame)?.chunks(size.max(1)).enumerate() {
                let start = (colour * frames + frame) * size;
                values.get_mut(start..start + size).into_iter().for_each(|into| into.copy_from_slice(plane));
            }
        }
        Ok(Block { frames, height, width, values })
    }

    fn add_line(&mut self, at: usize, line: &[i16]) -> Result<()> {
        match &mut self.store {
            Store::Memory(all) => {
                let there = all.get_mut(at..at + line.len()).unwrap_or_default();
                there.iter_mut().zip(line).for_each(|(sum, value)| *sum = sum.saturating_add(*value));
                Ok(())
            }
            Store::File(file) => add_in_file(file, at, line).with_context(full),
        }
    }

    /// The planes `[3, height, width]` of a frame.
    pub(super) fn planes(&mut self, frame: usize) -> Result<Vec<f32>> {
        let (start, length) = (frame * 3 * self.height * self.width, 3 * self.height * self.width);
        let back = |whole: i16| f32::from(whole) / ONE;
        match &mut self.store {
            Store::Memory(all) => {
                Ok(all.get(start..start + length).unwrap_or_default().iter().copied().map(back).collect())
            }
            Store::File(file) => {
                let mut bytes = vec![0; length * size_of::<i16>()];
                file.seek(SeekFrom::Start((start * size_of::<i16>()) as u64))
                    .and_then(|_| file.read_exact(&mut bytes))
                    .with_context(full)?;
                Ok(bytes.as_chunks::<2>().0.iter().map(|pair| back(i16::from_le_bytes(*pair))).collect())
            }
        }
    }
}

fn add_in_file(file: &mut File, at: usize, line: &[i16]) -> std::io::Result<()> {
    let place = SeekFrom::Start((at * size_of::<i16>()) as u64);
    let mut bytes = vec![0; size_of_val(line)];
    file.seek(place)?;
    file.read_exact(&mut bytes)?;
    for (pair, value) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(line) {
        *pair = i16::from_le_bytes(*pair).saturating_add(*value).to_le_bytes();
    }
    file.seek(place)?;
    file.write_all(&bytes)
}

fn full() -> String {
    format!("frames cannot be kept in {}: make room there", std::env::temp_dir().display())
}
