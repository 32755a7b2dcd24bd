//! Element by element, and the few numbers that shapes are made of along with it.

use super::{Inputs, first, lengths, scalar};
use crate::footprint::values::{BOOL, F32, I64, Known, count};
use crate::proto::structure::Node;

/// The longest list of numbers that is computed along: shapes are shorter.
const KEPT: usize = 64;

pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], i: usize| (i + shape.len()).checked_sub(rank).and_then(|i| shape.get(i).copied());
    let one = |i: usize| match (at(a, i).unwrap_or(1), at(b, i).unwrap_or(1)) {
        (1, n) | (n, 1) => Some(n),
        (n, m) if n == m => Some(n),
        _ => None,
    };
    (0..rank).map(one).collect()
}

pub(super) fn binary(node: &Node, a: &Known, b: &Known) -> Option<Known> {
    let is_test =
        ["Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or"].contains(&node.op.as_str());
    let is_whole = !matches!(a.kind, 1 | 10 | 11 | 16);
    let compute = |x: f64, y: f64| match node.op.as_str() {
        "Add" => x + y,
        "Sub" => x - y,
        "Mul" => x * y,
        "Div" if is_whole => (x / y).trunc(),
        "Div" => x / y,
        "Pow" => x.powf(y),
        "Mod" => x.rem_euclid(y),
        "Min" => x.min(y),
        "Max" => x.max(y),
        "Equal" => f64::from(x == y),
        "Greater" => f64::from(x > y),
        "Less" => f64::from(x < y),
        "GreaterOrEqual" => f64::from(x >= y),
        "LessOrEqual" => f64::from(x <= y),
        "And" => f64::from(x != 0.0 && y != 0.0),
        _ => f64::from(x != 0.0 || y != 0.0),
    };
    let values = a.numbers().zip(b.numbers()).map(|(a, b)| together(&[a, b], |v| compute(v[0], v[1])));
    let kind = if is_test { BOOL } else { a.kind };
    Some(Known::new(broadcast(&a.shape, &b.shape)?, kind).with(values))
}

/// Lists of equal length, or single values, put together one by one.
pub(super) fn together(lists: &[&[f64]], join: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let count = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let at = |list: &[f64], i: usize| list.get(i).or(list.first()).copied().unwrap_or(0.0);
    (0..count).map(|i| join(&lists.iter().map(|list| at(list, i)).collect::<Vec<_>>())).collect()
}

pub(super) fn choice(inputs: Inputs<'_, '_>) -> Option<Known> {
    let [test, a, b] = [0, 1, 2].map(|i| inputs.get(i).copied().flatten());
    let (test, a, b) = (test?, a?, b?);
    let values = match (test.numbers(), a.numbers(), b.numbers()) {
        (Some(test), Some(a), Some(b)) => Some(together(&[test, a, b], |v| if v[0] != 0.0 { v[1] } else { v[2] })),
        _ => None,
    };
    Some(Known::new(broadcast(&broadcast(&test.shape, &a.shape)?, &b.shape)?, a.kind).with(values))
}

pub(super) fn constant(node: &Node) -> Option<Known> {
    if let Some(tensor) = node.tensor("value") {
        return Some(Known { is_weight: false, ..Known::of_weight(tensor) });
    }
    if let Some(number) = node.number("value_int") {
        return Some(Known::new(Vec::new(), I64).with(Some(vec![number as f64])));
    }
    node.numbers("value_ints").map(|numbers| Known::list(numbers.iter().map(|n| *n as f64).collect()))
}

pub(super) fn cast(node: &Node, data: &Known) -> Option<Known> {
    let kind = node.number("to").and_then(|n| u64::try_from(n).ok()).unwrap_or(F32);
    let whole = |v: &f64| if matches!(kind, 1 | 10 | 11 | 16) { *v } else { v.trunc() };
    let values = data.values.as_ref().map(|values| values.iter().map(whole).collect());
    Some(Known::new(data.shape.clone(), kind).with(values))
}

pub(super) fn range(inputs: Inputs<'_, '_>) -> Option<Known> {
    let [start, end, step] = [0, 1, 2].map(|i| scalar(inputs.get(i).copied().flatten()?));
    let (start, end, step) = (start?, end?, step?);
    let count = ((end - start) / step).ceil().clamp(0.0, 1e9) as usize;
    let values = (count <= KEPT).then(|| (0..count).map(|i| start + step * i as f64).collect());
    Some(Known::new(vec![count], first(inputs)?.kind).with(values))
}

/// A tensor of one value throughout.
pub(super) fn filled(node: &Node, shape: &Known) -> Option<Known> {
    let (shape, value) = (lengths(shape.numbers()?), node.tensor("value"));
    let fill = value.and_then(|value| value.values.as_ref()?.first().copied()).unwrap_or(0.0);
    let values = Some(count(&shape)).filter(|count| *count <= KEPT).map(|count| vec![fill; count]);
    Some(Known::new(shape, value.map_or(F32, |value| value.kind)).with(values))
}
