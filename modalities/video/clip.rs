//! A clip, and how it is shown.

use super::format::{Writer, writer};
use crate::Info;
use crate::image::Picture;
use anyhow::{Result, ensure};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What is known of a clip before its first frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Number of frames.
    pub frames: usize,
    /// Frames a second.
    pub fps: f64,
}

impl Shape {
    /// When frame `i` begins, in units of which there are `units` in a second.
    pub(super) fn start_of(&self, frame: usize, units: f64) -> u64 {
        (frame as f64 * units / self.fps).round() as u64
    }
}

/// Frames that can be shown in order, as often as one likes.
pub trait Frames: Send + Sync {
    /// Shows every frame, the first one first; an error of `show` ends the showing.
    ///
    /// # Errors
    /// What `show` says, and what making a frame says.
    fn play(&self, show: &mut dyn FnMut(Picture) -> Result<()>) -> Result<()>;
}

impl Frames for Vec<Picture> {
    fn play(&self, show: &mut dyn FnMut(Picture) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|picture| show(picture.clone()))
    }
}

/// Pictures of one size, one after another. Its frames may be made only while it is shown; a copy shares them.
#[derive(Clone)]
pub struct Clip {
    /// Size, length and speed.
    pub shape: Shape,
    frames: Arc<dyn Frames>,
}

impl Clip {
    /// A clip of `frames`, which must be as many as `shape` says.
    pub fn new(shape: Shape, frames: Arc<dyn Frames>) -> Self {
        Self { shape, frames }
    }

    /// A clip of pictures that there are already.
    ///
    /// # Errors
    /// When there is none, or their sizes differ.
    pub fn of_pictures(pictures: Vec<Picture>, fps: f64) -> Result<Self> {
        let Some((width, height)) = pictures.first().map(|first| (first.width, first.height)) else {
            anyhow::bail!("a clip needs a frame")
        };
        ensure!(pictures.iter().all(|p| (p.width, p.height) == (width, height)), "the frames of a clip differ in size");
        let shape = Shape { width, height, frames: pictures.len(), fps };
        Ok(Self { shape, frames: Arc::new(pictures) })
    }

    /// Shows every frame.
    ///
    /// # Errors
    /// What `show` says, what making a frame says, and when there are not as many frames as were promised.
    pub fn play(&self, mut show: impl FnMut(Picture) -> Result<()>) -> Result<()> {
        let (mut shown, Shape { width, height, frames, .. }) = (0, self.shape);
        self.frames.play(&mut |picture| {
            ensure!(
                (picture.width, picture.height) == (width, height),
                "a frame has {}x{} pixels where the clip has {width}x{height}: export the decoder again",
                picture.width,
                picture.height
            );
            shown += 1;
            show(picture)
        })?;
        ensure!(shown == frames, "the decoder made {shown} frames where {frames} were promised: export it again");
        Ok(())
    }

    /// Writes the clip in the format that the ending of `path` names, with `info` in it; whole or not at all.
    ///
    /// # Errors
    /// For unknown endings, and when a frame cannot be made or the file cannot be written.
    pub fn save(&self, path: &Path, info: &Info) -> Result<()> {
        self.save_to(vec![writer(path, self.shape, info, None)?])
    }

    /// Shows every frame to every writer, in one pass; a writer that is not finished leaves nothing behind.
    ///
    /// # Errors
    /// When a frame cannot be made or written.
    pub fn save_to(&self, mut writers: Vec<Box<dyn Writer>>) -> Result<()> {
        self.play(|picture| writers.iter_mut().try_for_each(|writer| writer.frame(&picture)))?;
        writers.into_iter().try_for_each(Writer::finish)
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clip").field("shape", &self.shape).finish_non_exhaustive()
    }
}
