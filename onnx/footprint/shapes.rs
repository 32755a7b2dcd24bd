//! The shapes of what nodes give, from the shapes of what they take.
//!
//! Exported graphs compute many shapes while they run, so the few numbers that shapes are made of are computed along. An
//! operator that is not listed gives what its first input looks like; that is right for all that work element by element.

mod axes;
mod numbers;
mod windows;

use super::values::{BOOL, F32, I64, Known, count};
use crate::proto::structure::Node;
use axes::{concat, gather, reduce, reshape, slice, split, squeeze, transpose, without};
use numbers::{binary, broadcast, choice, constant};
use windows::{conv, conv_transpose, pad, resize, windows};

/// Whether a node's result may lie where its input was.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum InPlace {
    No,
    /// The input under another shape.
    View,
    /// Written over the first input.
    First,
    /// Written over either of two inputs.
    Any,
}

pub(super) fn in_place(op: &str) -> InPlace {
    match op {
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity" | "Dropout" => InPlace::View,
        "Add" | "Sub" | "Mul" | "Div" => InPlace::Any,
        "Relu" | "Sigmoid" | "Tanh" | "Sqrt" | "Exp" | "Erf" | "Neg" | "Reciprocal" | "Clip" | "LeakyRelu" => {
            InPlace::First
        }
        _ => InPlace::No,
    }
}

type Inputs<'a, 'k> = &'a [Option<&'k Known>];

/// What a node gives: one for each of its outputs.
pub(super) fn outputs(node: &Node, inputs: Inputs<'_, '_>) -> Vec<Known> {
    if node.op == "Split" {
        return split(node, inputs).unwrap_or_default();
    }
    let first = output(node, inputs).or_else(|| Some(plain(inputs.first().copied().flatten()?))).unwrap_or_default();
    let others = node.outputs.iter().skip(1).map(|_| Known::default());
    [first].into_iter().chain(others).collect()
}

/// The shape of an input, without its values.
fn plain(known: &Known) -> Known {
    Known::new(known.shape.clone(), known.kind)
}

fn output(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let first = || inputs.first().copied().flatten();
    let second = || inputs.get(1).copied().flatten();
    match node.op.as_str() {
        "Constant" => constant(node),
        "Shape" => {
            let shape = &first()?.shape;
            let (start, end) = (node.number("start").unwrap_or(0), node.number("end").unwrap_or(i64::MAX));
            let (start, end) = (clamped(start as f64, shape.len()), clamped(end as f64, shape.len()));
            Some(Known::list(shape.get(start..end.max(start))?.iter().map(|n| *n as f64).collect()))
        }
        "Size" => Some(Known::new(Vec::new(), I64).with(Some(vec![count(&first()?.shape) as f64]))),
        "Gather" => gather(node, first()?, second()?),
        "Unsqueeze" | "Squeeze" => squeeze(node, inputs),
        "Concat" => concat(node, inputs),
        "Slice" => slice(node, inputs),
        "Cast" => {
            let kind = node.number("to").and_then(|n| u64::try_from(n).ok()).unwrap_or(F32);
            let whole = |v: &f64| if matches!(kind, 1 | 10 | 11 | 16) { *v } else { v.trunc() };
            let values = first()?.values.as_ref().map(|values| values.iter().map(whole).collect());
            Some(Known::new(first()?.shape.clone(), kind).with(values))
        }
        "Identity" | "Dropout" => first().map(|known| Known { is_weight: false, ..known.clone() }),
        "Add" | "Sub" | "Mul" | "Div" | "Pow" | "Mod" | "Min" | "Max" | "Equal" | "Greater" | "Less"
        | "GreaterOrEqual" | "LessOrEqual" | "And" | "Or" => binary(node, first()?, second()?),
        "Where" => choice(inputs),
        "Range" => {
            let [start, end, step] = [0, 1, 2].map(|i| scalar(inputs.get(i).copied().flatten()?));
            let (start, end, step) = (start?, end?, step?);
            let count = ((end - start) / step).ceil().clamp(0.0, 1e9) as usize;
            let values = (count <= 64).then(|| (0..count).map(|i| start + step * i as f64).collect());
            Some(Known::new(vec![count], first()?.kind).with(values))
        }
        "ConstantOfShape" => {
            let shape = lengths(first()?.numbers()?);
            let value = node.tensor("value");
            let fill = value.and_then(|value| value.values.as_ref()?.first().copied()).unwrap_or(0.0);
            let values = Some(count(&shape)).filter(|count| *count <= 64).map(|count| vec![fill; count]);
            Some(Known::new(shape, value.map_or(F32, |value| value.kind)).with(values))
        }
        "Reshape" => reshape(first()?, second()?.numbers()?),
        "Expand" => Some(Known::new(broadcast(&first()?.shape, &lengths(second()?.numbers()?))?, first()?.kind)),
        "Tile" => {
            let times = lengths(second()?.numbers()?);
            Some(Known::new(
                first()?.shape.iter().zip(times).map(|(n, times)| n.saturating_mul(times)).collect(),
                first()?.kind,
            ))
        }
        "Transpose" => transpose(node, first()?),
        "MatMul" | "FusedMatMul" | "MatMulInteger" => matmul(first()?, second()?),
        "MatMulNBits" => {
            let mut shape = first()?.shape.clone();
            *shape.last_mut()? = usize::try_from(node.number("N")?).ok()?;
            Some(Known::new(shape, F32))
        }
        "Gemm" => gemm(node, first()?, second()?),
        "Conv" | "ConvInteger" => conv(node, first()?, second()?),
        "ConvTranspose" => conv_transpose(node, first()?, second()?),
        "MaxPool" | "AveragePool" => {
            let kernel = whole(node.numbers("kernel_shape")?);
            Some(Known::new(windows(node, &first()?.shape, *first()?.shape.get(1)?, &kernel)?, first()?.kind))
        }
        "GlobalAveragePool" => {
            let shape = &first()?.shape;
            Some(Known::new(shape.iter().enumerate().map(|(i, n)| if i < 2 { *n } else { 1 }).collect(), F32))
        }
        "Resize" | "Upsample" => resize(inputs),
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL2" | "ReduceSumSquare" => {
            reduce(node, inputs)
        }
        "ArgMax" | "ArgMin" => {
            let axis = clamped(node.number("axis").unwrap_or(0) as f64, first()?.shape.len());
            let keep = node.number("keepdims").unwrap_or(1) != 0;
            Some(Known::new(without(&first()?.shape, &[axis], keep), I64))
        }
        "Flatten" => {
            let shape = &first()?.shape;
            let axis = clamped(node.number("axis").unwrap_or(1) as f64, shape.len());
            let (outer, inner) = shape.split_at(axis);
            Some(Known::new(vec![count(outer), count(inner)], first()?.kind))
        }
        "Pad" => pad(node, inputs),
        "Einsum" => einsum(node.text("equation")?, inputs),
        "Not" | "IsNaN" | "IsInf" => Some(Known::new(first()?.shape.clone(), BOOL)),
        "DequantizeLinear" | "DynamicQuantizeLinear" => Some(Known::new(first()?.shape.clone(), F32)),
        _ => None,
    }
}

