//! From a file to a session.

use super::{Graph, GraphOptions, Output, Slot};
use crate::cache::{self, Plan};
use crate::cancel::{Cancel, Work};
use crate::error::{Error, ErrorKind, Result, one_line};
use crate::folder::component_of;
use crate::ledger::Loaded;
use crate::port::Port;
use crate::proto::{self, Described};
use crate::provider::{self, Assigned, Context, ProviderChoice};
use crate::runtime::{self, Runtime};
use crate::trace::Traced;
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, Session};
use std::path::Path;
use std::sync::Arc;

pub(super) fn load(path: &Path, options: &GraphOptions, cancel: &Cancel) -> Result<Graph> {
    if cancel.is_cancelled() {
        return Err(Error::cancelled(path));
    }
    let described = proto::describe(path)?;
    let runtime = runtime::any()?;
    let component = component_of(path);
    let (choices, missing) = provider::usable(runtime, &options.providers.of(&component));
    if let Some(error) = missing.as_ref().filter(|_| !options.fallback) {
        return Err(error.clone());
    }
    let traced = Traced::new(&options.trace, &component);
    let span = traced.loads();
    let waiting = options.ledger.waiting(told(&component, &choices));
    let loading = Loading { path, described: &described, options, choices: &choices, cancel, runtime, traced: &traced };
    let mut started = match loading.with_cache() {
        Err(error) if options.fallback && error.kind() != ErrorKind::Cancelled => {
            loading.on_the_processor().map(|started| Started { fallback: Some(error.to_string()), ..started })?
        }
        started => started?,
    };
    started.fallback = missing.map(|error| error.to_string()).or(started.fallback);
    drop(waiting);
    drop(span);
    let graph = assemble(path, component, started, traced)?;
    options.ledger.add(graph.loaded.clone());
    Ok(graph)
}

/// What is waited for, and why it may take long.
fn told(component: &str, choices: &[ProviderChoice]) -> String {
    let reasons: Vec<&str> = choices.iter().filter_map(|choice| choice.row()?.long).collect();
    match reasons.is_empty() {
        true => format!("loading {component}"),
        false => format!("loading {component}: {}", reasons.join("; ")),
    }
}

/// Multiply by quantised weights in f32. From 1.32 on, ONNX Runtime turns DequantizeLinear and
/// MatMul into one node which, unless told this, quantises the other operand too: half a per
/// cent of error that nobody asked for.
const DEQUANTISED_IN_F32: (&str, &str) = ("session.qdq_matmulnbits_accuracy_level", "1");

/// What every attempt to make a session needs.
#[derive(Clone, Copy)]
struct Loading<'a> {
    path: &'a Path,
    described: &'a Described,
    options: &'a GraphOptions,
    /// The providers asked for that are there.
    choices: &'a [ProviderChoice],
    cancel: &'a Cancel,
    runtime: &'static Runtime,
    traced: &'a Traced,
}

/// A session, and how it came about.
struct Started {
    session: Session,
    choices: Vec<ProviderChoice>,
    assigned: Vec<Assigned>,
    cache_note: Option<String>,
    fallback: Option<String>,
}

