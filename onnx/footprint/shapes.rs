//! The shapes of what nodes give, from the shapes of what they take.
//!
//! Exported graphs compute many shapes while they run, so the few numbers that shapes are made of are computed along. An
//! operator that is not listed gives what its first input looks like; that is right for all that work element by element.

mod axes;
mod numbers;
mod products;
mod windows;

use super::values::{BOOL, F32, I64, Known, count};
use crate::proto::structure::Node;
use axes::{best, concat, expand, flatten, gather, reduce, reshape, shape, slice, split, squeeze, tile, transpose};
use numbers::{binary, cast, choice, constant, filled, range};
use products::{einsum, gemm, matmul, matmul_bits};
use windows::{conv, conv_transpose, pad, pool, pool_all, resize};

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
    let own = output(node, inputs).or_else(|| Some(plain(first(inputs)?))).unwrap_or_default();
    let others = node.outputs.iter().skip(1).map(|_| Known::default());
    [own].into_iter().chain(others).collect()
}

/// The shape of an input, without its values.
fn plain(known: &Known) -> Known {
    Known::new(known.shape.clone(), known.kind)
}

/// What an operator gives, from its node and its inputs; `None` where that cannot be told.
type Rule = fn(&Node, Inputs<'_, '_>) -> Option<Known>;

const RULES: &[(&[&str], Rule)] = &[
    (&["Constant"], |node, _| constant(node)),
    (&["Shape"], |node, from| shape(node, first(from)?)),
    (&["Size"], |_, from| Some(Known::new(Vec::new(), I64).with(Some(vec![count(&first(from)?.shape) as f64])))),
    (&["Gather"], |node, from| gather(node, first(from)?, second(from)?)),
    (&["Unsqueeze", "Squeeze"], squeeze),
    (&["Concat"], concat),
    (&["Slice"], slice),
    (&["Cast"], |node, from| cast(node, first(from)?)),
    (&["Identity", "Dropout"], |_, from| Some(Known { is_weight: false, ..first(from)?.clone() })),
    (BINARY, |node, from| binary(node, first(from)?, second(from)?)),
    (&["Where"], |_, from| choice(from)),
    (&["Range"], |_, from| range(from)),
    (&["ConstantOfShape"], |node, from| filled(node, first(from)?)),
    (&["Reshape"], |_, from| reshape(first(from)?, second(from)?.numbers()?)),
    (&["Expand"], |_, from| expand(first(from)?, second(from)?)),
    (&["Tile"], |_, from| tile(first(from)?, second(from)?)),
    (&["Transpose"], |node, from| transpose(node, first(from)?)),
    (&["MatMul", "FusedMatMul", "MatMulInteger"], |_, from| matmul(first(from)?, second(from)?)),
    (&["MatMulNBits"], |node, from| matmul_bits(node, first(from)?)),
    (&["Gemm"], |node, from| gemm(node, first(from)?, second(from)?)),
    (&["Einsum"], |node, from| einsum(node.text("equation")?, from)),
    (&["Conv", "ConvInteger"], |node, from| conv(node, first(from)?, second(from)?)),
    (&["ConvTranspose"], |node, from| conv_transpose(node, first(from)?, second(from)?)),
    (&["MaxPool", "AveragePool"], |node, from| pool(node, first(from)?)),
    (&["GlobalAveragePool"], |_, from| pool_all(first(from)?)),
    (&["Resize", "Upsample"], |_, from| resize(from)),
    (REDUCTIONS, reduce),
    (&["ArgMax", "ArgMin"], |node, from| best(node, first(from)?)),
    (&["Flatten"], |node, from| flatten(node, first(from)?)),
    (&["Pad"], pad),
    (&["Not", "IsNaN", "IsInf"], |_, from| Some(Known::new(first(from)?.shape.clone(), BOOL))),
    (&["DequantizeLinear", "DynamicQuantizeLinear"], |_, from| Some(Known::new(first(from)?.shape.clone(), F32))),
];

const BINARY: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Mod",
    "Min",
    "Max",
    "Equal",
    "Greater",
    "Less",
    "GreaterOrEqual",
    "LessOrEqual",
    "And",
    "Or",
];

const REDUCTIONS: &[&str] =
    &["ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL2", "ReduceSumSquare"];

fn output(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let (_, rule) = RULES.iter().find(|(operators, _)| operators.contains(&node.op.as_str()))?;
    rule(node, inputs)
}

fn first<'k>(inputs: Inputs<'_, 'k>) -> Option<&'k Known> {
    inputs.first().copied().flatten()
}

fn second<'k>(inputs: Inputs<'_, 'k>) -> Option<&'k Known> {
    inputs.get(1).copied().flatten()
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
