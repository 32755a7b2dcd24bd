//! Keys and values that are kept between runs of a graph.

use anyhow::{Result, bail};
use edrun_onnx::Graph;

use super::ports::Past;
use crate::sampling::unmask::Kept;

/// What is kept of one request under one conditioning: `[heads, places, width]` for each of the graph's parts.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) kept: Kept,
    parts: Vec<Vec<f32>>,
    places: usize,
}

/// Where a row's new keys and values stand in an output `[rows, heads, tokens, width]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    /// The row.
    pub(super) row: usize,
    /// Tokens that were handed over before the new ones.
    pub(super) before: usize,
}

impl Memory {
    /// Makes room for a canvas.
    pub(super) fn fit(&mut self, past: &[Past], places: usize) {
        if self.places == places && self.parts.len() == past.len() {
            return;
        }
        *self = Self { kept: Kept::default(), places, parts: Vec::new() };
        self.parts.extend(past.iter().map(|p| vec![0.0; p.heads * places * p.width]));
    }

    /// Appends one part's values of some places, `[heads, places, width]`, to `out`.
    pub(super) fn gather(&self, part: usize, past: &Past, places: &[usize], out: &mut Vec<f32>) {
        let Some(values) = self.parts.get(part) else { return };
        for head in 0..past.heads {
            for place in places {
                let at = (head * self.places + place) * past.width;
                out.extend_from_slice(values.get(at..at + past.width).unwrap_or_default());
            }
        }
    }

    /// Takes the values of some places from a run's outputs, which hold the new ones alone or behind those handed over.
    pub(super) fn take(&mut self, graph: &Graph, past: &[Past], places: &[usize], fresh: Fresh) -> Result<()> {
        for (past, values) in past.iter().zip(&mut self.parts) {
            let shape = graph.output_shape(past.output)?;
            let tokens = shape.get(2).copied().unwrap_or_default();
            let before = match tokens {
                tokens if tokens == places.len() + fresh.before => fresh.before,
                tokens if tokens == places.len() => 0,
                _ => bail!(
                    "{} gave keys or values of {shape:?} for {} tokens behind {}; export the model again",
                    graph.path().display(),
                    places.len(),
                    fresh.before
                ),
            };
            for head in 0..past.heads {
                for (i, place) in places.iter().enumerate() {
                    let from = ((fresh.row * past.heads + head) * tokens + before + i) * past.width;
                    let to = (head * self.places + place) * past.width;
                    if let Some(slot) = values.get_mut(to..to + past.width) {
                        graph.read_f32(past.output, from, slot)?;
                    }
                }
            }
        }
        Ok(())
    }
}
