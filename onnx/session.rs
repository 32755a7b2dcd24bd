//! A graph, loaded and ready to run on named tensors.

mod load;
mod slots;

use crate::cache::GraphCache;
use crate::cancel::{Cancel, Work};
use crate::error::{Error, ErrorKind, Result, one_line};
use crate::ledger::{Ledger, Loaded};
use crate::port::{Axes, Port};
use crate::provider::{Assigned, Providers};
use crate::tensor;
use crate::trace::{Trace, Traced};
use ndarray::{ArrayD, IxDyn};
use ort::memory::MemoryInfo;
use ort::session::{IoBinding, RunOptions, Session};
use ort::value::DynValue;
use slots::Slot;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a graph is loaded. The default: on the processor, one thread for each core, no cache.
#[derive(Debug, Clone, Default)]
pub struct GraphOptions {
    /// What runs it; a graph belongs to the component that its folder is called.
    pub providers: Providers,
    /// Whether a provider that cannot serve is left out instead of an error; see
    /// [`fallback`](Graph::fallback).
    pub fallback: bool,
    /// How many threads run it; `None` is one for each core.
    pub threads: Option<usize>,
    /// Where the optimised graph is kept between starts; `None` optimises at each start.
    pub cache: Option<GraphCache>,
    /// The shapes it will be run with, for providers that compile for them.
    pub expected: Vec<Expected>,
    /// Where it is written down what became of it.
    pub ledger: Ledger,
    /// Where it is noted how long it took; off by default.
    pub trace: Trace,
}

/// The shapes that an input will be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// The names it may have; names that no input has do no harm.
    pub names: Vec<String>,
    /// The least length of each axis.
    pub least: Vec<usize>,
    /// The greatest length of each axis, which is also the most likely one.
    pub most: Vec<usize>,
}

/// A loaded graph with its inputs and the outputs of its last run.
///
/// Inputs are set one by one and stay set until they are set again, so what does not change
/// between runs is set once. Memory is kept too: setting an input of the same shape again
/// only copies the values.
///
/// ### Why does `run` take `&mut self`?
/// Inputs and outputs belong to the graph, and ONNX Runtime's allocators are not safe to
/// share. One owner asks for everything as one batch, or loads the graph once per thread.
pub struct Graph {
    // Dropped in this order: values before the session that allocated them.
    results: Vec<Output>,
    slots: Vec<Slot>,
    binding: IoBinding,
    session: Session,
    run_options: Arc<RunOptions>,
    host: MemoryInfo<'static>,
    inputs: Vec<Port>,
    outputs: Vec<Port>,
    /// Whether inputs must be handed over again when their values change.
    rebinds: bool,
    path: PathBuf,
    loaded: Loaded,
    traced: Traced,
}

/// One output of the last run; `None` before it, and for what is not a tensor.
#[derive(Default)]
struct Output {
    value: Option<DynValue>,
    shape: Vec<usize>,
}

impl Graph {
    /// Loads a graph from a `.onnx` file.
    ///
    /// Loads the ONNX Runtime library first if [`runtime::init`](crate::runtime::init) was
    /// not called before.
    ///
    /// # Errors
    /// `MissingFile` and `BadGraph` name the graph or the external data file that is absent,
    /// truncated, foreign, or outside the graph's folder; `Provider` and `Runtime` what
    /// cannot run it. A cache that fails is never an error; see [`cache_note`](Self::cache_note).
    pub fn load(path: &Path, options: &GraphOptions) -> Result<Self> {
        load::load(path, options, &Cancel::new())
    }

    /// As [`load`](Self::load), and another thread may stop it.
    ///
    /// # Errors
    /// As for [`load`](Self::load), and `Cancelled`.
    pub fn load_cancellable(path: &Path, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        load::load(path, options, cancel)
    }

