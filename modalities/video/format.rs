//! The clip formats: one file and one line each.

use super::frames::{self, FRAME};
use super::{Shape, gif, mp4, webm, webp};
use crate::Info;
use crate::files::{self, Whole, folder_of};
use crate::image::{self, Picture};
use crate::info::{About, Text};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};

/// A clip format that can be written.
pub struct Format {
    /// What users call it.
    pub name: &'static str,
    /// File name endings, in lower case, the usual one first.
    pub extensions: &'static [&'static str],
    /// The most frames a second that it plays.
    pub fastest: f64,
    /// The most pixels a side.
    pub longest_side: usize,
    /// Whether its sides must be even.
    pub even: bool,
    /// Whether it can leave out what a quality says.
    pub lossy: bool,
    /// Whether a file that begins like this is of this format.
    pub(super) knows: fn(&[u8]) -> bool,
    pub(super) start: Start,
    pub(super) texts: fn(&[u8]) -> Result<Vec<Text>>,
}

/// Starts to write clips of a shape into a file, with how they were made, in a quality where one is asked for.
type Start = fn(Whole, Shape, &Info, Option<u8>) -> Result<Box<dyn Writer>>;

/// Every format.
pub const FORMATS: &[Format] = &[mp4::FORMAT, webm::FORMAT, gif::FORMAT, webp::FORMAT];

/// The quality of what leaves something out, when none is asked for.
pub(super) const QUALITY: u8 = 70;

/// A clip's file while it is written. One that is dropped before it is finished leaves nothing behind.
pub trait Writer {
    /// Takes the next frame.
    ///
    /// # Errors
    /// When it cannot be written.
    fn frame(&mut self, picture: &Picture) -> Result<()>;

    /// Takes the end: only now there is a file under the name that was asked for.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The format that the ending of `path` names, if there is one.
pub(crate) fn by_ending(path: &Path) -> Option<&'static Format> {
    let ending = path.extension()?.to_string_lossy().to_lowercase();
    FORMATS.iter().find(|format| format.extensions.contains(&ending.as_str()))
}

/// Starts a file in the format that the ending of `path` names, or files by its pattern where it has `{frame}`.
///
/// # Errors
/// For unknown endings, for clips that the format cannot hold, and when the file cannot be written.
pub fn writer(path: &Path, shape: Shape, info: &Info, quality: Option<u8>) -> Result<Box<dyn Writer>> {
    check_file(path, Some(shape), quality)?;
    if frames::is_pattern(path) {
        return Ok(Box::new(frames::Files::start(path, info)?));
    }
    let format = by_ending(path).context("the format is gone")?;
    (format.start)(Whole::create(path)?, shape, info, quality)
        .with_context(|| format!("cannot make the {} file {}", format.name, path.display()))
}

/// Refuses a `path` whose ending names no format, and where a shape is given one that cannot hold it. Call it before a long run.
///
/// # Errors
/// Naming what can.
pub fn check_file(path: &Path, shape: Option<Shape>, quality: Option<u8>) -> Result<()> {
    if let Some(quality) = quality {
        check_quality(path, quality)?;
    }
    if frames::is_pattern(path) {
        return image::check_extension(path).map(drop);
    }
    let Some(format) = by_ending(path) else {
        let all: Vec<_> = FORMATS.iter().flat_map(|f| f.extensions).map(|e| format!(".{e}")).collect();
        let known = format!("{}, or name pictures by a pattern such as frames/{FRAME}.png", all.join(", "));
        match path.extension() {
            None => bail!("{} has no ending that names a clip format: add one of {known}", path.display()),
            Some(ending) => bail!(
                "the ending .{} of {} names no clip format: use one of {known}",
                ending.to_string_lossy(),
                path.display()
            ),
        }
    };
    let Some(Shape { width, height, fps, .. }) = shape else { return Ok(()) };
    if fps > format.fastest {
        bail!("{} files play up to {} frames a second, not {fps}: write {}", format.name, format.fastest, faster(fps));
    }
    if format.even && (width % 2, height % 2) != (0, 0) {
        bail!("{} files have even sides, not {width}x{height}: write another format", format.name);
    }
    if width.max(height) > format.longest_side {
        bail!("{} files have up to {} pixels a side, not {width}x{height}", format.name, format.longest_side);
    }
    Ok(())
}

fn check_quality(path: &Path, quality: u8) -> Result<()> {
    ensure!((1..=100).contains(&quality), "--quality is {quality}, but must lie in 1..=100");
    let lossy = by_ending(path).is_some_and(|format| format.lossy) && !frames::is_pattern(path);
    let able: Vec<_> = FORMATS.iter().filter(|format| format.lossy).map(|format| format.name).collect();
    ensure!(lossy, "--quality would have no effect on {}: it is for {}", path.display(), able.join(", "));
    Ok(())
}

/// What plays so fast.
fn faster(fps: f64) -> String {
    let able = FORMATS.iter().filter(|format| format.fastest >= fps).map(|format| format.name);
    able.chain(["pictures by a pattern"]).collect::<Vec<_>>().join(" or ")
}

/// Refuses a `path` that no file can be written to; the folder of pictures may be missing, but not the one around it.
///
/// # Errors
/// Naming the folder and the remedy.
pub fn check_place(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if frames::is_pattern(path) && !folder.is_dir() { files::check_place(folder) } else { files::check_place(path) }
}

/// The file whose being there means that a clip is there: of a pattern's pictures the first one, which is made last.
pub fn first_file(path: &Path) -> PathBuf {
    if frames::is_pattern(path) { frames::file(path, 0) } else { path.to_owned() }
}

fn of_content(bytes: &[u8]) -> Option<&'static Format> {
    FORMATS.iter().find(|format| (format.knows)(bytes))
}

/// Whether a file that begins like this is a clip.
pub(crate) fn knows(bytes: &[u8]) -> bool {
    of_content(bytes).is_some()
}

/// What a clip's file is and says of itself.
pub(crate) fn about(bytes: &[u8]) -> Result<About> {
    let format = of_content(bytes).context("it is no clip")?;
    Ok(About { kind: format!("{} clip", format.name), texts: (format.texts)(bytes)? })
}