impl Loading<'_> {
    /// Loads the kept graph, or keeps it for the next start; a cache that fails only adds a note.
    fn with_cache(&self) -> Result<Started> {
        match cache::plan(self.path, self.described, self.options, self.choices, self.runtime) {
            Ok(Plan::Off) => self.plain(),
            Ok(Plan::Hit(entry)) => self.reuse(&entry),
            Ok(Plan::Miss(filling)) => self.filling(filling),
            Err(note) => self.plain().map(|started| started.noting(note.to_string())),
        }
    }

    fn on_the_processor(&self) -> Result<Started> {
        Loading { choices: &[ProviderChoice::named("cpu")], ..*self }.with_cache()
    }

    fn plain(&self) -> Result<Started> {
        self.commit(self.path, self.builder()?)
    }

    fn reuse(&self, entry: &cache::Entry) -> Result<Started> {
        let kept = self.builder().and_then(|builder| {
            let builder = set(builder.with_optimization_level(cache::REUSE_LEVEL))?;
            self.commit(&entry.graph(), builder)
        });
        match kept {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                entry.discard();
                self.plain().map(|started| started.noting(format!("the kept graph was dropped: {error}")))
            }
            started => started,
        }
    }

    /// Has ONNX Runtime save the graph it optimised; without room for it, loads it plainly.
    fn filling(&self, filling: cache::Filling) -> Result<Started> {
        let saved = self.builder().and_then(|builder| {
            let mut builder = set(builder.with_optimized_model_path(filling.graph()))?;
            for (key, value) in filling.settings() {
                builder = set(builder.with_config_entry(key, value))?;
            }
            self.commit(self.path, builder)
        });
        let started = match saved {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                // The graph itself may be at fault; then this fails with the same words.
                return Ok(self.plain()?.noting(format!("the optimised graph was not kept: {error}")));
            }
            saved => saved?,
        };
        Ok(match filling.publish() {
            Ok(()) => started,
            Err(note) => started.noting(note.to_string()),
        })
    }

    fn builder(&self) -> Result<SessionBuilder> {
        let builder = Session::builder(self.runtime.environment()).map_err(|cause| self.graph_error(&cause))?;
        let builder = set(builder.with_optimization_level(GraphOptimizationLevel::All))?;
        let builder = set(builder.with_config_entry(DEQUANTISED_IN_F32.0, DEQUANTISED_IN_F32.1))?;
        let (key, value) = provider::RECORD_ASSIGNMENT;
        let builder = set(builder.with_config_entry(key, value))?;
        let builder = match self.traced.profile() {
            Some(file) => set(builder.with_profiling(file))?,
            None => builder,
        };
        let threads = self.threads();
        let builder = match threads {
            Some(count) => set(builder.with_intra_threads(count))?,
            None => builder,
        };
        let context = Context {
            graph: self.path,
            described: self.described,
            threads,
            expected: &self.options.expected,
            version: &self.runtime.version,
        };
        provider::register(self.runtime, builder, self.choices, &context)
    }

    fn threads(&self) -> Option<usize> {
        let cpu = self.choices.iter().find(|choice| choice.name == "cpu");
        cpu.and_then(ProviderChoice::threads).or(self.options.threads)
    }

    fn commit(&self, file: &Path, mut builder: SessionBuilder) -> Result<Started> {
        let watched = self.cancel.watch(Work::Load(builder.canceler()));
        let watched = watched.ok_or_else(|| Error::cancelled(self.path))?;
        let session = builder.commit_from_file(file);
        drop(watched);
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled(self.path));
        }
        let session = session.map_err(|cause| self.graph_error(&cause))?;
        let assigned = provider::assigned(&session);
        let declined = provider::check_assigned(&assigned, self.choices, self.path).err();
        if let Some(error) = declined.as_ref().filter(|_| !self.options.fallback) {
            return Err(error.clone());
        }
        let fallback = declined.map(|error| error.to_string());
        Ok(Started { session, choices: self.choices.to_vec(), assigned, cache_note: None, fallback })
    }

    fn graph_error(&self, cause: &ort::Error) -> Error {
        let (path, cause) = (self.path.display(), one_line(cause));
        Error::new(ErrorKind::BadGraph, format!("ONNX Runtime cannot load {path}: {cause}"))
    }
}

impl Started {
    fn noting(self, note: String) -> Self {
        Self { cache_note: Some(note), ..self }
    }
}

/// A builder's error carries the builder along, which cannot leave its thread.
fn set(result: ort::session::builder::BuilderResult) -> Result<SessionBuilder> {
    result.map_err(|cause| {
        let cause = one_line(&cause);
        Error::new(ErrorKind::Runtime, format!("ONNX Runtime refuses a session setting: {cause}"))
    })
}

fn assemble(path: &Path, component: String, started: Started, traced: Traced) -> Result<Graph> {
    let Started { session, choices, assigned, cache_note, fallback } = started;
    let failed = |cause: ort::Error| {
        let (path, cause) = (path.display(), one_line(&cause));
        Error::new(ErrorKind::Runtime, format!("ONNX Runtime cannot prepare to run {path}: {cause}"))
    };
    let inputs: Vec<Port> = session.inputs().iter().map(Port::of).collect();
    let outputs: Vec<Port> = session.outputs().iter().map(Port::of).collect();
    let host = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, MemoryType::CPUOutput);
    Ok(Graph {
        results: outputs.iter().map(|_| Output::default()).collect(),
        slots: inputs.iter().map(|_| Slot::default()).collect(),
        binding: session.create_binding().map_err(failed)?,
        run_options: Arc::new(RunOptions::new().map_err(failed)?),
        host: host.map_err(failed)?,
        rebinds: !choices.iter().all(reads_host_memory),
        loaded: Loaded { component, path: path.to_owned(), providers: shown(&choices), assigned, fallback, cache_note },
        path: path.to_owned(),
        traced,
        session,
        inputs,
        outputs,
    })
}

fn reads_host_memory(choice: &ProviderChoice) -> bool {
    choice.row().is_some_and(|row| row.host_memory)
}

fn shown(choices: &[ProviderChoice]) -> String {
    if choices.is_empty() {
        return "cpu".into();
    }
    choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