    /// Runs the graph on the inputs set so far and keeps its outputs.
    ///
    /// # Errors
    /// `Input` names the inputs that were never set; `Cancelled` when `cancel` was thrown
    /// before or meanwhile; `Run` carries what ONNX Runtime says. The graph stays usable,
    /// its outputs are gone.
    pub fn run(&mut self, cancel: &Cancel) -> Result<()> {
        self.results.iter_mut().for_each(Output::clear);
        self.check_all_set()?;
        self.bind().map_err(|cause| self.run_error(&cause))?;
        // The flag of an earlier run may still be up.
        self.run_options.unterminate().map_err(|cause| self.run_error(&cause))?;
        let watched = cancel.watch(Work::Run(Arc::clone(&self.run_options)));
        let watched = watched.ok_or_else(|| Error::cancelled(&self.path))?;
        let span = self.traced.runs();
        let ran = self.session.run_binding_with_options(&self.binding, &self.run_options);
        drop((span, watched));
        if cancel.is_cancelled() {
            return Err(Error::cancelled(&self.path));
        }
        match ran {
            Ok(values) => keep(&mut self.results, &self.outputs, values),
            Err(cause) => return Err(run_error(&self.path, &cause)),
        }
        Ok(())
    }

    /// The graph's inputs, in its own order.
    pub fn inputs(&self) -> &[Port] {
        &self.inputs
    }

    /// The graph's outputs, in its own order.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// The index of the input of this name.
    pub fn input(&self, name: &str) -> Option<usize> {
        self.inputs.iter().position(|port| port.name == name)
    }

    /// The index of the output of this name.
    pub fn output(&self, name: &str) -> Option<usize> {
        self.outputs.iter().position(|port| port.name == name)
    }

    /// The index of the input that has the first of these names that is there.
    pub fn input_of(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.input(name))
    }

    /// The index of the output that has the first of these names that is there.
    pub fn output_of(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.output(name))
    }

    /// An entry of the metadata that was written into the graph when it was exported.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// The file the graph was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The providers it runs on, as they would be asked for (`openvino:precision=bf16`).
    pub fn provider(&self) -> &str {
        &self.loaded.providers
    }

    /// What each provider took of the graph, the most first.
    pub fn assigned(&self) -> &[Assigned] {
        &self.loaded.assigned
    }

    /// Why a provider that was asked for was left out, if one was; only with
    /// [`GraphOptions::fallback`].
    pub fn fallback(&self) -> Option<&str> {
        self.loaded.fallback.as_deref()
    }

    /// Why the optimised graph could not be kept or reused, if a cache was asked for and failed.
    pub fn cache_note(&self) -> Option<&str> {
        self.loaded.cache_note.as_deref()
    }

    /// The shape of an output of the last run.
    ///
    /// # Errors
    /// `Output` if there is no such output, or it was not computed.
    pub fn output_shape(&self, output: usize) -> Result<&[usize]> {
        Ok(&self.computed(output)?.1.shape)
    }

    /// Copies `into.len()` elements of an output, from element `offset` of its row-major
    /// order on, cast to f32.
    ///
    /// # Errors
    /// `Output` if it was not computed or holds fewer elements.
    pub fn read_f32(&self, output: usize, offset: usize, into: &mut [f32]) -> Result<()> {
        let (port, result) = self.computed(output)?;
        let held: usize = result.shape.iter().product();
        if offset.checked_add(into.len()).is_none_or(|end| end > held) {
            return Err(self.output_error(
                port,
                &format!("has {held} elements, so {} cannot be read from element {offset} on", into.len()),
            ));
        }
        let value = result.value.as_ref().ok_or_else(|| self.output_error(port, "was not computed"))?;
        tensor::read_f32(value, port.dtype, offset, into)
            .map_err(|cause| self.output_error(port, &format!("cannot be read: {cause}")))
    }

    /// A copy of an output of the last run, cast to f32.
    ///
    /// # Errors
    /// As for [`read_f32`](Self::read_f32).
    pub fn output_f32(&self, output: usize) -> Result<ArrayD<f32>> {
        let (port, result) = self.computed(output)?;
        let mut array = ArrayD::zeros(IxDyn(&result.shape));
        match array.as_slice_mut() {
            Some(values) => self.read_f32(output, 0, values)?,
            None => return Err(self.output_error(port, "has no contiguous copy")),
        }
        Ok(array)
    }
}

