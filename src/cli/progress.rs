//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::report;
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
        /// How fast steps go.
        pace: Pace,
    },
}

/// How fast the steps of a run go.
pub(super) struct Pace {
    /// Steps of the whole run.
    total: usize,
    /// Steps done.
    done: usize,
    /// When the first was done.
    since: Option<Instant>,
}

impl Pace {
    fn new(total: usize) -> Self {
        Self { total, done: 0, since: None }
    }

    fn step(&mut self) {
        self.done += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    /// Seconds a step and time left, once that can be told; the first step tells nothing, as it warms up.
    fn describe(&self) -> Option<String> {
        let elapsed = self.since?.elapsed().as_secs_f64();
        let each = Some(elapsed / self.done.checked_sub(1)? as f64).filter(|each| each.is_finite() && *each > 0.0)?;
        let pace = seconds_a_step(each);
        match self.total.saturating_sub(self.done) {
            0 => Some(pace),
            steps => Some(format!("{pace}, {} left", HumanDuration(Duration::from_secs_f64(each * steps as f64)))),
        }
    }
}

fn seconds_a_step(seconds: f64) -> String {
    match seconds {
        s if s < 0.1 => format!("{s:.3} s a step"),
        s => format!("{s:.1} s a step"),
    }
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
            return Self::Lines { modality, last: None, pace: Pace::new(steps) };
        }
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template("{msg:22} {wide_bar} {pos}/{len} {pace} {eta} left");
        let pace = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let each = Some(1.0 / state.per_sec()).filter(|each| each.is_finite());
            // Writing to a terminal's line cannot fail.
            let _ = out.write_str(&each.map(seconds_a_step).unwrap_or_default());
        };
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("pace", pace));
        Self::Bar(bar)
    }

    /// A stage begins.
    pub(super) fn stage(&mut self, name: &'static str) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.set_message(name),
            Self::Lines { .. } => report::say(name),
        }
    }

    /// One more step is done.
    pub(super) fn step(&mut self, index: usize, done: usize, total: usize) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.inc(1),
            Self::Lines { modality, last, pace } => {
                pace.step();
                if done == total || last.is_none_or(|then| then.elapsed() >= LINE_INTERVAL) {
                    let pace = pace.describe().map(|pace| format!(" ({pace})")).unwrap_or_default();
                    report::say(&format!("{} {}: step {done} of {total}{pace}", modality.noun(), index + 1));
                    *last = Some(Instant::now());
                }
            }
        }
    }

    /// A sentence for the user that is no error.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Nothing => {}
            Self::Bar(bar) => bar.suspend(|| report::say(text)),
            Self::Lines { .. } => report::say(text),
        }
    }

    /// Says sentences from other threads.
    pub(super) fn speaker(&self) -> Option<impl Fn(&str) + Send + Sync + 'static> {
        let bar = match self {
            Self::Nothing => return None,
            Self::Bar(bar) => Some(bar.clone()),
            Self::Lines { .. } => None,
        };
        Some(move |text: &str| match &bar {
            Some(bar) => bar.suspend(|| report::say(text)),
            None => report::say(text),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_told_from_the_second_step_on() {
        let mut pace = Pace::new(10);
        pace.step();
        assert_eq!(pace.describe(), None);
        pace.since = Instant::now().checked_sub(Duration::from_secs(8));
        (0..2).for_each(|_| pace.step());
        assert_eq!(pace.describe().unwrap(), "4.0 s a step, 28 seconds left");
        (0..7).for_each(|_| pace.step());
        assert_eq!(pace.describe().unwrap(), "0.9 s a step");
        assert_eq!(seconds_a_step(0.0123), "0.012 s a step");
    }
}
