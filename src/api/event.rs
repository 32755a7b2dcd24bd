//! What a run tells while it goes on.

use crate::media::Media;
use crate::pipeline::Progress;
#[cfg(feature = "text")]
use crate::pipeline::text::TextProgress;

/// What a run tells while it goes on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A stage begins, such as `sampling`.
    Stage(&'static str),
    /// A result went on by a step; of a text, by an evaluation.
    Step {
        /// Which of the ask's results, from 0.
        index: usize,
        /// Steps done; of a text, tokens found.
        done: usize,
        /// Steps in all; of a text, tokens to find.
        total: usize,
    },
    /// What a result would be if its sampling ended now, where [`Settings::preview`](crate::pipeline::Settings::preview)
    /// asks for it.
    Preview {
        /// Which of the ask's results, from 0.
        index: usize,
        /// Steps done.
        done: usize,
        /// The result as it stands.
        media: &'a Media,
    },
    /// Part of a prompt has no effect, because the text encoder reads no further.
    Cut(&'a str),
    /// Something worth knowing that did not stop the run.
    Note(&'a str),
}

impl<'a> Event<'a> {
    /// What of a run is told.
    pub(super) fn of(progress: &'a Progress<'a>) -> Option<Self> {
        Some(match progress {
            Progress::Stage(name) => Self::Stage(name),
            Progress::Step { index, done, total, .. } => Self::Step { index: *index, done: *done, total: *total },
            Progress::Preview { index, done, media, .. } => Self::Preview { index: *index, done: *done, media },
            Progress::Note(text) => Self::Note(text),
            Progress::Cut { text, .. } => Self::Cut(text),
            Progress::Part { .. } | Progress::Made(_) | Progress::Kept(_) | Progress::Failed { .. } => return None,
        })
    }

    /// What of a run is told that finds so many tokens for each text.
    #[cfg(feature = "text")]
    pub(super) fn of_text(progress: &'a TextProgress<'a>, total: usize) -> Option<Self> {
        Some(match progress {
            TextProgress::Stage(name) => Self::Stage(name),
            TextProgress::Turn { index, canvas } => {
                let open = canvas.open(0..canvas.len()).count();
                Self::Step { index: *index, done: total.saturating_sub(open), total }
            }
            TextProgress::Note(text) => Self::Note(text),
            TextProgress::Text(_) | TextProgress::Failed { .. } | TextProgress::Scored { .. } => return None,
        })
    }
}
