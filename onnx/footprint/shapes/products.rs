//! Products of matrices and of tensors.

use super::Inputs;
use super::numbers::broadcast;
use crate::footprint::values::{F32, Known};
use crate::proto::structure::Node;

pub(super) fn matmul(a: &Known, b: &Known) -> Option<Known> {
    let (rows, columns) = (a.shape.len().checked_sub(1)?, b.shape.last()?);
    let batches = broadcast(a.shape.get(..rows.saturating_sub(1))?, b.shape.get(..b.shape.len().saturating_sub(2))?)?;
    let row = a.shape.get(rows.saturating_sub(1)).filter(|_| rows > 0).into_iter();
    Some(Known::new(batches.iter().chain(row).chain([columns]).copied().collect(), F32))
}

pub(super) fn gemm(node: &Node, a: &Known, b: &Known) -> Option<Known> {
    let side = |name: &str| usize::from(node.number(name).unwrap_or(0) != 0);
    Some(Known::new(vec![*a.shape.get(side("transA"))?, *b.shape.get(1 - side("transB"))?], F32))
}

pub(super) fn einsum(equation: &str, inputs: Inputs<'_, '_>) -> Option<Known> {
    let (left, right) = equation.split_once("->")?;
    let mut known: Vec<(char, usize)> = Vec::new();
    for (letters, input) in left.split(',').zip(inputs) {
        known.extend(letters.trim().chars().zip((*input)?.shape.iter().copied()));
    }
    let length = |letter: char| known.iter().find(|(name, _)| *name == letter).map(|(_, n)| *n);
    Some(Known::new(right.trim().chars().map(length).collect::<Option<_>>()?, F32))
}

/// A product with weights of few bits, which do not show their shape.
pub(super) fn matmul_bits(node: &Node, a: &Known) -> Option<Known> {
    let mut shape = a.shape.clone();
    *shape.last_mut()? = usize::try_from(node.number("N")?).ok()?;
    Some(Known::new(shape, F32))
}
