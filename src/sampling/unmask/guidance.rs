//! Classifier-free guidance for text: what the network says with the prompt, moved away from what it says without
//! (Nie et al. 2024, arXiv 2410.18514; LLaDA's `cfg_scale` is this scale less one).

use std::collections::HashMap;

use anyhow::Result;

use super::{Canvas, Logits, Tokens};
use crate::sampling::{Branch, Denoiser, RequestId, Row};

/// Guidance by hiding the prompt, around a denoiser.
pub struct HiddenPrompt<D> {
    inner: D,
    scales: HashMap<RequestId, f64>,
}

impl<D: Denoiser<Tokens>> HiddenPrompt<D> {
    /// Wraps `inner`.
    pub fn new(inner: D) -> Self {
        Self { inner, scales: HashMap::new() }
    }

    /// Sets a request's scale `w` of `without + w (with - without)`; at 1 the prompt is never hidden.
    pub fn guide(&mut self, request: RequestId, scale: f64) {
        self.scales.insert(request, scale);
    }

    /// The wrapped denoiser.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Takes the wrapping off.
    pub fn into_inner(self) -> D {
        self.inner
    }

    fn scale(&self, request: RequestId) -> Option<f64> {
        self.scales.get(&request).copied().filter(|scale| *scale != 1.0)
    }
}

impl<D: Denoiser<Tokens>> Denoiser<Tokens> for HiddenPrompt<D> {
    fn denoise(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
        let guided: Vec<usize> = (0..rows.len()).filter(|i| self.scale(rows[*i].request).is_some()).collect();
        if guided.is_empty() {
            return self.inner.denoise(rows, clean);
        }
        let hidden: Vec<Canvas> = guided.iter().map(|i| rows[*i].x.without_prompt()).collect();
        let without = guided.iter().zip(&hidden).map(|(i, x)| Row { branch: Branch::Negative, x, ..rows[*i] });
        let questions: Vec<Row<'_, Tokens>> = rows.iter().copied().chain(without).collect();
        // The memory of the answers travels through the call and back.
        let mut answers: Vec<Logits> = clean.iter_mut().map(std::mem::take).collect();
        answers.resize_with(questions.len(), Logits::default);
        let done = self.inner.denoise(&questions, &mut answers);
        let without = answers.split_off(rows.len());
        clean.iter_mut().zip(answers).for_each(|(clean, answer)| *clean = answer);
        done?;
        for (i, without) in guided.iter().zip(&without) {
            if let (Some(clean), Some(scale)) = (clean.get_mut(*i), self.scale(rows[*i].request)) {
                combine(clean, without, scale as f32);
            }
        }
        Ok(())
    }

    fn forget(&mut self, request: RequestId) {
        self.scales.remove(&request);
        self.inner.forget(request);
    }
}

/// A token that either answer rules out stays ruled out: the difference of two infinities means nothing.
fn combine(with: &mut Logits, without: &Logits, scale: f32) {
    for (w, u) in with.values_mut().iter_mut().zip(without.values()) {
        let guided = u + scale * (*w - u);
        *w = if w.is_finite() && u.is_finite() { guided } else { f32::NEG_INFINITY };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Noise;
    use crate::sampling::unmask::{Look, Process};

    /// Says how many tokens it can see.
    struct Counter;

    impl Denoiser<Tokens> for Counter {
        fn denoise(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
            for (row, clean) in rows.iter().zip(clean) {
                clean.resize(row.level.span(), 3);
                let seen = row.x.tokens().iter().filter(|t| **t != 2).count() as f32;
                clean.at_mut(3).copy_from_slice(&[seen, 10.0 * f32::from(u8::from(seen > 0.0)), f32::NEG_INFINITY]);
            }
            Ok(())
        }
    }

    #[test]
    fn the_prompt_is_hidden_for_the_second_answer() {
        let mut noise = Noise::torch(0);
        let free = vec![false, false, false, true];
        let canvas = Canvas::new(Process::Absorbing { mask: 2 }, 3, vec![0, 1, 0, 2], free, &mut noise);
        let look = Look { time: 1.0, sigma: 1.0, start: 3, end: 4, context: 4 };
        let row = |i| Row::new(RequestId(i), Branch::Positive, &canvas, look);
        let mut guided = HiddenPrompt::new(Counter);
        guided.guide(RequestId(1), 2.5);
        let mut clean = vec![Logits::default(), Logits::default()];
        guided.denoise(&[row(0), row(1)], &mut clean).unwrap();
        assert_eq!(clean[0].at(3), [3.0, 10.0, f32::NEG_INFINITY]);
        assert_eq!(clean[1].at(3), [7.5, 25.0, f32::NEG_INFINITY]);
        guided.forget(RequestId(1));
        guided.denoise(&[row(0), row(1)], &mut clean).unwrap();
        assert_eq!(clean[0].at(3), clean[1].at(3));
    }
}
