//! Graphs kept on disk as ONNX Runtime optimised them, so that the next start is quick.
//!
//! Optimising a large graph takes longer than running it once. What comes out depends on the
//! graph's content, the library, the providers and the processor, so an entry is found by a
//! hash over these. An entry is a folder that appears with one rename, complete with a
//! manifest; whatever else lies around is never read. Nothing here can fail a run: with a full
//! disk or a folder that cannot be written, graphs load as if there were no cache.

mod hash;
mod store;

use crate::error::{Error, ErrorKind, Result};
use crate::proto::{self, Described};
use crate::provider::{Provider, ProviderChoice};
use crate::runtime::{Runtime, cache_dir};
use crate::session::GraphOptions;
use crate::unfinished::Unfinished;
use ort::session::builder::GraphOptimizationLevel;
use std::path::{Path, PathBuf};
use store::Store;

pub(crate) use store::Entry;

/// Where optimised graphs are kept, and how much of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphCache {
    /// The folder they are kept in; made when it is first needed.
    pub dir: PathBuf,
    /// How many bytes they may take together; the least recently used ones make room.
    pub limit_bytes: u64,
    /// The size with weights from which a graph is worth an entry.
    pub from_bytes: u64,
}

impl Default for GraphCache {
    /// `graphs` below [`cache_dir`], 20 GiB, for graphs from 32 MiB on.
    ///
    /// Below, optimising takes about 0.2 s, and an entry would hardly pay: 130 MiB load in 0.2 s instead of 0.85 s.
    fn default() -> Self {
        Self { dir: cache_dir().join("graphs"), limit_bytes: 20 << 30, from_bytes: 32 << 20 }
    }
}

/// A kept graph needs no further optimisation; looking for some would only take time.
pub(crate) const REUSE_LEVEL: GraphOptimizationLevel = GraphOptimizationLevel::Disable;

/// Smaller weights stay inside the graph file, where ONNX Runtime finds them sooner.
const EXTERNAL_FROM_BYTES: &str = "1024";

/// What to do about the cache when a graph is loaded.
pub(crate) enum Plan {
    /// Load the graph itself.
    Off,
    /// Load this instead.
    Hit(Entry),
    /// Load the graph itself, and keep what comes out of optimising it.
    Miss(Filling),
}

/// An entry in the making, in a temporary folder that vanishes unless it is published.
pub(crate) struct Filling {
    temp: Unfinished,
    store: Store,
    key: String,
}

/// Finds out whether an optimised form of the graph is kept or should be.
///
/// # Errors
/// `Cache`, as a note, when the cache cannot be used.
pub(crate) fn plan(
    path: &Path,
    described: &Described,
    options: &GraphOptions,
    choices: &[ProviderChoice],
    runtime: &Runtime,
) -> Result<Plan> {
    let Some(cache) = options.cache.as_ref().filter(|cache| is_worthwhile(cache, described, choices)) else {
        return Ok(Plan::Off);
    };
    let store = Store::open(cache)?;
    let key = hash::key(path, described, choices, runtime, &store.memo())?;
    if let Some(entry) = store.find(&key) {
        return Ok(Plan::Hit(entry));
    }
    store.check_room(described.total_bytes())?;
    let temp = store.temporary()?;
    Ok(Plan::Miss(Filling { temp, store, key }))
}

/// A name for what belongs to a graph and to these facts alone.
///
/// # Errors
/// `Cache` when the graph cannot be read.
pub(crate) fn identity(path: &Path, described: &Described, facts: &str) -> Result<String> {
    let memo = Store::open(&GraphCache::default())?.memo();
    hash::identity(path, described, &[facts], &memo)
}

fn is_worthwhile(cache: &GraphCache, described: &Described, choices: &[ProviderChoice]) -> bool {
    let saved_by = |name: &str| Provider::find(name).is_ok_and(|row| row.saves_graphs);
    described.is_onnx
        && described.total_bytes() >= cache.from_bytes
        && choices.iter().all(|choice| saved_by(&choice.name))
}

impl Filling {
    /// Where ONNX Runtime is to save the optimised graph.
    pub(crate) fn graph(&self) -> PathBuf {
        self.temp.path().join(store::GRAPH)
    }

    /// The session settings that have weights saved into a file of their own, which the next
    /// start maps instead of copying; and packed as the kernels want them: a third more room on
    /// disk (4.5 GB for a UNet of 3.4 GB) for a gigabyte less of memory and a quicker start.
    pub(crate) fn settings(&self) -> [(&'static str, &'static str); 3] {
        [
            ("session.optimized_model_external_initializers_file_name", store::WEIGHTS),
            ("session.optimized_model_external_initializers_min_size_in_bytes", EXTERNAL_FROM_BYTES),
            ("session.save_external_prepacked_constant_initializers", "1"),
        ]
    }

    /// Checks what was saved and makes it an entry.
    pub(crate) fn publish(self) -> Result<()> {
        // A disk that was full while saving shows here: the weights end too early.
        proto::describe(&self.graph()).map_err(|cause| note(&format!("what was saved is incomplete: {cause}")))?;
        self.store.publish(self.temp, &self.key)
    }
}

fn note(what: &str) -> Error {
    Error::new(ErrorKind::Cache, what)
}

#[cfg(test)]
mod tests;
