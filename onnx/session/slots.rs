//! The inputs of a graph: owned, of the graph's own type, reused while the shape stays.

use super::{Graph, shape_error};
use crate::error::{Error, ErrorKind, Result, one_line};
use crate::port::{Axes, Port};
use crate::tensor::{self, Number};
use ort::memory::Allocator;
use ort::session::IoBinding;
use ort::value::{DynTensor, DynTensorValueType};

/// The value of one input.
#[derive(Default)]
pub(super) struct Slot {
    tensor: Option<DynTensor>,
    shape: Vec<usize>,
    /// Whether the session has this tensor, with these values.
    bound: Bound,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Bound {
    #[default]
    No,
    OldValues,
    Yes,
}

impl Graph {
    /// Sets an input, cast from f32 to the graph's type as numpy's `astype` does.
    ///
    /// `values` are in row-major order. They stay set until the input is set again.
    ///
    /// # Errors
    /// `Input`, naming the input with what was expected and given, if there is no such
    /// input, the shape does not fit the graph's rank and fixed axes or the number of
    /// values, or a value that is not finite would become an integer.
    pub fn set_f32(&mut self, input: usize, shape: &[usize], values: &[f32]) -> Result<()> {
        self.set(input, shape, values)
    }

    /// As [`set_f32`](Self::set_f32), for whole numbers.
    ///
    /// # Errors
    /// As for [`set_f32`](Self::set_f32).
    pub fn set_i64(&mut self, input: usize, shape: &[usize], values: &[i64]) -> Result<()> {
        self.set(input, shape, values)
    }

    /// Sets an input to `count` rows of shape `row_shape`, stacked along a new first axis.
    ///
    /// # Errors
    /// As for [`set_f32`](Self::set_f32), and if there are not exactly `count` rows.
    pub fn stack_f32(
        &mut self,
        input: usize,
        row_shape: &[usize],
        rows: &mut dyn Iterator<Item = &[f32]>,
        count: usize,
    ) -> Result<()> {
        self.prepare(input, &[&[count], row_shape])?;
        let size: usize = row_shape.iter().product();
        let mut seen = 0;
        for row in rows {
            if row.len() != size || seen == count {
                return Err(self.row_error(input, row_shape, row.len(), count));
            }
            self.write(input, seen * size, row)?;
            seen += 1;
        }
        if seen != count {
            self.forget(input);
            return Err(self.input_error(input, &format!("needs {count} rows, not {seen}")));
        }
        Ok(())
    }

    /// Makes an output of the last run the value of an input, without a copy: what a graph remembers from one run to the next.
    /// The output is gone then.
    ///
    /// # Errors
    /// `Output` if it was not computed, `Input` if there is no such input or it is of another type or shape.
    pub fn carry(&mut self, output: usize, input: usize) -> Result<()> {
        let (from, shape) = self.computed(output).map(|(port, result)| (port.dtype, result.shape.clone()))?;
        let Some(port) = self.inputs.get(input) else { return Err(self.input_error(input, "does not exist")) };
        if port.dtype != from || !port.accepts(&shape) {
            return Err(shape_error(&self.path, port, &shape));
        }
        let value = self.results.get_mut(output).and_then(|result| result.value.take());
        let Some(Ok(tensor)) = value.map(|value| value.downcast::<DynTensorValueType>()) else {
            return Err(self.input_error(input, "cannot be set from an output that is no tensor"));
        };
        if let Some(slot) = self.slots.get_mut(input) {
            *slot = Slot { tensor: Some(tensor), shape, bound: Bound::No };
        }
        Ok(())
    }

    fn set<N: Number>(&mut self, input: usize, shape: &[usize], values: &[N]) -> Result<()> {
        let size: usize = shape.iter().product();
        if size != values.len() {
            let what = format!("has {size} elements as {}, not {}", Axes(shape), values.len());
            return Err(self.input_error(input, &what));
        }
        self.prepare(input, &[shape])?;
        self.write(input, 0, values)
    }

    /// Checks the shape, given in pieces, and makes room for it.
    fn prepare(&mut self, input: usize, pieces: &[&[usize]]) -> Result<()> {
        let (Some(port), Some(slot)) = (self.inputs.get(input), self.slots.get_mut(input)) else {
            return Err(self.input_error(input, "does not exist"));
        };
        let same = slot.tensor.is_some() && slot.shape.iter().eq(pieces.iter().copied().flatten());
        if same {
            slot.bound = if slot.bound == Bound::No { Bound::No } else { Bound::OldValues };
            return Ok(());
        }
        let shape: Vec<usize> = pieces.concat();
        if !port.accepts(&shape) {
            return Err(shape_error(&self.path, port, &shape));
        }
        let made = allocate(port, &shape);
        match made {
            Ok(tensor) => *slot = Slot { tensor: Some(tensor), shape, bound: Bound::No },
            Err(what) => return Err(self.input_error(input, &what)),
        }
        Ok(())
    }

    fn write<N: Number>(&mut self, input: usize, offset: usize, values: &[N]) -> Result<()> {
        let (Some(port), Some(slot)) = (self.inputs.get(input), self.slots.get_mut(input)) else {
            return Err(self.input_error(input, "does not exist"));
        };
        let Some(tensor) = slot.tensor.as_mut() else { return Ok(()) };
        if let Err(cause) = tensor::write(tensor, port.dtype, offset, values) {
            self.forget(input);
            return Err(self.input_error(input, &format!("cannot be set: {cause}")));
        }
        Ok(())
    }

    /// A half-written input must not be run.
    fn forget(&mut self, input: usize) {
        if let Some(slot) = self.slots.get_mut(input) {
            *slot = Slot::default();
        }
    }

    fn row_error(&mut self, input: usize, row_shape: &[usize], len: usize, count: usize) -> Error {
        self.forget(input);
        let row_shape = Axes(row_shape);
        self.input_error(input, &format!("takes {count} rows of {row_shape}; a row of {len} elements is not one"))
    }

    fn input_error(&self, input: usize, what: &str) -> Error {
        let path = self.path.display();
        let message = match self.inputs.get(input) {
            Some(port) => format!("input `{}` of {path} {what}", port.name),
            None => format!("{path} has {} inputs, so there is no input number {input}", self.inputs.len()),
        };
        Error::new(ErrorKind::Input, message)
    }
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.tensor.is_none()
    }

    /// Hands the tensor to the session, unless it reads the very memory already.
    pub(super) fn bind(&mut self, binding: &mut IoBinding, name: &str, rebinds: bool) -> ort::Result<()> {
        let is_current = self.bound == Bound::Yes || (self.bound == Bound::OldValues && !rebinds);
        if let Some(tensor) = self.tensor.as_ref().filter(|_| !is_current) {
            binding.bind_input(name, tensor)?;
        }
        self.bound = Bound::Yes;
        Ok(())
    }
}

fn allocate(port: &Port, shape: &[usize]) -> std::result::Result<DynTensor, String> {
    let element = port.dtype.element().ok_or("is not a tensor of numbers, and cannot be set")?;
    DynTensor::new(&Allocator::default(), element, shape.to_vec())
        .map_err(|cause| format!("cannot be made as large as {}: {}", Axes(shape), one_line(&cause)))
}
