//! The inputs and outputs of a graph, as it declares them.

use crate::tensor::DType;
use ort::value::{Outlet, ValueType};
use std::fmt;

/// One input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name in the graph.
    pub name: String,
    /// Its element type; `Other` for what is not a tensor of numbers.
    pub dtype: DType,
    /// Its axes, outermost first; empty for a scalar and for a tensor of unknown rank.
    pub shape: Vec<Dim>,
}

/// The length of one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// Always this length.
    Fixed(usize),
    /// Given by the caller; the same name means the same length.
    Symbol(String),
    /// Given by the caller, without a name.
    Unknown,
}

impl Port {
    pub(crate) fn of(outlet: &Outlet) -> Self {
        let (dtype, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, dimension_symbols } => {
                let dims = shape.iter().zip(dimension_symbols.iter());
                (DType::of(*ty), dims.map(|(length, symbol)| Dim::of(*length, symbol)).collect())
            }
            _ => (DType::Other, Vec::new()),
        };
        Self { name: outlet.name().to_owned(), dtype, shape }
    }

    /// Whether a tensor of this shape fits: the same rank, and equal lengths where they are
    /// fixed. A port without axes leaves the check to ONNX Runtime, which alone knows
    /// whether it is a scalar or of unknown rank.
    pub(crate) fn accepts(&self, shape: &[usize]) -> bool {
        let fits = |(dim, length): (&Dim, &usize)| !matches!(dim, Dim::Fixed(n) if n != length);
        self.shape.is_empty() || self.shape.len() == shape.len() && self.shape.iter().zip(shape).all(fits)
    }
}

impl Dim {
    fn of(length: i64, symbol: &str) -> Self {
        match usize::try_from(length) {
            Ok(length) => Self::Fixed(length),
            Err(_) if symbol.is_empty() => Self::Unknown,
            Err(_) => Self::Symbol(symbol.to_owned()),
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.dtype, Axes(&self.shape))
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(length) => write!(f, "{length}"),
            Self::Symbol(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}

/// Shows axes as `[2, channels, ?]`.
pub(crate) struct Axes<'a, T>(pub &'a [T]);

impl<T: fmt::Display> fmt::Display for Axes<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (i, axis) in self.0.iter().enumerate() {
            write!(f, "{}{axis}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("]")
    }
}
