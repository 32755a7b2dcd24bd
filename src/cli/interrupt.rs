//! Ctrl-C: stops what is under way in good order, and if that takes too long, in haste. Either way it is told what was saved.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use edrun_onnx::{Cancel, unfinished};

use super::{Ending, report};

/// How long the work may take to stop by itself. Some of what libraries do cannot be stopped: OpenVINO runs a graph as one
/// node, and ONNX Runtime saves an optimised graph of gigabytes in one go.
const PATIENCE: Duration = Duration::from_millis(700);

/// The way from Ctrl-C to the work, and from the work to what is told.
#[derive(Clone)]
pub(super) struct Interrupt {
    cancel: Cancel,
    told: Arc<Told>,
}

struct Told {
    /// Whether it was said already.
    once: AtomicBool,
    /// What was saved so far.
    saved: Mutex<Vec<String>>,
    /// What to say when nothing was.
    nothing: &'static str,
}

impl Interrupt {
    /// From now on Ctrl-C, and the signals that end a process, come here. `nothing` says what there is when nothing was
    /// saved.
    pub(super) fn watch(nothing: &'static str) -> Result<Self> {
        let told = Told { once: AtomicBool::new(false), saved: Mutex::default(), nothing };
        let interrupt = Self { cancel: Cancel::new(), told: Arc::new(told) };
        let own = interrupt.clone();
        ctrlc::set_handler(move || own.stop()).context("Ctrl-C cannot be handled on this system")?;
        Ok(interrupt)
    }

    /// What stops the work.
    pub(super) fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Whether it was pressed.
    pub(super) fn is_on(&self) -> bool {
        self.cancel.is_cancelled()
    }

    /// Something was saved.
    pub(super) fn saved(&self, what: impl Into<String>) {
        self.told.saved.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Says once what was saved before the interruption.
    pub(super) fn tell(&self) -> Ending {
        let saved = self.told.saved.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.told.once.swap(true, Ordering::SeqCst) {
            match saved.as_slice() {
                [] => report::say(&format!("interrupted; {}", self.told.nothing)),
                some => report::say(&format!("interrupted; saved before: {}", some.join(", "))),
            }
        }
        if saved.is_empty() { Ending::Failed } else { Ending::SomeFailed }
    }

    fn stop(&self) {
        self.cancel.cancel();
        std::thread::sleep(PATIENCE);
        unfinished::leave(self.tell().code());
    }
}
