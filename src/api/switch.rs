//! Stops a pipeline from another thread.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use edrun_onnx::Cancel;

/// Stops what a [`Pipeline`](super::Pipeline) does, from any thread; clones share one switch.
#[derive(Clone, Debug, Default)]
pub struct Switch(Arc<Mutex<Cancel>>);

impl Switch {
    /// Stops the run that goes on, or the next one where none does: it fails with
    /// [`ErrorKind::Cancelled`](super::ErrorKind::Cancelled) within about a graph's node, and the pipeline can be asked again.
    pub fn cancel(&self) {
        self.current().cancel();
    }

    /// What the next run watches.
    pub(super) fn ready(&self) -> Cancel {
        self.current().clone()
    }

    /// Whether the run was stopped; the next one is not.
    pub(super) fn take(&self) -> bool {
        let mut current = self.current();
        let thrown = current.is_cancelled();
        if thrown {
            *current = Cancel::new();
        }
        thrown
    }

    fn current(&self) -> MutexGuard<'_, Cancel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
