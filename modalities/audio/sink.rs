//! Where the samples of a file go, one after another.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::limiter::Limiter;
use super::{CEILING, Depth, Waveform, check_extension, wav};
use crate::Info;
use crate::files::{Whole, unwritten};
use anyhow::{Context, Result, ensure};

/// What the samples of a file are like; all that is known before the first of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// Samples a second.
    pub sample_rate: u32,
    /// Channels.
    pub channels: usize,
    /// Samples of each channel; `None` where that is known only behind the last of them.
    pub samples: Option<usize>,
    /// How finely they are written.
    pub depth: Depth,
}

impl Shape {
    /// Bytes of all samples, as they are, where their number is known.
    pub fn bytes(&self) -> Option<u64> {
        self.samples.map(|samples| samples as u64 * self.channels as u64 * u64::from(self.depth.bits() / 8))
    }
}

/// A place that bytes go to.
pub(super) trait Target: Write {
    /// Writes over the first bytes, where the place lets that be done.
    fn patch(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written last.
    fn done(self: Box<Self>) -> Result<()>;
}

impl Target for Whole {
    fn patch(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.seek(SeekFrom::Start(0))?;
        self.write_all(bytes)?;
        self.seek(SeekFrom::End(0)).map(drop)
    }

    fn done(self: Box<Self>) -> Result<()> {
        self.finish()
    }
}

/// Standard output and its like.
struct Pipe<W: Write>(W);

impl<W: Write> Write for Pipe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write> Target for Pipe<W> {
    fn patch(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn done(mut self: Box<Self>) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

/// Turns samples into a file of one format.
pub(super) trait Sink {
    /// Takes the next samples.
    fn write(&mut self, sound: &Waveform) -> Result<()>;

    /// Writes what comes after the last sample, and gives the place back.
    fn finish(self: Box<Self>) -> Result<Box<dyn Target>>;
}

/// A sound that is being written: its samples leave as they come, and nothing in them clips.
///
/// True peaks are limited to [`CEILING`], unless samples are floating-point numbers. A file has its name when it is finished,
/// and goes away if it never is.
pub struct Writer {
    sink: Box<dyn Sink>,
    limiter: Option<Limiter>,
    path: PathBuf,
    /// Samples that are still to come, where their number was said.
    left: Option<usize>,
}

impl Writer {
    /// Begins a file in the format that the ending of `path` names, with `info` in it.
    ///
    /// # Errors
    /// When the format cannot hold such samples, or the file cannot be written.
    pub fn create(path: &Path, shape: Shape, info: &Info) -> Result<Self> {
        let format = check_extension(path)?;
        format.check_shape(shape)?;
        let file = Box::new(Whole::create(path)?);
        let sink = (format.start)(file, shape, info).with_context(|| unwritten(path))?;
        Ok(Self::new(sink, path, shape))
    }

    /// Begins a WAV file that goes to a place which may not lead back, such as standard output.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn stream(out: impl Write + 'static, shape: Shape, info: &Info) -> Result<Self> {
        let path = Path::new("standard output");
        let sink = wav::start(Box::new(Pipe(out)), shape, info).with_context(|| unwritten(path))?;
        Ok(Self::new(sink, path, shape))
    }

    fn new(sink: Box<dyn Sink>, path: &Path, shape: Shape) -> Self {
        let limiter = (shape.depth != Depth::Float).then(|| Limiter::new(CEILING, shape.sample_rate, shape.channels));
        Self { sink, limiter, path: path.to_owned(), left: shape.samples }
    }

    /// Writes the next samples.
    ///
    /// # Errors
    /// When some are not finite, are more than was said, or cannot be written.
    pub fn write(&mut self, sound: &Waveform) -> Result<()> {
        let bad = sound.channels.iter().flatten().filter(|v| !v.is_finite()).count();
        ensure!(bad == 0, "{bad} samples of the sound are not finite: use float32 graphs or a lower guidance scale");
        if let Some(left) = &mut self.left {
            ensure!(sound.len() <= *left, "the sound is longer than was said when its file was begun");
            *left -= sound.len();
        }
        match &mut self.limiter {
            Some(limiter) => {
                let limited = limiter.push(sound);
                self.sink.write(&limited)
            }
            None => self.sink.write(sound),
        }
        .with_context(|| unwritten(&self.path))
    }

    /// Writes what is left, and gives the file its name.
    ///
    /// # Errors
    /// When samples are missing, or the file cannot be written.
    pub fn finish(mut self) -> Result<()> {
        let left = self.left.unwrap_or_default();
        ensure!(left == 0, "the sound lacks {left} samples");
        let rest = self.limiter.as_mut().map(Limiter::finish);
        let write = || -> Result<()> {
            rest.map_or(Ok(()), |rest| self.sink.write(&rest))?;
            self.sink.finish()?.done()
        };
        write().with_context(|| unwritten(&self.path))
    }
}
