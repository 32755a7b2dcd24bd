//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::media::Modality;

/// Shows how a run goes on.
pub(super) enum Shown {
    /// Nothing at all.
    Nothing,
    /// A bar that redraws itself.
    Bar(ProgressBar),
    /// A line now and then.
    Lines {
        /// What is made.
        modality: Modality,
        /// When the last line was printed.
        last: Option<Instant>,
    },
}

/// How often plain lines report steps.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

impl Shown {
    /// Chooses by where standard error goes.
    pub(super) fn new(quiet: bool, modality: Modality, steps: usize) -> Self {
        if quiet {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { modality, last: None };
        }
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{msg:22} {wide_bar} {pos}/{len} {per_sec} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    /// A stage begins.
    pub(super) fn stage(&mut self, name: &'static str) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.set_message(name),
            Self::Lines { .. } => eprintln!("{name}"),
        }
    }

    /// One more step is done.
    pub(super) fn step(&mut self, index: usize, done: usize, total: usize) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { modality, last } => {
                if done == total || last.is_none_or(|then| then.elapsed() >= LINE_INTERVAL) {
                    eprintln!("{} {}: step {done} of {total}", modality.noun(), index + 1);
                    *last = Some(Instant::now());
                }
            }
        }
    }

    /// A sentence for the user that is no error.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Self::Lines { .. } => eprintln!("{text}"),
        }
    }

    /// Does something that writes to the terminal.
    pub(super) fn aside(&self, show: impl FnOnce()) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.suspend(show),
            Self::Lines { .. } => show(),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
