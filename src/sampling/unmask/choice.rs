//! How a token is chosen from its log-weights: temperature, top-k, top-p, and the draw.

use anyhow::{Result, bail};

use super::logits::{argmax, log_sum_exp};
use crate::sampling::Noise;

/// What the user says about the choice of single tokens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Divides log-weights; at 0 the likeliest token is taken.
    pub temperature: f64,
    /// Only the `k` likeliest tokens may be chosen; applied before `top_p`.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together have this probability may be chosen.
    pub top_p: Option<f64>,
}

/// How a token is drawn. Both draw from the same distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// One uniform number a token of text.
    Inversion,
    /// LLaDA's: the largest of `logit - T ln(-ln u)`, one uniform number for each token of the
    /// vocabulary. In f64, because in f32 the largest noises are too small and rare tokens too rare
    /// (Zheng et al. 2025, arXiv 2409.02908, section 4).
    Gumbel,
}

/// A chosen token, and the distribution it was chosen from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Its place.
    pub place: usize,
    /// The token.
    pub token: u32,
    /// Its log-probability as the network gives it: no temperature, no cut.
    pub log_probability: f64,
    /// Its probability after temperature and cuts.
    pub probability: f64,
    /// How far the likeliest token is ahead of the second, after temperature and cuts.
    pub margin: f64,
    /// Entropy in nats, after temperature and cuts.
    pub entropy: f64,
}

impl Choice {
    /// Always the likeliest token.
    pub const GREEDY: Choice = Choice { temperature: 0.0, top_k: None, top_p: None };

    /// # Errors
    /// For numbers out of range, naming the flag.
    pub fn check(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            bail!("--temperature is {}, but must be 0 (the likeliest token) or more", self.temperature);
        }
        if self.top_k == Some(0) {
            bail!("--top-k is 0, but at least 1 token must be left to choose from");
        }
        match self.top_p {
            Some(p) if !(p > 0.0 && p <= 1.0) => bail!("--top-p is {p}, but must lie above 0 and at most at 1"),
            _ => Ok(()),
        }
    }

    /// Fills `out` with the probabilities that tokens are drawn with, those of temperature 1 when greedy.
    pub fn shape(&self, logits: &[f32], out: &mut Vec<f64>) {
        let temperature = if self.temperature > 0.0 { self.temperature } else { 1.0 };
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        out.clear();
        out.extend(logits.iter().map(|l| (f64::from(l - top) / temperature).exp()));
        self.cut_top_k(out);
        normalise(out);
        self.cut_top_p(out);
    }

    fn cut_top_k(&self, weights: &mut [f64]) {
        let Some(k) = self.top_k.filter(|k| *k < weights.len()) else { return };
        let mut sorted = weights.to_vec();
        let (_, least, _) = sorted.select_nth_unstable_by(k.saturating_sub(1), |a, b| b.total_cmp(a));
        let least = *least;
        weights.iter_mut().filter(|w| **w < least).for_each(|w| *w = 0.0);
    }

    /// The token that crosses the limit stays, as in the references.
    fn cut_top_p(&self, probabilities: &mut [f64]) {
        let Some(limit) = self.top_p.filter(|p| *p < 1.0) else { return };
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        let of = |i: usize, all: &[f64]| all.get(i).copied().unwrap_or_default();
        order.sort_by(|a, b| of(*b, probabilities).total_cmp(&of(*a, probabilities)));
        let mut before = 0.0;
        for i in order {
            let Some(p) = probabilities.get_mut(i) else { continue };
            let own = *p;
            if before > limit {
                *p = 0.0;
            }
            before += own;
        }
        normalise(probabilities);
    }

    /// Chooses a token for a place. `shaped` is memory, and holds the place's probabilities afterwards.
    pub fn candidate(
        &self,
        place: usize,
        logits: &[f32],
        draw: Draw,
        shaped: &mut Vec<f64>,
        noise: &mut Noise,
    ) -> Candidate {
        self.shape(logits, shaped);
        let token = match draw {
            _ if self.temperature == 0.0 => argmax(logits),
            Draw::Inversion => pick(shaped, noise),
            Draw::Gumbel => gumbel(shaped, noise),
        };
        let (margin, entropy) = (margin(shaped), entropy(shaped));
        let probability = shaped.get(token).copied().unwrap_or_default();
        let log_probability = logits.get(token).map_or(f64::NEG_INFINITY, |l| f64::from(*l)) - log_sum_exp(logits);
        Candidate { place, token: token as u32, log_probability, probability, margin, entropy }
    }
}

/// Makes weights sum to one.
pub fn normalise(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 {
        weights.iter_mut().for_each(|w| *w /= sum);
    }
}

