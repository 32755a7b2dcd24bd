//! Clips and sounds longer than a network sees at once: windows over time that overlap, and estimates that are blended.
//!
//! Every step asks for every window and averages what they say of a frame, by a pyramid of weights, as MultiDiffusion
//! (Bar-Tal et al. 2023) does for pictures. Windows that start from unrelated noise would agree badly; FreeNoise (Qiu et al. 2023)
//! lets later frames start from those of the first window in another order: [`reorder`].

use anyhow::{Result, bail};
use ndarray::{Axis, Slice};

use super::{Denoiser, Latent, Noise, RequestId, Row};

/// The axis of a clip's frames, and of a sound's latents, which are its frames here.
const TIME: Axis = Axis(1);

/// How a clip is seen in windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Latent frames that the network sees at once.
    pub length: usize,
    /// Latent frames from the beginning of a window to that of the next, at most.
    pub stride: usize,
}

impl Window {
    /// Windows that overlap by a half.
    pub fn of(length: usize) -> Self {
        Self { length, stride: (length / 2).max(1) }
    }

    /// Where windows over so many frames begin; they are evenly spread, the last one ends with the clip.
    pub fn starts(self, frames: usize) -> Vec<usize> {
        let Some(rest @ 1..) = frames.checked_sub(self.length) else { return vec![0] };
        let steps = rest.div_ceil(self.stride.max(1));
        (0..=steps).map(|i| (i * rest + steps / 2) / steps).collect()
    }

    /// How much a window's frame counts: most in its middle.
    fn weight(self, frame: usize) -> f32 {
        (frame + 1).min(self.length - frame) as f32
    }
}

/// A denoiser that sees long clips in windows, and all else as it is.
pub struct Windows<D> {
    inner: D,
    window: Option<Window>,
    /// What rows are within a window, and what was said of that; kept between steps.
    parts: Vec<Latent>,
    said: Vec<Latent>,
    /// How much every frame counts in all windows together.
    total: Vec<f32>,
}

impl<D: Denoiser> Windows<D> {
    /// Wraps `inner`, which sees a `window` at once; `None` where it sees everything.
    pub fn new(inner: D, window: Option<Window>) -> Self {
        Self { inner, window, parts: Vec::new(), said: Vec::new(), total: Vec::new() }
    }

    /// The wrapped denoiser.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Takes the wrapping off.
    pub fn into_inner(self) -> D {
        self.inner
    }

    /// The window that rows of this state are seen in, where they are too long.
    fn too_long(&self, x: &Latent) -> Option<Window> {
        self.window.filter(|window| frames(x) > window.length)
    }

