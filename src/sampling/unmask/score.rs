//! How likely a text is: an upper bound of its negative log-likelihood (MDLM, arXiv 2406.07524, eq. 10), estimated by
//! hiding random parts of it.
//!
//! The estimate is the one of low variance: `L / l` times the loss on `l` hidden tokens, `l` uniform in `1..=L` (LLaDA,
//! arXiv 2502.09992, eq. 14), with `l` spread evenly over the draws.

use anyhow::{Result, bail};

use super::{Canvas, Facts, Logits, Look, Process, Tokens, log_sum_exp};
use crate::sampling::{Branch, Denoiser, Noise, RequestId, Row, Space};

/// An estimate of the bound.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bound {
    /// Nats over all tokens that count.
    pub nats: f64,
    /// Standard error of `nats`.
    pub error: f64,
    /// Tokens that count.
    pub tokens: usize,
    /// Questions asked.
    pub draws: usize,
}

impl std::ops::Add for Bound {
    type Output = Bound;

    /// The bound of two independent texts.
    fn add(self, other: Bound) -> Bound {
        Bound {
            nats: self.nats + other.nats,
            error: self.error.hypot(other.error),
            tokens: self.tokens + other.tokens,
            draws: self.draws + other.draws,
        }
    }
}

/// The bound for one row of tokens, of which those with `counts` are hidden and counted and the others always given.
/// `draws` questions (at least 2) are asked, `batch` at a time.
///
/// # Errors
/// For models without a mask, and whatever stops an evaluation.
pub fn bound(
    denoiser: &mut dyn Denoiser<Tokens>,
    facts: &Facts,
    tokens: &[u32],
    counts: &[bool],
    draws: usize,
    batch: usize,
    noise: &mut Noise,
) -> Result<Bound> {
    if facts.process == Process::Uniform {
        bail!("a text can be scored only by a model that masks tokens; this one scrambles them");
    }
    let places: Vec<usize> = (0..tokens.len()).filter(|i| counts.get(*i) == Some(&true)).collect();
    let draws = draws.max(2);
    if places.is_empty() {
        return Ok(Bound::default());
    }
    let asked: Vec<Question> = (0..draws).map(|i| Question::draw(facts, tokens, &places, i, draws, noise)).collect();
    let mut losses = Vec::with_capacity(draws);
    for part in asked.chunks(batch.max(1)) {
        losses.extend(ask(denoiser, tokens, part)?);
    }
    let mean = losses.iter().sum::<f64>() / draws as f64;
    let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / (draws - 1) as f64;
    Ok(Bound { nats: mean, error: (variance / draws as f64).sqrt(), tokens: places.len(), draws })
}

/// A text with some of its tokens hidden.
struct Question {
    canvas: Canvas,
    look: Look,
    hidden: Vec<usize>,
    weight: f64,
}

impl Question {
    fn draw(facts: &Facts, tokens: &[u32], places: &[usize], i: usize, draws: usize, noise: &mut Noise) -> Self {
        let part = (i as f64 + noise.uniform()) / draws as f64;
        let count = ((part * places.len() as f64) as usize + 1).min(places.len());
        let hidden = some_of(places, count, noise);
        let mut free = vec![false; tokens.len()];
        hidden.iter().filter_map(|i| free.get_mut(*i).map(|f| *f = true)).count();
        let time = facts.survival.time(1.0 - count as f64 / places.len() as f64);
        let (start, end) = hidden.iter().fold((tokens.len(), 0), |(a, b), i| (a.min(*i), b.max(*i + 1)));
        let look = Look { time, sigma: facts.survival.sigma(time), start, end, context: tokens.len() };
        let canvas = Canvas::new(facts.process, facts.vocabulary, tokens.to_vec(), free, noise);
        Self { canvas, look, hidden, weight: places.len() as f64 / count as f64 }
    }

    fn loss(&self, tokens: &[u32], clean: &Logits) -> f64 {
        let log_probability = |i: &usize| {
            let logits = clean.at(*i);
            let own = tokens.get(*i).and_then(|t| logits.get(*t as usize)).map_or(f64::NEG_INFINITY, |l| f64::from(*l));
            own - log_sum_exp(logits)
        };
        -self.weight * self.hidden.iter().map(log_probability).sum::<f64>()
    }
}

/// `count` different places, by the first steps of a shuffle.
fn some_of(places: &[usize], count: usize, noise: &mut Noise) -> Vec<usize> {
    let mut all = places.to_vec();
    for i in 0..count {
        let other = i + noise.below(all.len() - i);
        all.swap(i, other);
    }
    all.truncate(count);
    all
}

fn ask(denoiser: &mut dyn Denoiser<Tokens>, tokens: &[u32], asked: &[Question]) -> Result<Vec<f64>> {
    let request = |i: usize| RequestId(i as u64);
    let rows: Vec<Row<'_, Tokens>> =
        asked.iter().enumerate().map(|(i, q)| Row::new(request(i), Branch::Positive, &q.canvas, q.look)).collect();
    let mut clean: Vec<Logits> = rows.iter().map(|row| Tokens::room(row.x)).collect();
    denoiser.denoise(&rows, &mut clean)?;
    (0..asked.len()).for_each(|i| denoiser.forget(request(i)));
    Ok(asked.iter().zip(&clean).map(|(q, clean)| q.loss(tokens, clean)).collect())
}