/// Draws an index with the given weights, which need not sum to one.
pub fn pick(weights: &[f64], noise: &mut Noise) -> usize {
    let mut left = noise.uniform() * weights.iter().sum::<f64>();
    let mut last = 0;
    for (i, weight) in weights.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
        if left < *weight {
            return i;
        }
        left -= weight;
        last = i;
    }
    last
}

/// The largest of the log-weights with Gumbel noise.
fn gumbel(weights: &[f64], noise: &mut Noise) -> usize {
    let mut uniform = vec![0.0; weights.len()];
    noise.fill_uniform(&mut uniform);
    let noisy = weights.iter().zip(&uniform).map(|(w, u)| w.ln() - (-u.max(f64::MIN_POSITIVE).ln()).ln());
    let best = |best: (usize, f64), (i, v): (usize, f64)| if v > best.1 { (i, v) } else { best };
    noisy.enumerate().fold((0, f64::NEG_INFINITY), best).0
}

fn margin(probabilities: &[f64]) -> f64 {
    let two = |(first, second): (f64, f64), p: &f64| if *p > first { (*p, first) } else { (first, second.max(*p)) };
    let (first, second) = probabilities.iter().fold((0.0, 0.0), two);
    first - second
}

fn entropy(probabilities: &[f64]) -> f64 {
    -probabilities.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, f32::NEG_INFINITY];

    fn shaped(choice: Choice) -> Vec<f64> {
        let mut out = Vec::new();
        choice.shape(&LOGITS, &mut out);
        out
    }

    #[test]
    fn shapes() {
        let e = std::f64::consts::E;
        let sum = 1.0 + e + e * e;
        let plain = Choice { temperature: 1.0, ..Choice::GREEDY };
        let cases = [
            (plain, [1.0 / sum, e * e / sum, e / sum, 0.0]),
            (Choice { top_k: Some(2), ..plain }, [0.0, e / (e + 1.0), 1.0 / (e + 1.0), 0.0]),
            (Choice { top_p: Some(0.5), ..plain }, [0.0, 1.0, 0.0, 0.0]),
            (Choice { top_p: Some(0.7), ..plain }, [0.0, e / (e + 1.0), 1.0 / (e + 1.0), 0.0]),
            (Choice { top_k: Some(9), top_p: Some(1.0), ..plain }, [1.0 / sum, e * e / sum, e / sum, 0.0]),
        ];
        for (choice, want) in cases {
            let got = shaped(choice);
            assert!(got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{choice:?}: {got:?}");
        }
        let hot = shaped(Choice { temperature: 2.0, ..plain });
        assert!((hot[1] / hot[0] - e).abs() < 1e-12 && (hot[1] / hot[2] - e.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn both_draws_have_the_shaped_distribution() {
        let choice = Choice { temperature: 0.7, ..Choice::GREEDY };
        let want = shaped(choice);
        for draw in [Draw::Inversion, Draw::Gumbel] {
            let (mut noise, mut memory, mut counts) = (Noise::torch(3), Vec::new(), [0.0; 4]);
            let rounds = 40_000;
            for _ in 0..rounds {
                let found = choice.candidate(5, &LOGITS, draw, &mut memory, &mut noise);
                counts[found.token as usize] += 1.0;
                assert!((found.probability - want[found.token as usize]).abs() < 1e-12 && found.place == 5);
            }
            let chi2: f64 =
                (0..3).map(|i| (counts[i] - want[i] * rounds as f64).powi(2) / (want[i] * rounds as f64)).sum();
            assert!(chi2 < 13.8 && counts[3] == 0.0, "{draw:?}: {chi2}");
        }
    }

    #[test]
    fn greedy_takes_the_first_of_the_likeliest() {
        let mut noise = Noise::torch(1);
        let found = Choice::GREEDY.candidate(0, &[1.0, 3.0, 3.0], Draw::Gumbel, &mut Vec::new(), &mut noise);
        assert_eq!(found.token, 1);
        assert!(found.margin.abs() < 1e-12);
    }

    #[test]
    fn numbers_out_of_range_name_their_flag() {
        let good = Choice::GREEDY;
        for (choice, flag) in [
            (Choice { temperature: -1.0, ..good }, "--temperature"),
            (Choice { temperature: f64::NAN, ..good }, "--temperature"),
            (Choice { top_k: Some(0), ..good }, "--top-k"),
            (Choice { top_p: Some(0.0), ..good }, "--top-p"),
            (Choice { top_p: Some(1.5), ..good }, "--top-p"),
        ] {
            assert!(choice.check().unwrap_err().to_string().contains(flag));
        }
        assert!(good.check().is_ok());
    }
}