impl Graph {
    fn check_all_set(&self) -> Result<()> {
        let unset = self.inputs.iter().zip(&self.slots).filter(|(_, slot)| slot.is_empty());
        let unset: Vec<_> = unset.map(|(port, _)| format!("`{}` ({port})", port.name)).collect();
        if unset.is_empty() {
            return Ok(());
        }
        let (path, names) = (self.path.display(), unset.join(", "));
        Err(Error::new(ErrorKind::Input, format!("{path} cannot run before its inputs are set: {names}")))
    }

    /// Outputs are bound anew each time, as their shapes may depend on values; the memory
    /// returns from the arena, so this costs no allocation.
    fn bind(&mut self) -> ort::Result<()> {
        for (slot, port) in self.slots.iter_mut().zip(&self.inputs) {
            slot.bind(&mut self.binding, &port.name, self.rebinds)?;
        }
        self.binding.clear_outputs();
        for port in self.outputs.iter().filter(|port| is_tensor(port)) {
            self.binding.bind_output_to_device(port.name.as_str(), &self.host)?;
        }
        Ok(())
    }

    fn computed(&self, output: usize) -> Result<(&Port, &Output)> {
        let (Some(port), Some(result)) = (self.outputs.get(output), self.results.get(output)) else {
            let (path, count) = (self.path.display(), self.outputs.len());
            let message = format!("{path} has {count} outputs, so there is no output number {output}");
            return Err(Error::new(ErrorKind::Output, message));
        };
        match result.value {
            Some(_) => Ok((port, result)),
            None if is_tensor(port) => Err(self.output_error(port, "was not computed: the graph has not run")),
            None => Err(self.output_error(port, "is not a tensor of numbers")),
        }
    }

    fn output_error(&self, port: &Port, what: &str) -> Error {
        let (path, name) = (self.path.display(), &port.name);
        Error::new(ErrorKind::Output, format!("output `{name}` of {path} {what}"))
    }

    fn run_error(&self, cause: &ort::Error) -> Error {
        run_error(&self.path, cause)
    }
}

impl Drop for Graph {
    /// The profiler of a session hands its file over when it is told to end.
    fn drop(&mut self) {
        self.traced.finish(|| self.session.end_profiling().ok());
    }
}

impl Output {
    fn clear(&mut self) {
        self.value = None;
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}:", self.path.display(), self.provider())?;
        self.inputs.iter().try_for_each(|port| write!(f, " {}: {port}", port.name))?;
        f.write_str(" ->")?;
        self.outputs.iter().try_for_each(|port| write!(f, " {}: {port}", port.name))
    }
}

/// What is not a tensor of numbers is not computed; ort cannot hand over absent optionals.
fn is_tensor(port: &Port) -> bool {
    port.dtype != tensor::DType::Other
}

fn keep(results: &mut [Output], outputs: &[Port], values: ort::session::SessionOutputs<'_>) {
    let tensors = results.iter_mut().zip(outputs).filter(|(_, port)| is_tensor(port));
    for ((result, _), (_, value)) in tensors.zip(values) {
        result.shape.clear();
        if let ort::value::ValueType::Tensor { shape, .. } = value.dtype() {
            result.shape.extend(shape.iter().map(|length| usize::try_from(*length).unwrap_or(0)));
        }
        result.value = Some(value);
    }
}

fn run_error(path: &Path, cause: &ort::Error) -> Error {
    let (path, cause) = (path.display(), one_line(cause));
    Error::new(ErrorKind::Run, format!("{path} failed while running: {cause}"))
}

/// Says which input of which graph was expected to be what.
fn shape_error(path: &Path, port: &Port, given: &[usize]) -> Error {
    let (path, name, given) = (path.display(), &port.name, Axes(given));
    Error::new(ErrorKind::Input, format!("input `{name}` of {path} is {port}, not {given}"))
}

#[cfg(test)]
mod tests;
