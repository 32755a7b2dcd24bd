//! What became of every graph that was loaded: which providers run it, and what is worth knowing.

use crate::provider::Assigned;
use crate::waiting::{Listener, NOW_AND_THEN, Waiting};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A list of what was loaded, shared by everyone who holds a clone.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    loaded: Vec<Loaded>,
    news: Vec<String>,
    listener: Option<Listener>,
}

/// What became of one graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The folder of the graph below the model's, such as `unet`.
    pub component: String,
    /// The graph.
    pub path: PathBuf,
    /// What runs it, as it would be asked for.
    pub providers: String,
    /// How many nodes of it each provider took, the most first.
    pub assigned: Vec<Assigned>,
    /// Why a provider that was asked for was left out, if one was.
    pub fallback: Option<String>,
    /// Why the optimised graph could not be kept or reused, if a cache was asked for and failed.
    pub cache_note: Option<String>,
}

impl Ledger {
    /// What became of each component, in the order of their first loading.
    pub fn loaded(&self) -> Vec<Loaded> {
        self.entries().loaded.clone()
    }

    /// What is worth telling a person and was not asked for yet.
    pub fn news(&self) -> Vec<String> {
        std::mem::take(&mut self.entries().news)
    }

    /// Has `tell` told now and then of a graph that takes long to load, from another thread.
    pub fn listen(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.entries().listener = Some(Listener::new(tell));
    }

    /// Tells the listener of what takes long, until the result is dropped.
    pub(crate) fn waiting(&self, what: String) -> Waiting {
        Waiting::start(self.entries().listener.clone(), what, NOW_AND_THEN)
    }

    pub(crate) fn add(&self, loaded: Loaded) {
        let mut entries = self.entries();
        let notes = loaded.notes();
        entries.news.extend(notes);
        match entries.loaded.iter_mut().find(|known| known.path == loaded.path) {
            Some(known) => *known = loaded,
            None => entries.loaded.push(loaded),
        }
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Loaded {
    /// A provider that was left out, nodes that went to the processor though it was not asked for,
    /// a cache that failed.
    fn notes(&self) -> impl Iterator<Item = String> + use<> {
        let Self { component, providers, .. } = self;
        let fallback = self
            .fallback
            .as_ref()
            .map(|why| format!("{component} runs on {providers}, as --ep-fallback allows: {why}"));
        let stray =
            self.stray().map(|(nodes, all)| format!("{component}: {providers} leaves {nodes} of {all} nodes to cpu"));
        fallback.or(stray).into_iter().chain(self.cache_note.clone())
    }

    fn stray(&self) -> Option<(usize, usize)> {
        let asked_for_cpu = self.providers.split(',').any(|part| part.split(':').next() == Some("cpu"));
        let on_cpu = self.assigned.iter().find(|one| one.provider == "cpu" && !asked_for_cpu)?;
        Some((on_cpu.nodes, self.assigned.iter().map(|one| one.nodes).sum()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(providers: &str, nodes: &[(&str, usize)], fallback: Option<&str>) -> Loaded {
        let assigned = nodes.iter().map(|(name, nodes)| Assigned { provider: (*name).into(), nodes: *nodes });
        Loaded {
            component: "unet".into(),
            path: "model/unet/model.onnx".into(),
            providers: providers.into(),
            assigned: assigned.collect(),
            fallback: fallback.map(str::to_owned),
            cache_note: None,
        }
    }

    #[test]
    fn what_was_not_asked_for_is_news_once() {
        let cases: [(Loaded, &[&str]); 4] = [
            (loaded("cpu", &[("cpu", 9)], None), &[]),
            (loaded("cuda:1", &[("cuda", 8), ("cpu", 1)], None), &["unet: cuda:1 leaves 1 of 9 nodes to cpu"]),
            (loaded("cuda,cpu:threads=2", &[("cuda", 8), ("cpu", 1)], None), &[]),
            (loaded("cpu", &[("cpu", 9)], Some("no GPU")), &["unet runs on cpu, as --ep-fallback allows: no GPU"]),
        ];
        for (one, news) in cases {
            let ledger = Ledger::default();
            ledger.add(one.clone());
            ledger.clone().add(one.clone());
            assert_eq!(ledger.loaded(), [one]);
            assert_eq!(ledger.news()[..news.len()], *news);
            assert_eq!(ledger.news(), Vec::<String>::new());
        }
    }
}
