//! What is known of a value before a graph runs.

use crate::proto::structure::Weight;
use crate::tensor::DType;

/// The shape that an input will be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The names it may have.
    pub names: &'static [&'static str],
    /// The lengths of its axes.
    pub shape: Vec<usize>,
}

/// A value's shape, and the value itself where it is a few numbers, as shapes are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Known {
    pub(super) shape: Vec<usize>,
    /// Number of its element type in onnx.proto.
    pub(super) kind: u64,
    pub(super) values: Option<Vec<f64>>,
    pub(super) is_weight: bool,
}

/// Numbers of element types in onnx.proto.
pub(super) const F32: u64 = 1;
pub(super) const I64: u64 = 7;
pub(super) const BOOL: u64 = 9;
pub(super) const F16: u64 = 10;
pub(super) const BF16: u64 = 16;

/// Lists longer than this are no shapes.
const MANY: usize = 1024;

/// Elements of a tensor; a file may claim more than can be counted.
pub(super) fn count(shape: &[usize]) -> usize {
    shape.iter().fold(1, |all, n| all.saturating_mul(*n))
}

/// Bytes of a tensor. Half precision counts as single.
pub(super) fn bytes_of(dims: &[usize], kind: u64) -> u64 {
    let each = match kind {
        F32 | 6 | F16 | 12 | BF16 => 4,
        I64 | 11 | 13 | 14 => 8,
        4 | 5 => 2,
        _ => 1,
    };
    dims.iter().fold(each, |all, n| all.saturating_mul(*n as u64))
}

impl Known {
    pub(super) fn new(shape: Vec<usize>, kind: u64) -> Self {
        Self { shape, kind, values: None, is_weight: false }
    }

    /// A list of whole numbers.
    pub(super) fn list(values: Vec<f64>) -> Self {
        Self { shape: vec![values.len()], kind: I64, values: Some(values), is_weight: false }
    }

    pub(super) fn of_port(shape: Vec<usize>, dtype: DType) -> Self {
        let kind = match dtype {
            DType::I64 | DType::F64 => I64,
            DType::U8 | DType::Bool => BOOL,
            _ => F32,
        };
        Self::new(shape, kind)
    }

    pub(super) fn of_weight(weight: &Weight) -> Self {
        Self { shape: weight.dims.clone(), kind: weight.kind, values: weight.values.clone(), is_weight: true }
    }

    /// With its values, where they are few.
    pub(super) fn with(self, values: Option<Vec<f64>>) -> Self {
        let count = count(&self.shape);
        Self { values: values.filter(|values| values.len() == count && count <= MANY), ..self }
    }

    pub(super) fn bytes(&self) -> u64 {
        bytes_of(&self.shape, self.kind)
    }

    pub(super) fn numbers(&self) -> Option<&[f64]> {
        self.values.as_deref()
    }
}
