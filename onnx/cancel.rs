//! Stops a graph that is loading or running, from another thread.

use ort::session::RunOptions;
use ort::session::builder::LoadCanceler;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A switch shared between the thread that works and the one that may stop it.
///
/// Clones share one switch. Once thrown it stays thrown: whatever is asked under it later
/// returns an error of kind `Cancelled` at once.
#[derive(Clone, Default)]
pub struct Cancel(Arc<Shared>);

#[derive(Default)]
struct Shared {
    thrown: AtomicBool,
    work: Mutex<Vec<(u64, Work)>>,
    next: AtomicU64,
}

/// Something under way that ONNX Runtime can stop.
pub(crate) enum Work {
    Run(Arc<RunOptions>),
    Load(LoadCanceler),
}

/// While it lives, [`Cancel::cancel`] reaches the work it was made for.
pub(crate) struct Watched<'a> {
    cancel: &'a Cancel,
    id: u64,
}

impl Cancel {
    /// A switch that is not thrown.
    pub fn new() -> Self {
        Self::default()
    }

    /// Throws the switch: graphs under way stop at their next node, in milliseconds as a rule.
    ///
    /// OpenVINO runs a graph as one node and stops at its end.
    pub fn cancel(&self) {
        let work = self.work();
        self.0.thrown.store(true, Ordering::SeqCst);
        work.iter().for_each(|(_, item)| item.stop());
    }

    /// Whether the switch was thrown.
    pub fn is_cancelled(&self) -> bool {
        self.0.thrown.load(Ordering::SeqCst)
    }

    /// Lets `cancel` stop this work; `None` when the switch is thrown already.
    pub(crate) fn watch(&self, item: Work) -> Option<Watched<'_>> {
        let mut work = self.work();
        if self.is_cancelled() {
            return None;
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        work.push((id, item));
        Some(Watched { cancel: self, id })
    }

    fn work(&self) -> MutexGuard<'_, Vec<(u64, Work)>> {
        self.0.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work {
    fn stop(&self) {
        // A failure to stop leaves the work running to its end, which is then discarded.
        let _ = match self {
            Self::Run(options) => options.terminate(),
            Self::Load(canceler) => canceler.cancel(),
        };
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.cancel.work().retain(|(id, _)| *id != self.id);
    }
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancel({})", self.is_cancelled())
    }
}
