//! The clean estimate of discrete diffusion: for each place, how likely each token is.

use std::ops::Range;

/// Log-weights of the clean tokens of a span of places, `[places, vocabulary]`.
///
/// A place's weights need not sum to one. For networks that predict ratios
/// ([`Facts::weighted`](super::Facts)) their sum is the network's own; for others it means nothing.
#[derive(Clone, Debug, Default)]
pub struct Logits {
    vocabulary: usize,
    start: usize,
    values: Vec<f32>,
}

impl Logits {
    /// Room for a span of places; what it holds before it is written is not meaningful.
    pub fn resize(&mut self, span: Range<usize>, vocabulary: usize) {
        self.values.resize(span.len() * vocabulary, 0.0);
        (self.start, self.vocabulary) = (span.start, vocabulary);
    }

    /// Number of different tokens.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The places that are told about.
    pub fn span(&self) -> Range<usize> {
        let places = self.values.len().checked_div(self.vocabulary).unwrap_or_default();
        self.start..self.start + places
    }

    /// Log-weights of one place; empty for a place that is not told about.
    pub fn at(&self, place: usize) -> &[f32] {
        let row = place.checked_sub(self.start).map(|i| i * self.vocabulary..(i + 1) * self.vocabulary);
        row.and_then(|row| self.values.get(row)).unwrap_or_default()
    }

    /// Log-weights of one place, to be changed.
    pub fn at_mut(&mut self, place: usize) -> &mut [f32] {
        let row = place.checked_sub(self.start).map(|i| i * self.vocabulary..(i + 1) * self.vocabulary);
        row.and_then(|row| self.values.get_mut(row)).unwrap_or_default()
    }

    /// All values, place after place.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// `ln(sum(exp(logits)))`; minus infinity when nothing has weight.
pub fn log_sum_exp(logits: &[f32]) -> f64 {
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if top == f32::NEG_INFINITY {
        return f64::NEG_INFINITY;
    }
    let sum: f64 = logits.iter().map(|l| f64::from(l - top).exp()).sum();
    f64::from(top) + sum.ln()
}

/// The index of the first of the largest values.
pub fn argmax(logits: &[f32]) -> usize {
    let better = |best: (usize, f32), (i, l): (usize, &f32)| if *l > best.1 { (i, *l) } else { best };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), better).0
}
