//! A mesh turning around, for people to look at.

use super::Mesh;
use super::raster::{Scene, View};
use crate::Info;
use crate::image::{self, Depth, Picture};
use crate::video::{self, Clip};
use anyhow::{Result, bail, ensure};
use edrun_onnx::Cancel;
use std::path::Path;

/// How a mesh is shown.
#[derive(Clone, Debug)]
pub struct Turntable {
    /// Pixels a side of one view.
    pub side: usize,
    /// Views of a whole turn in an animation.
    pub frames: usize,
    /// Seconds of a whole turn.
    pub seconds: f32,
    /// Degrees above the horizon.
    pub height: f32,
}

impl Default for Turntable {
    fn default() -> Self {
        Self { side: 320, frames: 36, seconds: 3.6, height: 22.0 }
    }
}

/// Columns and rows of a sheet of views.
const SHEET: (usize, usize) = (4, 2);

/// Degrees of the first view: objects face the viewer a little from the side, which shows their depth.
const FIRST: f32 = 30.0;

impl Turntable {
    /// Refuses an ending that is neither an animation's nor a picture's. Call it before a long run.
    ///
    /// # Errors
    /// Listing the endings.
    pub fn check_extension(path: &Path) -> Result<()> {
        if video::by_ending(path).is_some() || image::check_extension(path).is_ok() {
            return Ok(());
        }
        let moving = video::FORMATS.iter().flat_map(|f| f.extensions);
        // A .webp moves.
        let still =
            image::FORMATS.iter().flat_map(|f| f.extensions).filter(|end| !moving.clone().any(|own| own == *end));
        let all: Vec<_> = moving.clone().chain(still).map(|end| format!(".{end}")).collect();
        bail!("the ending of {} names no format of a turntable: use one of {}", path.display(), all.join(", "))
    }

    /// Draws the mesh and writes an animation of a whole turn, or where `path` names a picture format a sheet of eight views.
    ///
    /// # Errors
    /// For unknown endings, an empty mesh, and when the file cannot be written or the run is cancelled.
    pub fn save(&self, mesh: &Mesh, path: &Path, info: &Info, cancel: &Cancel) -> Result<()> {
        Self::check_extension(path)?;
        ensure!(!mesh.triangles.is_empty(), "there is no surface to draw in {}", path.display());
        if video::by_ending(path).is_none() {
            return self.sheet(mesh, cancel)?.save(path, info, Depth::Eight);
        }
        let fps = self.frames as f64 / f64::from(self.seconds);
        Clip::of_pictures(self.views(mesh, self.frames, cancel)?, fps)?.save(path, info)
    }

    /// `count` views around the mesh, evenly spaced.
    ///
    /// # Errors
    /// When a view is too large to draw, or the run is cancelled.
    pub fn views(&self, mesh: &Mesh, count: usize, cancel: &Cancel) -> Result<Vec<Picture>> {
        let scene = Scene::new(mesh);
        let draw = |i: usize| {
            ensure!(!cancel.is_cancelled(), "interrupted");
            let turn = FIRST + 360.0 * i as f32 / count.max(1) as f32;
            scene.draw(View { turn, height: self.height }, self.side)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count.max(1));
        let mut views: Vec<(usize, Result<Picture>)> = std::thread::scope(|scope| {
            let draw = &draw;
            let share =
                |first: usize| scope.spawn(move || (first..count).step_by(threads).map(|i| (i, draw(i))).collect());
            let running: Vec<_> = (0..threads).map(share).collect();
            running.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|_| Vec::new())).collect()
        });
        views.sort_by_key(|(i, _)| *i);
        ensure!(views.len() == count, "drawing the mesh failed: make the turntable smaller");
        views.into_iter().map(|(_, view)| view).collect()
    }

    fn sheet(&self, mesh: &Mesh, cancel: &Cancel) -> Result<Picture> {
        let (columns, rows) = SHEET;
        let views = self.views(mesh, columns * rows, cancel)?;
        let line = |y: usize| {
            let (row, y) = (y / self.side, y % self.side);
            let range = 3 * self.side * y..3 * self.side * (y + 1);
            views.iter().skip(row * columns).take(columns).flat_map(move |view| view.rgb[range.clone()].iter().copied())
        };
        Picture::new(columns * self.side, rows * self.side, (0..rows * self.side).flat_map(line).collect())
    }
}
