//! The repetition penalty (Keskar et al. 2019, arXiv 1909.05858): tokens that stand on the canvas become less likely.

use std::collections::{HashMap, HashSet};

use anyhow::Result;

use super::{Logits, Tokens};
use crate::sampling::{Denoiser, RequestId, Row};

/// The penalty around a denoiser.
pub struct Repetition<D> {
    inner: D,
    penalties: HashMap<RequestId, f32>,
}

impl<D: Denoiser<Tokens>> Repetition<D> {
    /// Wraps `inner`.
    pub fn new(inner: D) -> Self {
        Self { inner, penalties: HashMap::new() }
    }

    /// Sets a request's penalty: logits of known tokens are divided by it where positive, multiplied where negative.
    pub fn penalise(&mut self, request: RequestId, penalty: f64) {
        self.penalties.insert(request, penalty as f32);
    }

    /// The wrapped denoiser.
    pub fn inner_mut(&mut self) -> &mut D {
        &mut self.inner
    }

    /// Takes the wrapping off.
    pub fn into_inner(self) -> D {
        self.inner
    }
}

impl<D: Denoiser<Tokens>> Denoiser<Tokens> for Repetition<D> {
    fn denoise(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
        self.inner.denoise(rows, clean)?;
        for (row, clean) in rows.iter().zip(clean) {
            match self.penalties.get(&row.request) {
                Some(penalty) if *penalty != 1.0 => penalise(row, *penalty, clean),
                _ => {}
            }
        }
        Ok(())
    }

    fn forget(&mut self, request: RequestId) {
        self.penalties.remove(&request);
        self.inner.forget(request);
    }
}

/// Only what is given or settled counts as known.
fn penalise(row: &Row<'_, Tokens>, penalty: f32, clean: &mut Logits) {
    let known: HashSet<u32> = (0..row.x.len()).filter(|i| !row.x.is_open(*i)).map(|i| row.x.token(i)).collect();
    for place in clean.span() {
        let logits = clean.at_mut(place);
        for token in &known {
            if let Some(logit) = logits.get_mut(*token as usize) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::unmask::{Canvas, Look, Process};
    use crate::sampling::{Branch, Noise};

    struct Fixed;

    impl Denoiser<Tokens> for Fixed {
        fn denoise(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
            for (row, clean) in rows.iter().zip(clean) {
                clean.resize(row.level.span(), 4);
                clean.at_mut(2).copy_from_slice(&[2.0, -2.0, 2.0, f32::NEG_INFINITY]);
            }
            Ok(())
        }
    }

    #[test]
    fn known_tokens_become_less_likely() {
        let process = Process::Absorbing { mask: 3 };
        let canvas = Canvas::new(process, 4, vec![0, 1, 3], vec![false, false, true], &mut Noise::torch(0));
        let look = Look { time: 1.0, sigma: 1.0, start: 2, end: 3, context: 3 };
        let row = Row::new(RequestId(0), Branch::Positive, &canvas, look);
        let mut penalised = Repetition::new(Fixed);
        penalised.penalise(RequestId(0), 1.25);
        let mut clean = vec![Logits::default()];
        penalised.denoise(&[row], &mut clean).unwrap();
        assert_eq!(clean[0].at(2), [1.6, -2.5, 2.0, f32::NEG_INFINITY]);
    }
}
