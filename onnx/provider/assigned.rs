//! Finds out which providers a session really uses.
//!
//! A provider may register without complaint and then take no node, such as OpenVINO for a
//! device it does not know; ONNX Runtime runs the graph on the processor and says nothing.

use super::{PROVIDERS, ProviderChoice, provider_error};
use crate::error::Result;
use ort::AsPointer;
use ort::session::Session;
use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::Path;

/// The session setting without which nothing is recorded.
pub(crate) const RECORD_ASSIGNMENT: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// How much of a graph a provider runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The provider's name in [`PROVIDERS`], or ONNX Runtime's for one that is not there.
    pub provider: String,
    /// How many of the graph's nodes it took, as they were after the first optimisations.
    pub nodes: usize,
}

/// What each provider took of a session's graph, the most first.
pub(crate) fn assigned(session: &Session) -> Vec<Assigned> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (name, nodes) in subgraphs(session) {
        *counts.entry(name).or_default() += nodes;
    }
    let named =
        |listed: &str| PROVIDERS.iter().find(|row| row.ort_name == listed).map_or(listed, |row| row.name).into();
    let mut all: Vec<_> =
        counts.iter().map(|(name, nodes)| Assigned { provider: named(name), nodes: *nodes }).collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.nodes));
    all
}

/// Checks that every provider asked for by name, but the processor, runs part of the graph.
///
/// # Errors
/// `Provider`, naming the first that runs nothing.
pub(crate) fn check_assigned(used: &[Assigned], choices: &[ProviderChoice], path: &Path) -> Result<()> {
    for choice in choices.iter().filter(|choice| choice.name != "cpu") {
        if choice.row().is_some() && !used.iter().any(|one| one.provider == choice.name) {
            let used: Vec<_> = used.iter().map(|one| one.provider.as_str()).collect();
            let (path, used) = (path.display(), used.join(", "));
            return Err(provider_error(format!(
                "provider `{choice}` can run no part of {path}, which would run on {used} alone: \
                 check its settings, or leave it out"
            )));
        }
    }
    Ok(())
}

/// The parts of a session's graph: ONNX Runtime's name of the provider, and how many nodes.
#[allow(unsafe_code)]
fn subgraphs(session: &Session) -> Vec<(String, usize)> {
    let (mut subgraphs, mut count) = (std::ptr::null(), 0);
    let mut found = Vec::new();
    // SAFETY: lists and names belong to the session, which outlives this function.
    unsafe {
        let status = (ort::api().Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut count);
        if ort::Error::result_from_status(status).is_err() || subgraphs.is_null() {
            return found;
        }
        for subgraph in std::slice::from_raw_parts(subgraphs, count) {
            let (mut name, mut nodes, mut count) = (std::ptr::null(), std::ptr::null(), 0);
            let named = (ort::api().EpAssignedSubgraph_GetEpName)(*subgraph, &raw mut name);
            let counted = (ort::api().EpAssignedSubgraph_GetNodes)(*subgraph, &raw mut nodes, &raw mut count);
            let are_known = [named, counted].map(|status| ort::Error::result_from_status(status).is_ok());
            if are_known == [true, true] && !name.is_null() {
                found.push((CStr::from_ptr(name).to_string_lossy().into_owned(), count));
            }
        }
    }
    found
}
