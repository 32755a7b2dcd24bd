//! Text while it settles: on a terminal a view in which masks turn into words, elsewhere a line now and then.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::report;
use crate::pipeline::text::{TextPlan, TextReader};
use crate::sampling::unmask::Canvas;

/// Shows how a run goes on, on standard error.
pub(super) enum Live {
    /// Nothing at all.
    Nothing,
    /// Text that is redrawn in place.
    View(ProgressBar),
    /// A line now and then.
    Lines {
        /// When the last line was printed.
        last: Option<Instant>,
    },
}

/// How often plain lines tell how far a text is.
const LINE_INTERVAL: Duration = Duration::from_secs(1);
/// What stands for a token that is hidden.
const HOLE: &str = "\u{2591}";

impl Live {
    /// Chooses by where standard error goes.
    pub(super) fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Nothing;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: None };
        }
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner()));
        Self::View(bar)
    }

    /// A stage begins.
    pub(super) fn stage(&self, name: &str) {
        match self {
            Self::Nothing => {}
            Self::View(bar) => bar.set_message(name.to_owned()),
            Self::Lines { .. } => report::say(name),
        }
    }

    /// An evaluation of a text is over.
    pub(super) fn turn(&mut self, index: usize, plan: &TextPlan, canvas: &Canvas, reader: &TextReader) -> Result<()> {
        let open = canvas.open(0..canvas.len()).count();
        match self {
            Self::Nothing => {}
            Self::View(bar) => bar.set_message(harmless(&reader.view(&plan.document, canvas, HOLE)?)),
            Self::Lines { last } => {
                if open == 0 || last.is_none_or(|then| then.elapsed() >= LINE_INTERVAL) {
                    let all = plan.document.open();
                    let (turn, found) = (canvas.turn(), all - open.min(all));
                    report::say(&format!("text {}: {found} of {all} tokens after {turn} evaluations", index + 1));
                    *last = Some(Instant::now());
                }
            }
        }
        Ok(())
    }

    /// A sentence for the user that is no error.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Nothing => {}
            Self::View(bar) => bar.suspend(|| report::say(text)),
            Self::Lines { .. } => report::say(text),
        }
    }

    /// Does something to standard output while the view is away.
    pub(super) fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        match self {
            Self::View(bar) => bar.suspend(act),
            _ => act(),
        }
    }

    /// Takes the view away.
    pub(super) fn finish(&self) {
        if let Self::View(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Text that cannot command the terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}
