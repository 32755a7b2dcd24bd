//! From a file to a session.

use super::{Graph, GraphOptions, Output, Slot};
use crate::cache::{self, Plan};
use crate::cancel::{Cancel, Work};
use crate::error::{Error, ErrorKind, Result, one_line};
use crate::port::Port;
use crate::proto::{self, Described};
use crate::provider::{self, Provider, ProviderChoice};
use crate::runtime::{self, Runtime};
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
    let loading = Loading { path, options, cancel, runtime };
    let (session, cache_note) = loading.with_cache(&described)?;
    assemble(path, options, session, cache_note)
}

/// Multiply by quantised weights in f32. From 1.32 on, ONNX Runtime turns DequantizeLinear and
/// MatMul into one node which, unless told this, quantises the other operand too: half a per
/// cent of error that nobody asked for.
const DEQUANTISED_IN_F32: (&str, &str) = ("session.qdq_matmulnbits_accuracy_level", "1");

/// What every attempt to make a session needs.
struct Loading<'a> {
    path: &'a Path,
    options: &'a GraphOptions,
    cancel: &'a Cancel,
    runtime: &'static Runtime,
}

impl Loading<'_> {
    /// Loads the kept graph, or keeps it for the next start; a cache that fails only adds a note.
    fn with_cache(&self, described: &Described) -> Result<(Session, Option<String>)> {
        let plan = cache::plan(self.path, described, self.options, self.runtime);
        match plan {
            Ok(Plan::Off) => self.plain().map(|session| (session, None)),
            Ok(Plan::Hit(entry)) => self.reuse(&entry),
            Ok(Plan::Miss(filling)) => self.filling(filling),
            Err(note) => self.plain().map(|session| (session, Some(note.to_string()))),
        }
    }

    fn plain(&self) -> Result<Session> {
        self.commit(self.path, self.builder()?)
    }

    fn reuse(&self, entry: &cache::Entry) -> Result<(Session, Option<String>)> {
        let kept = self.builder().and_then(|builder| {
            let builder = set(builder.with_optimization_level(cache::REUSE_LEVEL))?;
            self.commit(&entry.graph(), builder)
        });
        match kept {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                entry.discard();
                let note = format!("the kept graph was dropped: {error}");
                self.plain().map(|session| (session, Some(note)))
            }
            session => session.map(|session| (session, None)),
        }
    }

    /// Has ONNX Runtime save the graph it optimised; without room for it, loads it plainly.
    fn filling(&self, filling: cache::Filling) -> Result<(Session, Option<String>)> {
        let saved = self.builder().and_then(|builder| {
            let mut builder = set(builder.with_optimized_model_path(filling.graph()))?;
            for (key, value) in filling.settings() {
                builder = set(builder.with_config_entry(key, value))?;
            }
            self.commit(self.path, builder)
        });
        let session = match saved {
            Err(error) if error.kind() != ErrorKind::Cancelled => {
                // The graph itself may be at fault; then this fails with the same words.
                let session = self.plain()?;
                return Ok((session, Some(format!("the optimised graph was not kept: {error}"))));
            }
            saved => saved?,
        };
        let note = filling.publish().err().map(|note| note.to_string());
        Ok((session, note))
    }

    fn builder(&self) -> Result<SessionBuilder> {
        let builder = Session::builder(self.runtime.environment()).map_err(|cause| self.graph_error(&cause))?;
        let builder = set(builder.with_optimization_level(GraphOptimizationLevel::All))?;
        let builder = set(builder.with_config_entry(DEQUANTISED_IN_F32.0, DEQUANTISED_IN_F32.1))?;
        let choices = &self.options.providers;
        let builder = self.record_assignment(builder)?;
        let threads = threads(self.options)?;
        let builder = match threads {
            Some(count) => set(builder.with_intra_threads(count))?,
            None => builder,
        };
        provider::register(self.runtime, builder, choices, threads)
    }

    /// Only for providers that could decline: the processor takes whatever is left.
    fn record_assignment(&self, builder: SessionBuilder) -> Result<SessionBuilder> {
        let (key, value) = provider::RECORD_ASSIGNMENT;
        match self.options.providers.iter().all(|choice| choice.name == "cpu") {
            true => Ok(builder),
            false => set(builder.with_config_entry(key, value)),
        }
    }

    fn commit(&self, file: &Path, mut builder: SessionBuilder) -> Result<Session> {
        let watched = self.cancel.watch(Work::Load(builder.canceler()));
        let watched = watched.ok_or_else(|| Error::cancelled(self.path))?;
        let session = builder.commit_from_file(file);
        drop(watched);
        if self.cancel.is_cancelled() {
            return Err(Error::cancelled(self.path));
        }
        let session = session.map_err(|cause| self.graph_error(&cause))?;
        provider::check_assigned(&session, &self.options.providers, self.path)?;
        Ok(session)
    }

    fn graph_error(&self, cause: &ort::Error) -> Error {
        let (path, cause) = (self.path.display(), one_line(cause));
        Error::new(ErrorKind::BadGraph, format!("ONNX Runtime cannot load {path}: {cause}"))
    }
}

/// A builder's error carries the builder along, which cannot leave its thread.
fn set(result: ort::session::builder::BuilderResult) -> Result<SessionBuilder> {
    result.map_err(|cause| {
        let cause = one_line(&cause);
        Error::new(ErrorKind::Runtime, format!("ONNX Runtime refuses a session setting: {cause}"))
    })
}

fn threads(options: &GraphOptions) -> Result<Option<usize>> {
    let cpu = options.providers.iter().find(|choice| choice.name == "cpu");
    Ok(cpu.map(ProviderChoice::threads).transpose()?.flatten().or(options.threads))
}

fn assemble(path: &Path, options: &GraphOptions, session: Session, cache_note: Option<String>) -> Result<Graph> {
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
        rebinds: !all_read_host_memory(&options.providers)?,
        provider: shown(&options.providers),
        path: path.to_owned(),
        session,
        inputs,
        outputs,
        cache_note,
    })
}

fn all_read_host_memory(choices: &[ProviderChoice]) -> Result<bool> {
    let rows = choices.iter().map(|choice| Provider::find(&choice.name));
    rows.map(|row| row.map(|row| row.host_memory)).try_fold(true, |all, one| Ok(all && one?))
}

fn shown(choices: &[ProviderChoice]) -> String {
    if choices.is_empty() {
        return "cpu".into();
    }
    choices.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
