//! What ONNX Runtime's profiler says of a session.

use super::{Event, Span, Trace};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One graph in a trace.
pub(crate) struct Traced {
    trace: Trace,
    /// What it is called: the component it belongs to.
    graph: String,
    /// How the file begins that its profiler writes, where nodes are traced.
    prefix: Option<PathBuf>,
    /// When the graph first ran: the profiler's clock starts somewhere during loading.
    first_run: Option<Duration>,
}

/// An event as the profiler writes it; times are microseconds.
#[derive(Deserialize)]
struct Row {
    cat: String,
    name: String,
    ts: u64,
    dur: u64,
    #[serde(default)]
    args: Args,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Args {
    op_name: String,
    provider: String,
}

/// What the profiler adds to the name of a node for the time its kernel took.
const KERNEL: &str = "_kernel_time";
/// The profiler's name of a run.
const RUN: &str = "model_run";

impl Traced {
    pub(crate) fn new(trace: &Trace, component: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let file = || format!("graph-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let prefix = trace.profiles().map(|folder| folder.join(file()));
        Self { trace: trace.clone(), graph: component.to_owned(), prefix, first_run: None }
    }

    /// How the file begins that its profiler is to write.
    pub(crate) fn profile(&self) -> Option<&Path> {
        self.prefix.as_deref()
    }

    /// The graph is being loaded.
    pub(crate) fn loads(&self) -> Span {
        self.trace.span("load", self.graph.as_str())
    }

    /// The graph is running.
    pub(crate) fn runs(&mut self) -> Span {
        self.first_run.get_or_insert_with(|| self.trace.now());
        self.trace.span("run", self.graph.as_str())
    }

    /// Adds what the file holds that `end` names; one that cannot be read adds nothing, as the run itself is done.
    pub(crate) fn finish(&self, end: impl FnOnce() -> Option<String>) {
        if self.prefix.is_none() {
            return;
        }
        let bytes = end().and_then(|file| std::fs::read(file).ok());
        let rows = bytes.and_then(|bytes| serde_json::from_slice::<Vec<Row>>(&bytes).ok());
        self.trace.add(self.events(&rows.unwrap_or_default()));
    }

    fn events(&self, rows: &[Row]) -> Vec<Event> {
        let run = rows.iter().find(|row| row.name == RUN).map(|row| Duration::from_micros(row.ts));
        let (Some(first), Some(run)) = (self.first_run, run) else { return Vec::new() };
        let event = |row: &Row| {
            let name = row.name.strip_suffix(KERNEL).filter(|_| row.cat == "Node")?;
            let start = (first + Duration::from_micros(row.ts)).saturating_sub(run);
            Some(Event {
                name: name.to_owned(),
                kind: "node",
                graph: Some(self.graph.clone()),
                start,
                length: Duration::from_micros(row.dur),
                facts: vec![("op", row.args.op_name.clone()), ("provider", row.args.provider.clone())],
            })
        };
        rows.iter().filter_map(event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_placed_by_the_first_run() {
        let text = r#"[
            {"cat": "Session", "pid": 1, "tid": 1, "dur": 900, "ts": 5, "ph": "X", "name": "model_loading_uri", "args": {}},
            {"cat": "Node", "pid": 1, "tid": 1, "dur": 30, "ts": 1010, "ph": "X", "name": "mul_kernel_time",
             "args": {"op_name": "Mul", "provider": "CPUExecutionProvider", "node_index": "0"}},
            {"cat": "Node", "pid": 1, "tid": 1, "dur": 0, "ts": 1009, "ph": "X", "name": "mul_fence_before", "args": {}},
            {"cat": "Session", "pid": 1, "tid": 1, "dur": 100, "ts": 1000, "ph": "X", "name": "model_run", "args": {}}
        ]"#;
        let rows: Vec<Row> = serde_json::from_str(text).unwrap();
        let mut traced = Traced::new(&Trace::default(), "unet");
        traced.first_run = Some(Duration::from_millis(7));
        let events = traced.events(&rows);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].name.as_str(), events[0].start), ("mul", Duration::from_micros(7010)));
        assert_eq!(events[0].facts, [("op", "Mul".to_owned()), ("provider", "CPUExecutionProvider".to_owned())]);
    }
}
