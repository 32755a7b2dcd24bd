//! A perfect network for a small vocabulary: the exact conditionals of a joint distribution, by enumeration.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Result;

use super::{Canvas, Facts, Logits, Process, Survival, Tokens};
use crate::sampling::{Denoiser, Noise, Row};

/// `[length, vocabulary]`.
type Posterior = Rc<Vec<Vec<f64>>>;

/// Probabilities of every text of `length` tokens out of `tokens` different ones; the mask is the next id.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) tokens: usize,
    pub(super) length: usize,
    pub(super) table: Vec<f64>,
    pub(super) uniform: bool,
    /// What was computed once, by tokens and the bits of alpha.
    known: RefCell<HashMap<(Vec<u32>, u64), Posterior>>,
}

impl Joint {
    /// A joint in which places depend on each other: uneven weights, some of them zero.
    pub(super) fn tangled(tokens: usize, length: usize, uniform: bool) -> Self {
        let mut noise = Noise::torch(41);
        let count = tokens.pow(length as u32);
        let weight = |u: f64| if u < 0.2 { 0.0 } else { (3.0 * u).exp() };
        let mut table: Vec<f64> = (0..count).map(|_| weight(noise.uniform())).collect();
        super::choice::normalise(&mut table);
        Self { tokens, length, table, uniform, known: RefCell::default() }
    }

    pub(super) fn mask(&self) -> u32 {
        self.tokens as u32
    }

    pub(super) fn facts(&self) -> Facts {
        let (process, vocabulary) = match self.uniform {
            true => (Process::Uniform, self.tokens),
            false => (Process::Absorbing { mask: self.mask() }, self.tokens + 1),
        };
        Facts { process, vocabulary, survival: Survival::LogLinear { eps: 0.0 }, timed: self.uniform, weighted: false }
    }

    pub(super) fn canvas(&self, noise: &mut Noise) -> Canvas {
        let (facts, free) = (self.facts(), vec![true; self.length]);
        Canvas::new(facts.process, facts.vocabulary, vec![0; self.length], free, noise)
    }

    /// The tokens of a text, by its place in the table.
    pub(super) fn text(&self, index: usize) -> Vec<u32> {
        (0..self.length).map(|i| (index / self.tokens.pow(i as u32) % self.tokens) as u32).collect()
    }

    pub(super) fn index(&self, text: &[u32]) -> usize {
        text.iter().enumerate().map(|(i, t)| *t as usize * self.tokens.pow(i as u32)).sum()
    }

    /// How likely a clean text leads to the seen one at `alpha`, per place.
    fn seen(&self, clean: u32, seen: u32, alpha: f64) -> f64 {
        match self.uniform {
            false => f64::from(u8::from(seen == self.mask() || seen == clean)),
            true => alpha * f64::from(u8::from(seen == clean)) + (1.0 - alpha) / self.tokens as f64,
        }
    }

    /// `p(x_0 at each place | x_t)`.
    pub(super) fn posterior(&self, seen: &[u32], alpha: f64) -> Posterior {
        // Behind masks the posterior does not depend on the noise.
        let key = (seen.to_vec(), if self.uniform { alpha.to_bits() } else { 0 });
        Rc::clone(self.known.borrow_mut().entry(key).or_insert_with(|| Rc::new(self.enumerate(seen, alpha))))
    }

    fn enumerate(&self, seen: &[u32], alpha: f64) -> Vec<Vec<f64>> {
        let mut all = vec![vec![0.0; self.facts().vocabulary]; self.length];
        for (index, p) in self.table.iter().enumerate() {
            let text = self.text(index);
            let weight: f64 = p * text.iter().zip(seen).map(|(c, s)| self.seen(*c, *s, alpha)).product::<f64>();
            all.iter_mut().zip(&text).for_each(|(row, c)| row[*c as usize] += weight);
        }
        all.iter_mut().for_each(|row| super::choice::normalise(row));
        all
    }

    /// The law of the tokens seen at `alpha`, over all texts.
    pub(super) fn noisy(&self, alpha: f64) -> Vec<f64> {
        let reach = |to: usize| {
            let seen = self.text(to);
            let from = |(index, p): (usize, &f64)| {
                p * self.text(index).iter().zip(&seen).map(|(c, s)| self.seen(*c, *s, alpha)).product::<f64>()
            };
            self.table.iter().enumerate().map(from).sum::<f64>()
        };
        (0..self.table.len()).map(reach).collect()
    }
}

/// Counts its evaluations.
pub(super) struct Exact<'a> {
    pub(super) joint: &'a Joint,
    pub(super) evaluations: usize,
}

impl Denoiser<Tokens> for Exact<'_> {
    fn denoise(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
        for (row, clean) in rows.iter().zip(clean) {
            self.evaluations += 1;
            let alpha = self.joint.facts().survival.alpha(row.level.time);
            let posterior = self.joint.posterior(row.x.tokens(), alpha);
            clean.resize(row.level.span(), self.joint.facts().vocabulary);
            for place in row.level.span() {
                let own = clean.at_mut(place).iter_mut().zip(&posterior[place]);
                own.for_each(|(logit, p)| *logit = p.ln() as f32);
            }
        }
        Ok(())
    }
}
