//! What the tests share: the library, loaded once, and the tiny graphs of `testdata/`.

use crate::runtime;
use crate::session::{Graph, GraphOptions};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// A file made by `testdata/make_graphs.py`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)
}

/// The loaded library.
pub(crate) fn ready() -> &'static runtime::Runtime {
    static SILENCE: Once = Once::new();
    SILENCE.call_once(runtime::silence_telemetry);
    runtime::any().unwrap()
}

/// A graph of `testdata/` on the processor.
pub(crate) fn graph(name: &str) -> Graph {
    load(&data(name), &GraphOptions::default())
}

pub(crate) fn load(path: &Path, options: &GraphOptions) -> Graph {
    ready();
    Graph::load(path, options).unwrap()
}
