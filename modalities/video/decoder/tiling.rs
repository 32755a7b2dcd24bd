//! How a clip is cut so that decoding it takes no more memory than it may.

use super::tiles::Axis;

/// What a decoder needs.
pub(super) struct Needs<'a> {
    /// Bytes that it takes to decode so many latent frames, rows and columns at once.
    pub(super) bytes: &'a dyn Fn([usize; 3]) -> u64,
    /// Latent frames of a call.
    pub(super) time: Time,
}

/// Latent frames of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// One, apart from all others or in memory of those before it.
    One,
    /// As many as one likes.
    Any,
    /// Always so many.
    Exactly(usize),
}

/// The cuts of a clip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    pub(super) time: Axis,
    pub(super) rows: Axis,
    pub(super) columns: Axis,
}

/// Latents of a tile's longer side, at least: smaller ones are all seam.
pub(super) const LEAST_SIDE: usize = 8;

/// Latent frames of a call, at least, where there are more.
const LEAST_TIME: usize = 5;

impl Tiling {
    /// The fewest cuts that need no more than `memory`: in time first, then in space. The smallest tiles if none are small enough.
    pub(super) fn choose([frames, height, width]: [usize; 3], needs: &Needs<'_>, memory: u64) -> Self {
        let mut tried = times(frames, needs.time);
        let last = tried.pop().unwrap_or_else(|| Axis::whole(frames));
        let fits = |tiling: &Self| (needs.bytes)(tiling.largest()) <= memory;
        let whole = tried.into_iter().map(|time| Self::of(time, Axis::whole(height), Axis::whole(width)));
        let longer = height.max(width);
        let sides = (LEAST_SIDE.min(longer)..=longer).rev();
        let cut =
            sides.map(|side| Self::of(last.clone(), Axis::cut(height, side, false), Axis::cut(width, side, false)));
        let least = Self::of(last.clone(), Axis::cut(height, LEAST_SIDE, false), Axis::cut(width, LEAST_SIDE, false));
        whole.chain(cut).find(fits).unwrap_or(least)
    }

    fn of(time: Axis, rows: Axis, columns: Axis) -> Self {
        Self { time, rows, columns }
    }

    /// Latent frames, rows and columns of the largest tile.
    pub(super) fn largest(&self) -> [usize; 3] {
        [&self.time, &self.rows, &self.columns].map(Axis::longest)
    }

    /// Whether every call decodes whole frames.
    pub(super) fn has_whole_frames(&self) -> bool {
        self.rows.spans.len() == 1 && self.columns.spans.len() == 1
    }
}

/// Ways to cut time, fewer latent frames at once from one to the next.
fn times(frames: usize, time: Time) -> Vec<Axis> {
    match time {
        Time::One => vec![Axis::steps(frames)],
        Time::Exactly(count) => vec![Axis::cut(frames, count, true)],
        Time::Any => {
            let least = LEAST_TIME.min(frames);
            let halved = std::iter::successors(Some(frames), |n| (*n > least).then(|| (n / 2).max(least)));
            halved.map(|most| Axis::cut(frames, most, false)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest(shape: [usize; 3], time: Time, memory: u64) -> [usize; 3] {
        let bytes = |[frames, height, width]: [usize; 3]| (frames * height * width) as u64;
        Tiling::choose(shape, &Needs { bytes: &bytes, time }, memory).largest()
    }

    #[test]
    fn what_fits_is_not_cut() {
        assert_eq!(largest([21, 60, 104], Time::Any, 21 * 60 * 104), [21, 60, 104]);
        assert_eq!(largest([21, 60, 104], Time::One, 60 * 104), [1, 60, 104]);
    }

    #[test]
    fn time_is_cut_before_space() {
        assert_eq!(largest([21, 60, 104], Time::Any, 20 * 60 * 104)[1..], [60, 104]);
        let [frames, height, width] = largest([21, 60, 104], Time::Any, 5 * 1024);
        assert!(frames <= 5 && height <= 32 && width <= 32 && frames * height * width > 5 * 400);
        assert_eq!(largest([21, 60, 104], Time::Exactly(6), 1), [6, 8, 8]);
    }

    #[test]
    fn memory_does_not_grow_with_the_clip() {
        let of = |frames| largest([frames, 60, 104], Time::Any, 7 * 60 * 104);
        assert!([50, 500].iter().all(|frames| of(*frames)[0] <= 7 && of(*frames)[1..] == [60, 104]));
    }
}
