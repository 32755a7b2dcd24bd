//! What happened when: spans of time, in the form that Chrome's trace viewer and Perfetto read.
//!
//! A [`Trace`] that is off costs nothing. One that is on notes what its owner does as [`Span`]s, and, where it is asked for,
//! every node of every graph, as ONNX Runtime's own profiler times them.

mod traced;

use serde_json::{Value as Json, json};
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) use traced::Traced;

/// A record that all clones add to; off by default.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<Shared>>);

struct Shared {
    start: Instant,
    events: Mutex<Vec<Event>>,
    /// Where ONNX Runtime writes what it times, if it is to.
    profiles: Option<TempDir>,
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened.
    pub name: String,
    /// Of which kind it is: events of one kind can be summed up.
    pub kind: &'static str,
    /// The graph whose node it is; `None` for what spans of time are made of.
    pub graph: Option<String>,
    /// When it began, from the start of the trace.
    pub start: Duration,
    /// How long it took.
    pub length: Duration,
    /// More that is known of it.
    pub facts: Vec<(&'static str, String)>,
}

/// Something under way; it ends when this is dropped.
#[must_use = "a span that is dropped at once measures nothing"]
pub struct Span {
    trace: Trace,
    name: String,
    kind: &'static str,
    start: Instant,
}

impl Trace {
    /// A trace of spans.
    pub fn of_spans() -> Self {
        Self(Some(Arc::new(Shared { start: Instant::now(), events: Mutex::default(), profiles: None })))
    }

    /// A trace of spans and of the nodes of graphs. Timing each node slows graphs down, those of small nodes most.
    ///
    /// # Errors
    /// When there is no room for the profiler's files in the system's folder for temporary files.
    pub fn of_nodes() -> std::io::Result<Self> {
        let profiles = Some(tempfile::Builder::new().prefix("edrun-trace-").tempdir()?);
        Ok(Self(Some(Arc::new(Shared { start: Instant::now(), events: Mutex::default(), profiles }))))
    }

    /// Notes that something begins.
    pub fn span(&self, kind: &'static str, name: impl Into<String>) -> Span {
        let name = if self.0.is_some() { name.into() } else { String::new() };
        Span { trace: self.clone(), name, kind, start: Instant::now() }
    }

    /// What happened, in the order in which it began.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.0.as_ref().map(|shared| shared.events().clone()).unwrap_or_default();
        events.sort_by_key(|event| event.start);
        events
    }

    /// Everything in Chrome's format (JSON object form): spans in one row, the nodes of each graph in another.
    ///
    /// Nodes of graphs are there once the graphs are gone.
    pub fn to_chrome(&self) -> Json {
        let events = self.events();
        let mut rows: Vec<Option<&str>> = vec![None];
        let mut all = Vec::new();
        for event in &events {
            let row = rows.iter().position(|row| *row == event.graph.as_deref()).unwrap_or(rows.len());
            if row == rows.len() {
                rows.push(event.graph.as_deref());
            }
            all.push(event.to_chrome(row));
        }
        let named = |(row, graph): (usize, &Option<&str>)| {
            let name = graph.map_or("edrun".into(), |graph| format!("nodes of {graph}"));
            json!({ "ph": "M", "name": "thread_name", "pid": 1, "tid": row, "args": { "name": name } })
        };
        all.extend(rows.iter().enumerate().map(named));
        json!({ "displayTimeUnit": "ms", "traceEvents": all })
    }

    /// Where ONNX Runtime's profilers write, where nodes are traced.
    fn profiles(&self) -> Option<&Path> {
        Some(self.0.as_ref()?.profiles.as_ref()?.path())
    }

    /// Time since the start of the trace.
    fn now(&self) -> Duration {
        self.0.as_ref().map(|shared| shared.start.elapsed()).unwrap_or_default()
    }

    fn add(&self, events: impl IntoIterator<Item = Event>) {
        if let Some(shared) = &self.0 {
            shared.events().extend(events);
        }
    }
}

impl Shared {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn to_chrome(&self, row: usize) -> Json {
        let facts: serde_json::Map<_, _> =
            self.facts.iter().map(|(key, value)| ((*key).into(), json!(value))).collect();
        json!({
            "ph": "X",
            "name": self.name,
            "cat": self.kind,
            "pid": 1,
            "tid": row,
            "ts": micros(self.start),
            "dur": micros(self.length),
            "args": facts,
        })
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(shared) = &self.trace.0 else { return };
        let event = Event {
            name: std::mem::take(&mut self.name),
            kind: self.kind,
            graph: None,
            start: self.start.saturating_duration_since(shared.start),
            length: self.start.elapsed(),
            facts: Vec::new(),
        };
        shared.events().push(event);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trace({})", if self.0.is_some() { "on" } else { "off" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_nest_and_a_trace_that_is_off_keeps_nothing() {
        let off = Trace::default();
        drop(off.span("step", "step"));
        assert_eq!(off.events(), []);
        let trace = Trace::of_spans();
        {
            let _outer = trace.span("step", "step 1");
            let _inner = trace.clone().span("graph", "run unet");
        }
        let events = trace.events();
        let names: Vec<_> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, ["step 1", "run unet"]);
        assert!(events[0].start + events[0].length >= events[1].start + events[1].length);
        assert!(trace.profiles().is_none(), "spans alone need no profiler");
    }

    #[test]
    fn chrome_gets_rows_with_names() {
        let trace = Trace::of_spans();
        drop(trace.span("load", "load unet"));
        let node =
            Event { graph: Some("unet".into()), facts: vec![("op", "Conv".into())], ..trace.events()[0].clone() };
        trace.add([node]);
        let chrome = trace.to_chrome();
        let events = chrome["traceEvents"].as_array().unwrap();
        assert_eq!((events[0]["tid"].as_u64(), events[1]["tid"].as_u64()), (Some(0), Some(1)));
        assert_eq!((events[0]["ph"].as_str(), events[1]["args"]["op"].as_str()), (Some("X"), Some("Conv")));
        assert_eq!(events[3]["args"]["name"].as_str(), Some("nodes of unet"));
    }
}