    /// Rows of one shape, window by window.
    fn blend(&mut self, rows: &[Row<'_>], clean: &mut [Latent], window: Window) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        self.fit(rows, window);
        self.total.clear();
        self.total.resize(frames(first.x), 0.0);
        clean.iter_mut().for_each(|clean| clean.fill(0.0));
        for start in window.starts(frames(first.x)) {
            self.look(rows, clean, window, start)?;
        }
        for clean in clean {
            clean.axis_iter_mut(TIME).zip(&self.total).for_each(|(mut frame, total)| frame /= *total);
        }
        Ok(())
    }

    /// Makes room for as many rows within a window.
    fn fit(&mut self, rows: &[Row<'_>], window: Window) {
        for room in [&mut self.parts, &mut self.said] {
            room.resize_with(rows.len(), Default::default);
            for (room, row) in room.iter_mut().zip(rows) {
                let mut shape = row.x.raw_dim();
                shape[1] = window.length;
                if room.raw_dim() != shape {
                    *room = Latent::zeros(shape);
                }
            }
        }
    }

    /// Adds what is said of the window that begins at `start`.
    fn look(&mut self, rows: &[Row<'_>], clean: &mut [Latent], window: Window, start: usize) -> Result<()> {
        let Self { inner, parts, said, total, .. } = self;
        let cut = Slice::from(start..start + window.length);
        parts.iter_mut().zip(rows).for_each(|(part, row)| part.assign(&row.x.slice_axis(TIME, cut)));
        let asked: Vec<Row<'_>> =
            rows.iter().zip(&*parts).map(|(row, x)| Row { x, before: row.before + start, ..*row }).collect();
        inner.denoise(&asked, said)?;
        for (clean, said) in clean.iter_mut().zip(&*said) {
            let mut into = clean.slice_axis_mut(TIME, cut);
            let frames = into.axis_iter_mut(TIME).zip(said.axis_iter(TIME));
            frames.enumerate().for_each(|(i, (mut into, said))| into.scaled_add(window.weight(i), &said));
        }
        let own = total.iter_mut().skip(start).take(window.length);
        own.enumerate().for_each(|(i, total)| *total += window.weight(i));
        Ok(())
    }
}

/// Frames of a latent over time, `[channels, frames, height, width]` or `[channels, length]`; any other has one.
fn frames(x: &Latent) -> usize {
    if matches!(x.ndim(), 2 | 4) { x.shape()[1] } else { 1 }
}

impl<D: Denoiser> Denoiser for Windows<D> {
    fn denoise(&mut self, rows: &[Row<'_>], mut clean: &mut [Latent]) -> Result<()> {
        if rows.iter().all(|row| self.too_long(row.x).is_none()) {
            return self.inner.denoise(rows, clean);
        }
        for alike in rows.chunk_by(|a, b| a.x.shape() == b.x.shape()) {
            let Some((now, later)) = std::mem::take(&mut clean).split_at_mut_checked(alike.len()) else {
                bail!("there are fewer answers than questions")
            };
            match alike.first().and_then(|row| self.too_long(row.x)) {
                Some(window) => self.blend(alike, now, window)?,
                None => self.inner.denoise(alike, now)?,
            }
            clean = later;
        }
        Ok(())
    }

    fn extra(&self, request: RequestId) -> Option<&Latent> {
        self.inner.extra(request)
    }

    fn forget(&mut self, request: RequestId) {
        self.inner.forget(request);
    }
}

/// Gives the frames behind the first window the noise of frames a window before, in another order within each stride, so that
/// windows start alike and yet move on. The noise stays white within every window.
///
/// Sound is left as it is: what repeats itself there is heard as a loop.
pub fn reorder(unit: &mut Latent, window: Window, noise: &mut Noise) {
    if unit.ndim() != 4 {
        return;
    }
    let (all, stride) = (frames(unit), window.stride.max(1));
    for start in (window.length..all).step_by(stride) {
        let end = all.min(start + stride);
        for (place, from) in order(start - window.length, stride, noise).into_iter().take(end - start).enumerate() {
            let frame = unit.index_axis(TIME, from).to_owned();
            unit.index_axis_mut(TIME, start + place).assign(&frame);
        }
    }
}

/// Numbers from `start` on, in an order that a stream decides.
fn order(start: usize, count: usize, noise: &mut Noise) -> Vec<usize> {
    let drawn = noise.normal(&[count]);
    let mut keyed: Vec<(f32, usize)> = drawn.iter().copied().zip(start..).collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    keyed.into_iter().map(|(_, number)| number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::{Branch, Level};

    const WINDOW: Window = Window { length: 8, stride: 4 };

    fn clip(frames: usize) -> Latent {
        Latent::from_shape_fn(vec![2, frames, 3, 3], |i| (i[0] * 100 + i[1] * 10 + i[2] * 3 + i[3]) as f32)
    }

    fn ask(inner: impl FnMut(&Row<'_>, &mut Latent), clips: &[Latent]) -> Vec<Latent> {
        let level = Level { t: 500.0, alpha: 0.6, sigma: 0.8 };
        let row = |(i, x)| Row::new(RequestId(i as u64), Branch::Positive, x, level);
        let rows: Vec<_> = clips.iter().enumerate().map(row).collect();
        let mut clean: Vec<_> = clips.iter().map(|clip| Latent::from_elem(clip.raw_dim(), f32::NAN)).collect();
        Windows::new(inner, Some(WINDOW)).denoise(&rows, &mut clean).unwrap();
        clean
    }

    #[test]
    fn windows_cover_a_clip() {
        for frames in 1..60 {
            let starts = WINDOW.starts(frames);
            assert_eq!((starts[0], *starts.last().unwrap()), (0, frames.saturating_sub(8)), "{frames}");
            assert!(starts.windows(2).all(|pair| pair[0] < pair[1] && pair[1] - pair[0] <= 4), "{frames}: {starts:?}");
        }
    }

    #[test]
    fn what_says_the_same_of_a_frame_in_every_window_is_not_changed() {
        let clips = [clip(8), clip(21), clip(21), clip(5), clip(9)];
        let answers = ask(|row, clean| clean.assign(&row.x.mapv(|v| 2.0 * v + 1.0)), &clips);
        for (clip, answer) in clips.iter().zip(answers) {
            let off = clip.iter().zip(&answer).map(|(x, y)| (2.0 * x + 1.0 - y).abs()).fold(0.0, f32::max);
            assert!(off < 1e-3, "{off}");
        }
    }

    #[test]
    fn nothing_longer_than_a_window_is_asked_for() {
        let mut seen = Vec::new();
        ask(
            |row, clean| {
                seen.push((row.before, frames(row.x)));
                clean.fill(0.0)
            },
            &[clip(21), clip(6)],
        );
        assert_eq!(seen, [(0, 8), (3, 8), (7, 8), (10, 8), (13, 8), (0, 6)]);
    }

    #[test]
    fn sounds_are_seen_in_windows_too() {
        let sound = Latent::from_shape_fn(vec![3, 37], |i| (i[0] * 100 + i[1]) as f32);
        let answers = ask(
            |row, clean| {
                assert_eq!(row.x.shape(), [3, 8]);
                clean.assign(&row.x.mapv(|v| 2.0 * v));
            },
            std::slice::from_ref(&sound),
        );
        assert!(sound.iter().zip(&answers[0]).all(|(x, y)| (2.0 * x - y).abs() < 1e-3));
        let mut unit = sound.clone();
        reorder(&mut unit, WINDOW, &mut Noise::torch(2));
        assert_eq!(unit, sound);
    }

    #[test]
    fn windows_that_disagree_fade_into_one_another() {
        let mut asked = 0.0;
        let answers = ask(
            |_, clean| {
                clean.fill(asked);
                asked += 1.0
            },
            &[clip(12)],
        );
        let frame: Vec<f32> = (0..12).map(|i| answers[0][[0, i, 0, 0]]).collect();
        let want = [0.0, 0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0, 1.0];
        assert!(frame.iter().zip(want).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{frame:?}");
    }

    #[test]
    fn reordered_noise_repeats_the_first_window() {
        let mut unit = Noise::torch(1).normal(&[2, 18, 2, 2]);
        let drawn = unit.clone();
        reorder(&mut unit, WINDOW, &mut Noise::torch(2));
        let frame = |of: &Latent, i: usize| of.index_axis(TIME, i).to_owned();
        assert!((0..8).all(|i| frame(&unit, i) == frame(&drawn, i)));
        for (start, end) in [(8, 12), (12, 16), (16, 18)] {
            let from: Vec<_> = (start - 8..start - 4).map(|i| frame(&unit, i)).collect();
            let mut found: Vec<_> =
                (start..end).map(|i| from.iter().position(|one| *one == frame(&unit, i)).unwrap()).collect();
            found.sort_unstable();
            found.dedup();
            assert_eq!(found.len(), end - start, "every frame once");
        }
    }
}
