//! Element types, and the casts at the edge of a graph.

use crate::error::{Error, ErrorKind, Result};
use half::{bf16, f16};
use ort::value::{DynTensor, DynValue, TensorElementType};
use std::fmt;

/// The element type of a graph's input or output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// IEEE double precision.
    F64,
    /// Signed, 64 bits.
    I64,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 8 bits.
    U8,
    /// True or false.
    Bool,
    /// Anything this crate does not read or write: strings, sequences, other numbers.
    Other,
}

impl DType {
    pub(crate) fn of(element: TensorElementType) -> Self {
        match element {
            TensorElementType::Float32 => Self::F32,
            TensorElementType::Float16 => Self::F16,
            TensorElementType::Bfloat16 => Self::BF16,
            TensorElementType::Float64 => Self::F64,
            TensorElementType::Int64 => Self::I64,
            TensorElementType::Int32 => Self::I32,
            TensorElementType::Uint8 => Self::U8,
            TensorElementType::Bool => Self::Bool,
            _ => Self::Other,
        }
    }

    /// By the number in onnx.proto's `TensorProto.DataType`.
    pub(crate) fn of_proto(number: u64) -> Self {
        match number {
            1 => Self::F32,
            2 => Self::U8,
            6 => Self::I32,
            7 => Self::I64,
            9 => Self::Bool,
            10 => Self::F16,
            11 => Self::F64,
            16 => Self::BF16,
            _ => Self::Other,
        }
    }

    pub(crate) fn element(self) -> Option<TensorElementType> {
        Some(match self {
            Self::F32 => TensorElementType::Float32,
            Self::F16 => TensorElementType::Float16,
            Self::BF16 => TensorElementType::Bfloat16,
            Self::F64 => TensorElementType::Float64,
            Self::I64 => TensorElementType::Int64,
            Self::I32 => TensorElementType::Int32,
            Self::U8 => TensorElementType::Uint8,
            Self::Bool => TensorElementType::Bool,
            Self::Other => return None,
        })
    }

    /// Whether values are fractions rather than whole numbers or truth values.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F32 | Self::F16 | Self::BF16 | Self::F64)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F64 => "f64",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::Other => "an unsupported type",
        })
    }
}

/// A number that can be put into a graph's input of any element type.
///
/// The casts are those of numpy's `astype`: fractions are cut off, not rounded, and
/// anything but zero is true.
pub(crate) trait Number: Copy {
    fn f32(self) -> f32;
    fn f64(self) -> f64;
    fn i64(self) -> i64;
    /// Infinities and NaN have no place in an integer.
    fn is_finite(self) -> bool;
    /// The values as they are, when the element type is the same.
    fn as_f32s(_: &[Self]) -> Option<&[f32]> {
        None
    }
}

impl Number for f32 {
    fn f32(self) -> f32 {
        self
    }
    fn f64(self) -> f64 {
        f64::from(self)
    }
    fn i64(self) -> i64 {
        self as i64
    }
    fn is_finite(self) -> bool {
        self.is_finite()
    }
    fn as_f32s(values: &[Self]) -> Option<&[f32]> {
        Some(values)
    }
}

impl Number for i64 {
    fn f32(self) -> f32 {
        self as f32
    }
    fn f64(self) -> f64 {
        self as f64
    }
    fn i64(self) -> i64 {
        self
    }
    fn is_finite(self) -> bool {
        true
    }
}

/// Writes `values` into `tensor` from element `offset` on, cast to the tensor's type.
///
/// The caller has checked that they fit.
pub(crate) fn write<N: Number>(tensor: &mut DynTensor, dtype: DType, offset: usize, values: &[N]) -> Result<()> {
    if !dtype.is_float() && dtype != DType::Bool && !values.iter().all(|value| value.is_finite()) {
        let message = format!("a value that is not finite cannot become {dtype}");
        return Err(Error::new(ErrorKind::Input, message));
    }
    match dtype {
        DType::F32 => write_f32(tensor, offset, values),
        DType::F16 => write_as(tensor, offset, values, |v| f16::from_f32(v.f32())),
        DType::BF16 => write_as(tensor, offset, values, |v| bf16::from_f32(v.f32())),
        DType::F64 => write_as(tensor, offset, values, Number::f64),
        DType::I64 => write_as(tensor, offset, values, Number::i64),
        DType::I32 => write_as(tensor, offset, values, |v| v.i64() as i32),
        DType::U8 => write_as(tensor, offset, values, |v| v.i64() as u8),
        DType::Bool => write_as(tensor, offset, values, |v| v.f64() != 0.0),
        DType::Other => Err(Error::new(ErrorKind::Input, "its element type is not supported")),
    }
}

fn write_f32<N: Number>(tensor: &mut DynTensor, offset: usize, values: &[N]) -> Result<()> {
    let Some(values) = N::as_f32s(values) else {
        return write_as(tensor, offset, values, Number::f32);
    };
    let (_, data) = tensor.try_extract_tensor_mut::<f32>().map_err(unreadable)?;
    let data = data.get_mut(offset..offset + values.len()).ok_or_else(out_of_range)?;
    data.copy_from_slice(values);
    Ok(())
}

fn write_as<N: Number, T: ort::value::PrimitiveTensorElementType>(
    tensor: &mut DynTensor,
    offset: usize,
    values: &[N],
    cast: impl Fn(N) -> T,
) -> Result<()> {
    let (_, data) = tensor.try_extract_tensor_mut::<T>().map_err(unreadable)?;
    let data = data.get_mut(offset..offset + values.len()).ok_or_else(out_of_range)?;
    for (slot, value) in data.iter_mut().zip(values) {
        *slot = cast(*value);
    }
    Ok(())
}

/// Reads `into.len()` elements of `value` from element `offset` on, cast to f32.
pub(crate) fn read_f32(value: &DynValue, dtype: DType, offset: usize, into: &mut [f32]) -> Result<()> {
    match dtype {
        DType::F32 => read_as(value, offset, into, |v: f32| v),
        DType::F16 => read_as(value, offset, into, f16::to_f32),
        DType::BF16 => read_as(value, offset, into, bf16::to_f32),
        DType::F64 => read_as(value, offset, into, |v: f64| v as f32),
        DType::I64 => read_as(value, offset, into, |v: i64| v as f32),
        DType::I32 => read_as(value, offset, into, |v: i32| v as f32),
        DType::U8 => read_as(value, offset, into, |v: u8| f32::from(v)),
        DType::Bool => read_as(value, offset, into, |v: bool| f32::from(u8::from(v))),
        DType::Other => Err(Error::new(ErrorKind::Output, "its element type is not supported")),
    }
}

fn read_as<T: ort::value::PrimitiveTensorElementType + Copy>(
    value: &DynValue,
    offset: usize,
    into: &mut [f32],
    cast: impl Fn(T) -> f32,
) -> Result<()> {
    let (_, data) = value.try_extract_tensor::<T>().map_err(unreadable)?;
    let data = data.get(offset..offset + into.len()).ok_or_else(out_of_range)?;
    for (slot, value) in into.iter_mut().zip(data) {
        *slot = cast(*value);
    }
    Ok(())
}

fn unreadable(cause: ort::Error) -> Error {
    Error::new(ErrorKind::Run, crate::error::one_line(&cause))
}

fn out_of_range() -> Error {
    Error::new(ErrorKind::Input, "more elements than the tensor holds")
}
