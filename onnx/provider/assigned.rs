//! Finds out which providers a session really uses.
//!
//! A provider may register without complaint and then take no node, such as OpenVINO for a
//! device it does not know; ONNX Runtime runs the graph on the processor and says nothing.

use super::{Provider, ProviderChoice, provider_error};
use crate::error::Result;
use ort::AsPointer;
use ort::session::Session;
use std::ffi::CStr;
use std::path::Path;

/// The session setting without which nothing is recorded.
pub(crate) const RECORD_ASSIGNMENT: (&str, &str) = ("session.record_ep_graph_assignment_info", "1");

/// Checks that every provider asked for by name, but the processor, runs part of the graph.
///
/// # Errors
/// `Provider`, naming the first that runs nothing.
pub(crate) fn check_assigned(session: &Session, choices: &[ProviderChoice], path: &Path) -> Result<()> {
    let used = providers_in_use(session);
    for choice in choices.iter().filter(|choice| choice.name != "cpu") {
        let row = Provider::find(&choice.name)?;
        if !used.iter().any(|name| name == row.ort_name) {
            let (path, used) = (path.display(), used.join(", "));
            return Err(provider_error(format!(
                "provider `{choice}` can run no part of {path}, which would run on {used} alone: \
                 check its settings, or leave it out"
            )));
        }
    }
    Ok(())
}

/// ONNX Runtime's names of the providers that run at least one node.
#[allow(unsafe_code)]
fn providers_in_use(session: &Session) -> Vec<String> {
    let (mut subgraphs, mut count) = (std::ptr::null(), 0);
    let mut names = Vec::new();
    // SAFETY: list and names belong to the session, which outlives this function.
    unsafe {
        let status = (ort::api().Session_GetEpGraphAssignmentInfo)(session.ptr(), &raw mut subgraphs, &raw mut count);
        if ort::Error::result_from_status(status).is_err() || subgraphs.is_null() {
            return names;
        }
        for subgraph in std::slice::from_raw_parts(subgraphs, count) {
            let mut name = std::ptr::null();
            let status = (ort::api().EpAssignedSubgraph_GetEpName)(*subgraph, &raw mut name);
            if ort::Error::result_from_status(status).is_ok() && !name.is_null() {
                names.push(CStr::from_ptr(name).to_string_lossy().into_owned());
            }
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}
