//! Axes taken away, put in, cut, joined and moved.

use super::numbers::broadcast;
use super::{Inputs, axis, clamped, lengths, whole};
use crate::footprint::values::{I64, Known, count};
use crate::proto::structure::Node;

/// More than any tensor has.
const MOST_AXES: usize = 64;

pub(super) fn gather(node: &Node, data: &Known, indices: &Known) -> Option<Known> {
    let at = axis(node.number("axis").unwrap_or(0), data.shape.len());
    let shape = [data.shape.get(..at)?, &indices.shape, data.shape.get(at + 1..)?].concat();
    let values = data
        .numbers()
        .filter(|_| data.shape.len() == 1)
        .zip(indices.numbers())
        .map(|(data, indices)| indices.iter().filter_map(|i| data.get(clamped(*i, data.len())).copied()).collect());
    Some(Known::new(shape, data.kind).with(values))
}

/// Axes of a node: an attribute in old graphs, an input in new ones.
pub(super) fn axes(node: &Node, input: Option<&Known>) -> Option<Vec<i64>> {
    let own = node.numbers("axes").filter(|axes| !axes.is_empty()).map(<[i64]>::to_vec);
    own.or_else(|| Some(input?.numbers()?.iter().map(|n| *n as i64).collect()))
}

pub(super) fn squeeze(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let data = inputs.first().copied().flatten()?;
    let axes = axes(node, inputs.get(1).copied().flatten());
    let mut shape = data.shape.clone();
    if node.op == "Squeeze" {
        match axes {
            Some(axes) => {
                let gone: Vec<usize> = axes.iter().map(|at| axis(*at, shape.len())).collect();
                shape = without(&shape, &gone, false);
            }
            None => shape.retain(|n| *n != 1),
        }
    } else {
        let axes = axes.filter(|axes| axes.len() < MOST_AXES)?;
        let rank = shape.len() + axes.len();
        let mut places: Vec<usize> = axes.iter().map(|at| axis(*at, rank)).collect();
        places.sort_unstable();
        places.iter().for_each(|at| shape.insert((*at).min(shape.len()), 1));
    }
    Some(Known::new(shape, data.kind).with(data.values.clone()))
}

/// A shape without some axes, or with length 1 in their place.
pub(super) fn without(shape: &[usize], gone: &[usize], keep: bool) -> Vec<usize> {
    let kept = |(i, n): (usize, &usize)| match gone.contains(&i) {
        true => keep.then_some(1),
        false => Some(*n),
    };
    shape.iter().enumerate().filter_map(kept).collect()
}

pub(super) fn concat(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let all: Option<Vec<&Known>> = inputs.iter().copied().collect();
    let all = all?;
    let first = all.first()?;
    let at = axis(node.number("axis").unwrap_or(0), first.shape.len());
    let mut shape = first.shape.clone();
    *shape.get_mut(at)? = all.iter().filter_map(|one| one.shape.get(at)).fold(0, |all, n| all.saturating_add(*n));
    let values: Option<Vec<&[f64]>> = all.iter().map(|one| one.numbers()).collect();
    Some(Known::new(shape, first.kind).with(values.map(|values| values.concat())))
}

pub(super) fn slice(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let data = inputs.first().copied().flatten()?;
    let numbers = |i: usize, name: &str| -> Option<Vec<f64>> {
        let attribute = || Some(node.numbers(name)?.iter().map(|n| *n as f64).collect());
        inputs.get(i).copied().flatten().and_then(|known| Some(known.numbers()?.to_vec())).or_else(attribute)
    };
    let (starts, ends) = (numbers(1, "starts")?, numbers(2, "ends")?);
    let axes = numbers(3, "axes").unwrap_or_else(|| (0..starts.len()).map(|i| i as f64).collect());
    let steps = numbers(4, "steps").unwrap_or_else(|| vec![1.0; starts.len()]);
    let mut cut = Known { is_weight: false, ..data.clone() };
    for (((start, end), at), step) in starts.iter().zip(&ends).zip(&axes).zip(&steps) {
        let at = axis(*at as i64, cut.shape.len());
        cut = picked(&cut, at, Picks::of(*start, *end, *step, *cut.shape.get(at)?))?;
    }
    Some(cut)
}

/// Places on an axis: the first, how many, and how far apart.
struct Picks {
    first: usize,
    count: usize,
    step: i64,
}

impl Picks {
    /// As a slice states them, where negative numbers count from the end.
    fn of(start: f64, end: f64, step: f64, length: usize) -> Self {
        let step = if step as i64 == 0 { 1 } else { step as i64 };
        let apart = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
        if step > 0 {
            let (first, end) = (clamped(start, length), clamped(end, length));
            return Self { first, count: end.saturating_sub(first).div_ceil(apart), step };
        }
        let first = clamped(start, length).min(length.saturating_sub(1));
        // How many places lie before the end, which is left out itself.
        let end = if end < 0.0 { end + length as f64 } else { end };
        let before = (end + 1.0).clamp(0.0, length as f64) as usize;
        Self { first, count: (first + 1).min(length).saturating_sub(before).div_ceil(apart), step }
    }

    fn place(&self, i: usize) -> Option<usize> {
        usize::try_from(self.first as i64 + i as i64 * self.step).ok()
    }
}

