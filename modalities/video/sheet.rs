//! A clip at a glance: some of its frames beside one another in one picture.

use super::{Shape, Writer};
use crate::Info;
use crate::image::{Depth, Picture, check_extension};
use anyhow::Result;
use std::path::{Path, PathBuf};

/// A sheet of frames while the clip is shown.
pub struct Sheet {
    path: PathBuf,
    info: Info,
    shape: Shape,
    /// Width and height of a frame on the sheet.
    cell: (usize, usize),
    cells: Vec<Picture>,
    shown: usize,
}

/// Frames on a sheet, at most.
const MOST: usize = 16;

/// Pixels of a frame's longer side on a sheet, at most.
const LONGEST: usize = 320;

impl Sheet {
    /// Starts a sheet; the ending of `path` names a picture format.
    ///
    /// # Errors
    /// For unknown endings.
    pub fn start(path: &Path, shape: Shape, info: &Info) -> Result<Self> {
        check_extension(path)?;
        let longer = shape.width.max(shape.height).max(1);
        let to = |side: usize| (side * longer.min(LONGEST) / longer).max(1);
        let cell = (to(shape.width), to(shape.height));
        Ok(Self { path: path.to_owned(), info: info.clone(), shape, cell, cells: Vec::new(), shown: 0 })
    }

    /// Frames on the sheet.
    fn count(&self) -> usize {
        self.shape.frames.clamp(1, MOST)
    }

    /// The frame that stands at a place of the sheet: they are evenly spaced, the first and the last one among them.
    fn frame_at(&self, place: usize) -> usize {
        match self.count() {
            1 => 0,
            count => place * (self.shape.frames - 1) / (count - 1),
        }
    }

    fn picture(&self) -> Result<Picture> {
        let columns = (1..=self.cells.len().max(1)).find(|n| n * n >= self.cells.len()).unwrap_or(1);
        let rows = self.cells.len().div_ceil(columns);
        let (width, height) = self.cell;
        let mut rgb = vec![0.0; 3 * columns * width * rows * height];
        for (place, cell) in self.cells.iter().enumerate() {
            let (left, top) = (place % columns * width, place / columns * height);
            for (y, row) in cell.rgb.chunks(3 * width).enumerate() {
                let start = 3 * ((top + y) * columns * width + left);
                if let Some(into) = rgb.get_mut(start..start + row.len()) {
                    into.copy_from_slice(row);
                }
            }
        }
        Picture::new(columns * width, rows * height, rgb)
    }
}

impl Writer for Sheet {
    fn frame(&mut self, picture: &Picture) -> Result<()> {
        if self.cells.len() < self.count() && self.frame_at(self.cells.len()) == self.shown {
            self.cells.push(picture.resized(self.cell.0, self.cell.1)?);
        }
        self.shown += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.picture()?.save(&self.path, &self.info, Depth::Eight)
    }
}
