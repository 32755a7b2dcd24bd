//! Tiles of a clip in order, and frames out of them.

use super::ClipFacts;
use super::canvas::{Canvas, Place};
use super::steps::{Block, FrameDecoder};
use super::tiles::Span;
use super::tiling::Tiling;
use crate::image::Picture;
use anyhow::Result;
use edrun_onnx::Cancel;
use ndarray::{ArrayView4, Axis, Slice};
use std::collections::VecDeque;

/// A clip on its way out.
pub(super) struct Play<'a> {
    pub(super) steps: &'a mut FrameDecoder,
    pub(super) facts: ClipFacts,
    /// Pixels of a latent's side.
    pub(super) factor: usize,
    /// `[channels, frames, height, width]`, as the graph takes it.
    pub(super) latent: ArrayView4<'a, f32>,
    pub(super) tiling: &'a Tiling,
    /// Noise that is left in it.
    pub(super) time: f32,
    pub(super) cancel: &'a Cancel,
}

/// Takes frames in order.
type Show<'s> = dyn FnMut(Picture) -> Result<()> + 's;

impl Play<'_> {
    pub(super) fn run(mut self, show: &mut Show<'_>) -> Result<()> {
        if self.steps.remembers() && !self.tiling.has_whole_frames() {
            return self.tile_by_tile(show);
        }
        self.steps.start(self.time)?;
        // Frames that the next stretch of time has a share in.
        let mut open: VecDeque<Block> = VecDeque::new();
        let mut shown = 0;
        let spans = &self.tiling.time.spans;
        for (i, span) in spans.iter().enumerate() {
            let block = self.stretch(*span)?;
            let (first, shares) = (self.first_frame(span.start), self.shares(i));
            for frame in 0..block.frames {
                let share = shares.get(frame).copied().unwrap_or(1.0);
                merge(&mut open, first + frame - shown, block.frame(frame), share);
            }
            let next = spans.get(i + 1).map(|span| self.first_frame(span.start));
            while next.is_none_or(|next| shown < next)
                && let Some(done) = open.pop_front()
            {
                show(Picture::from_planes(done.width, done.height, &done.values)?)?;
                shown += 1;
            }
        }
        Ok(())
    }

    /// The first frame of a call that begins with this latent frame. A decoder that remembers makes all frames of its latent
    /// frame; others make the last one of it, as if nothing went before.
    fn first_frame(&self, latent: usize) -> usize {
        let before = if self.steps.remembers() { self.facts.ratio - 1 } else { 0 };
        (latent * self.facts.ratio).saturating_sub(before)
    }

    /// How much the frames of a stretch of time count; what a decoder remembers is not cut in time, so that all do.
    fn shares(&self, stretch: usize) -> Vec<f32> {
        match self.steps.remembers() {
            true => Vec::new(),
            false => self.tiling.time.shares(stretch, self.facts.ratio, self.facts.ratio - 1),
        }
    }

    /// Whole frames of a stretch of time.
    fn stretch(&mut self, time: Span) -> Result<Block> {
        if self.tiling.has_whole_frames() {
            let latent = self.latent;
            return self.steps.next(part(&latent, 1, time), self.cancel);
        }
        let mut canvas: Option<(Canvas, usize)> = None;
        for (row, column) in self.places() {
            let block = self.tile(time, row, column)?;
            let (height, width) = self.size();
            let (canvas, _) =
                canvas.get_or_insert_with(|| (Canvas::in_memory(block.frames, height, width), block.frames));
            self.put(canvas, &block, 0, row, column)?;
        }
        match canvas {
            Some((mut canvas, frames)) => canvas.block(frames),
            None => anyhow::bail!("a clip has no tiles"),
        }
    }

    /// Every tile through all of time, as the decoder remembers one tile: the frames are kept outside of memory.
    fn tile_by_tile(&mut self, show: &mut Show<'_>) -> Result<()> {
        let frames = self.facts.frames(self.latent.shape().get(1).copied().unwrap_or_default());
        let (height, width) = self.size();
        let mut canvas = Canvas::in_file(frames, height, width)?;
        for (row, column) in self.places() {
            self.steps.start(self.time)?;
            for i in 0..self.tiling.time.spans.len() {
                let Some(time) = self.tiling.time.spans.get(i).copied() else { continue };
                let block = self.tile(time, row, column)?;
                self.put(&mut canvas, &block, self.first_frame(time.start), row, column)?;
            }
        }
        (0..frames).try_for_each(|frame| {
            anyhow::ensure!(!self.cancel.is_cancelled(), "interrupted");
            show(Picture::from_planes(width, height, &canvas.planes(frame)?)?)
        })
    }

    /// Height and width of frames in pixels.
    fn size(&self) -> (usize, usize) {
        let side = |axis: usize| self.latent.shape().get(axis).copied().unwrap_or_default() * self.factor;
        (side(2), side(3))
    }

    /// Every tile of a frame, by its place among the rows and among the columns.
    fn places(&self) -> Vec<(usize, usize)> {
        let columns = self.tiling.columns.spans.len();
        (0..self.tiling.rows.spans.len()).flat_map(|row| (0..columns).map(move |column| (row, column))).collect()
    }

    fn tile(&mut self, time: Span, row: usize, column: usize) -> Result<Block> {
        let span = |spans: &[Span], i: usize| spans.get(i).copied().unwrap_or(Span { start: 0, length: 0 });
        let (rows, columns) = (span(&self.tiling.rows.spans, row), span(&self.tiling.columns.spans, column));
        let latent = self.latent;
        let of_time = part(&latent, 1, time);
        let of_rows = part(&of_time, 2, rows);
        self.steps.next(part(&of_rows, 3, columns), self.cancel)
    }

    fn put(&self, canvas: &mut Canvas, block: &Block, frame: usize, row: usize, column: usize) -> Result<()> {
        let start = |spans: &[Span], i: usize| spans.get(i).map_or(0, |span| span.start * self.factor);
        let (rows, columns) = (&self.tiling.rows, &self.tiling.columns);
        let (of_rows, of_columns) = (rows.shares(row, self.factor, 0), columns.shares(column, self.factor, 0));
        let (top, left) = (start(&rows.spans, row), start(&columns.spans, column));
        canvas.add(block, &Place { frame, top, left, rows: &of_rows, columns: &of_columns })
    }
}

/// A stretch of one axis.
fn part<'a>(latent: &ArrayView4<'a, f32>, axis: usize, span: Span) -> ArrayView4<'a, f32> {
    let mut part = *latent;
    part.slice_axis_inplace(Axis(axis), Slice::from(span.start..span.end()));
    part
}

/// Adds a share of a frame to the one at `place`, which may be new.
fn merge(open: &mut VecDeque<Block>, place: usize, mut frame: Block, share: f32) {
    if share != 1.0 {
        frame.values.iter_mut().for_each(|value| *value *= share);
    }
    match open.get_mut(place) {
        Some(there) => there.values.iter_mut().zip(&frame.values).for_each(|(sum, value)| *sum += value),
        None => open.push_back(frame),
    }
}