/// A value with some of the places of an axis only.
fn picked(data: &Known, at: usize, picks: Picks) -> Option<Known> {
    let mut shape = data.shape.clone();
    let length = std::mem::replace(shape.get_mut(at)?, picks.count);
    let inner = count(shape.get(at + 1..)?);
    let take = |values: &Vec<f64>| {
        let blocks = values.chunks(length.checked_mul(inner).filter(|size| *size > 0)?);
        let rows = |block: &[f64]| -> Option<Vec<f64>> {
            let row = |i: usize| block.get(picks.place(i)? * inner..)?.get(..inner);
            Some((0..picks.count).map(row).collect::<Option<Vec<_>>>()?.concat())
        };
        Some(blocks.map(rows).collect::<Option<Vec<_>>>()?.concat())
    };
    let values = data.values.as_ref().and_then(take);
    Some(Known::new(shape, data.kind).with(values))
}

pub(super) fn transpose(node: &Node, data: &Known) -> Option<Known> {
    let rank = data.shape.len();
    let order: Vec<usize> = match node.numbers("perm").filter(|perm| !perm.is_empty()) {
        Some(perm) => perm.iter().map(|at| axis(*at, rank)).collect(),
        None => (0..rank).rev().collect(),
    };
    let shape: Vec<usize> = order.iter().map(|at| data.shape.get(*at).copied()).collect::<Option<_>>()?;
    let value = |values: &Vec<f64>| {
        let strides: Vec<usize> = (0..rank).map(|at| count(data.shape.get(at + 1..).unwrap_or_default())).collect();
        let place = |mut i: usize| {
            // From the innermost axis outward.
            order.iter().zip(&shape).rev().fold(0, |place, (at, length)| {
                let along = i % length.max(&1);
                i /= length.max(&1);
                place + along * strides.get(*at).copied().unwrap_or(0)
            })
        };
        (0..values.len()).map(|i| values.get(place(i)).copied()).collect::<Option<Vec<_>>>()
    };
    let values = data.values.as_ref().and_then(value);
    Some(Known::new(shape.clone(), data.kind).with(values))
}

pub(super) fn reduce(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let data = inputs.first().copied().flatten()?;
    let axes = axes(node, inputs.get(1).copied().flatten());
    let all = || (0..data.shape.len()).collect();
    let gone: Vec<usize> = axes.map_or_else(all, |axes| axes.iter().map(|at| axis(*at, data.shape.len())).collect());
    let values = data.numbers().filter(|_| node.op == "ReduceProd" && data.shape.len() == 1);
    let values = values.map(|values| vec![values.iter().product()]);
    Some(Known::new(without(&data.shape, &gone, node.number("keepdims").unwrap_or(1) != 0), data.kind).with(values))
}

pub(super) fn split(node: &Node, inputs: Inputs<'_, '_>) -> Option<Vec<Known>> {
    let data = inputs.first().copied().flatten()?;
    let at = axis(node.number("axis").unwrap_or(0), data.shape.len());
    let given = inputs.get(1).copied().flatten().and_then(|known| Some(lengths(known.numbers()?)));
    let own = node.numbers("split").filter(|parts| !parts.is_empty()).map(whole);
    let even =
        || vec![data.shape.get(at).copied().unwrap_or(1).div_ceil(node.outputs.len().max(1)); node.outputs.len()];
    let parts = given.or(own).unwrap_or_else(even);
    let part = |n: usize| {
        let mut shape = data.shape.clone();
        shape.get_mut(at).into_iter().for_each(|length| *length = n);
        Known::new(shape, data.kind)
    };
    Some(parts.into_iter().map(part).collect())
}

pub(super) fn reshape(data: &Known, wanted: &[f64]) -> Option<Known> {
    let own = |(i, n): (usize, &f64)| if *n == 0.0 { data.shape.get(i).map_or(0.0, |n| *n as f64) } else { *n };
    let wanted: Vec<f64> = wanted.iter().enumerate().map(own).collect();
    let others = count(&lengths(&wanted.iter().copied().filter(|n| *n >= 0.0).collect::<Vec<_>>()));
    let shape =
        wanted.iter().map(|n| if *n < 0.0 { count(&data.shape) / others.max(1) } else { *n as usize }).collect();
    Some(Known::new(shape, data.kind).with(data.values.clone()))
}

/// The shape itself, or a part of it.
pub(super) fn shape(node: &Node, data: &Known) -> Option<Known> {
    let place = |name: &str, usual| clamped(node.number(name).unwrap_or(usual) as f64, data.shape.len());
    let (start, end) = (place("start", 0), place("end", i64::MAX));
    Some(Known::list(data.shape.get(start..end.max(start))?.iter().map(|n| *n as f64).collect()))
}

pub(super) fn expand(data: &Known, wanted: &Known) -> Option<Known> {
    Some(Known::new(broadcast(&data.shape, &lengths(wanted.numbers()?))?, data.kind))
}

pub(super) fn tile(data: &Known, times: &Known) -> Option<Known> {
    let times = lengths(times.numbers()?);
    let shape = data.shape.iter().zip(times).map(|(n, times)| n.saturating_mul(times));
    Some(Known::new(shape.collect(), data.kind))
}

/// Where the largest or smallest values are.
pub(super) fn best(node: &Node, data: &Known) -> Option<Known> {
    let at = clamped(node.number("axis").unwrap_or(0) as f64, data.shape.len());
    Some(Known::new(without(&data.shape, &[at], node.number("keepdims").unwrap_or(1) != 0), I64))
}

pub(super) fn flatten(node: &Node, data: &Known) -> Option<Known> {
    let (outer, inner) = data.shape.split_at(clamped(node.number("axis").unwrap_or(1) as f64, data.shape.len()));
    Some(Known::new(vec![count(outer), count(inner)], data.kind))
}