/// A place on an axis, counted from its end where it is negative.
fn clamped(at: f64, length: usize) -> usize {
    let at = if at < 0.0 { at + length as f64 } else { at };
    at.clamp(0.0, length as f64) as usize
}

fn axis(at: i64, rank: usize) -> usize {
    clamped(at as f64, rank).min(rank.saturating_sub(1))
}

fn lengths(numbers: &[f64]) -> Vec<usize> {
    numbers.iter().map(|n| n.clamp(0.0, 1e12) as usize).collect()
}

/// Lengths that an attribute states.
fn whole(numbers: &[i64]) -> Vec<usize> {
    numbers.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect()
}

fn scalar(known: &Known) -> Option<f64> {
    known.numbers()?.first().copied()
}

fn matmul(a: &Known, b: &Known) -> Option<Known> {
    let (rows, columns) = (a.shape.len().checked_sub(1)?, b.shape.last()?);
    let batches = broadcast(a.shape.get(..rows.saturating_sub(1))?, b.shape.get(..b.shape.len().saturating_sub(2))?)?;
    let row = a.shape.get(rows.saturating_sub(1)).filter(|_| rows > 0).into_iter();
    Some(Known::new(batches.iter().chain(row).chain([columns]).copied().collect(), F32))
}

fn gemm(node: &Node, a: &Known, b: &Known) -> Option<Known> {
    let side = |name: &str| usize::from(node.number(name).unwrap_or(0) != 0);
    Some(Known::new(vec![*a.shape.get(side("transA"))?, *b.shape.get(1 - side("transB"))?], F32))
}

fn einsum(equation: &str, inputs: Inputs<'_, '_>) -> Option<Known> {
    let (left, right) = equation.split_once("->")?;
    let mut known: Vec<(char, usize)> = Vec::new();
    for (letters, input) in left.split(',').zip(inputs) {
        known.extend(letters.trim().chars().zip((*input)?.shape.iter().copied()));
    }
    let length = |letter: char| known.iter().find(|(name, _)| *name == letter).map(|(_, n)| *n);
    Some(Known::new(right.trim().chars().map(length).collect::<Option<_>>()?, F32))
}
