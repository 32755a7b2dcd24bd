//! Windows that move over the inner axes, and those axes made longer or shorter.

use super::{Inputs, lengths, whole};
use crate::footprint::values::{F32, Known};
use crate::proto::structure::Node;

pub(super) fn conv(node: &Node, data: &Known, weight: &Known) -> Option<Known> {
    Some(Known::new(windows(node, &data.shape, *weight.shape.first()?, weight.shape.get(2..)?)?, F32))
}

/// A number that an attribute states for an axis; lengths beyond a billion are nobody's.
fn of(node: &Node, name: &str, i: usize, default: usize) -> usize {
    let found = node.numbers(name).and_then(|numbers| numbers.get(i));
    found.map_or(default, |n| usize::try_from(*n).unwrap_or(default).min(1 << 30))
}

/// How far a kernel reaches.
fn reach(node: &Node, i: usize, kernel: usize) -> usize {
    of(node, "dilations", i, 1).saturating_mul(kernel.saturating_sub(1)).saturating_add(1)
}

/// What a window leaves that moves over the inner axes.
pub(super) fn windows(node: &Node, shape: &[usize], channels: usize, kernel: &[usize]) -> Option<Vec<usize>> {
    let same = node.text("auto_pad").is_some_and(|text| text.starts_with("SAME"));
    let mut out = vec![*shape.first()?, channels];
    for (i, kernel) in kernel.iter().enumerate() {
        let (length, stride) = (*shape.get(i + 2)?, of(node, "strides", i, 1).max(1));
        let pads = of(node, "pads", i, 0) + of(node, "pads", i + kernel_rank(shape), 0);
        let reach = reach(node, i, *kernel);
        out.push(if same {
            length.div_ceil(stride)
        } else {
            length.saturating_add(pads).saturating_sub(reach) / stride + 1
        });
    }
    Some(out)
}

pub(super) fn kernel_rank(shape: &[usize]) -> usize {
    shape.len().saturating_sub(2)
}

pub(super) fn conv_transpose(node: &Node, data: &Known, weight: &Known) -> Option<Known> {
    let groups = usize::try_from(node.number("group").unwrap_or(1)).ok()?;
    let mut out = vec![*data.shape.first()?, weight.shape.get(1)?.saturating_mul(groups)];
    for (i, kernel) in weight.shape.get(2..)?.iter().enumerate() {
        let pads = of(node, "pads", i, 0) + of(node, "pads", i + kernel_rank(&data.shape), 0);
        let reach = reach(node, i, *kernel);
        let length = data.shape.get(i + 2)?.saturating_sub(1).saturating_mul(of(node, "strides", i, 1));
        out.push(length.saturating_add(reach).saturating_add(of(node, "output_padding", i, 0)).saturating_sub(pads));
    }
    Some(Known::new(out, F32))
}

pub(super) fn resize(inputs: Inputs<'_, '_>) -> Option<Known> {
    let data = inputs.first().copied().flatten()?;
    let numbers =
        |i: usize| inputs.get(i).copied().flatten().and_then(Known::numbers).filter(|n| n.len() == data.shape.len());
    if let Some(sizes) = numbers(3) {
        return Some(Known::new(lengths(sizes), data.kind));
    }
    let scales = numbers(2).or_else(|| numbers(1))?;
    Some(Known::new(data.shape.iter().zip(scales).map(|(n, scale)| (*n as f64 * scale) as usize).collect(), data.kind))
}

pub(super) fn pad(node: &Node, inputs: Inputs<'_, '_>) -> Option<Known> {
    let data = inputs.first().copied().flatten()?;
    let given = inputs.get(1).copied().flatten().and_then(|known| Some(known.numbers()?.to_vec()));
    let pads = given.or_else(|| Some(node.numbers("pads")?.iter().map(|n| *n as f64).collect()))?;
    let rank = data.shape.len();
    let pad = |i: usize| pads.get(i).unwrap_or(&0.0) + pads.get(i + rank).unwrap_or(&0.0);
    Some(Known::new(
        data.shape.iter().enumerate().map(|(i, n)| (*n as f64 + pad(i)).max(0.0) as usize).collect(),
        data.kind,
    ))
}

pub(super) fn pool(node: &Node, data: &Known) -> Option<Known> {
    let kernel = whole(node.numbers("kernel_shape")?);
    Some(Known::new(windows(node, &data.shape, *data.shape.get(1)?, &kernel)?, data.kind))
}

/// One value a channel.
pub(super) fn pool_all(data: &Known) -> Option<Known> {
    let length = |(i, n): (usize, &usize)| if i < 2 { *n } else { 1 };
    Some(Known::new(data.shape.iter().enumerate().map(length).collect(), F32))
}
