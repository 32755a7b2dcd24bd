//! How likely a text is under a model: bits per character and nats per token, with the error of the estimate.

use std::ops::Range;

use anyhow::{Result, bail};
use edrun_onnx::Cancel;

use super::run::TellText;
use super::{TextPipeline, TextProgress};
use crate::sampling::Noise;
use crate::sampling::unmask::{Bound, bound};

/// What is scored, and how carefully.
#[derive(Clone, Debug)]
pub struct ScoreAsk {
    /// The text.
    pub text: String,
    /// Questions for each window, at least 2.
    pub draws: usize,
    /// Tokens of a window; the model's longest text when not given.
    pub window: Option<usize>,
    /// Name of a random number generator.
    pub rng: String,
    /// Its seed.
    pub seed: u64,
}

/// A score.
#[derive(Clone, Copy, Debug)]
pub struct Score {
    /// Upper bound of the negative log-likelihood.
    pub bound: Bound,
    /// Characters of the text.
    pub characters: usize,
    /// Tokens of a window.
    pub window: usize,
    /// Number of windows.
    pub windows: usize,
}

impl Score {
    /// Bits per character, and their standard error.
    pub fn bits_per_character(&self) -> (f64, f64) {
        let scale = 1.0 / std::f64::consts::LN_2 / self.characters.max(1) as f64;
        (self.bound.nats * scale, self.bound.error * scale)
    }

    /// Nats per token, and their standard error.
    pub fn nats_per_token(&self) -> (f64, f64) {
        let scale = 1.0 / self.bound.tokens.max(1) as f64;
        (self.bound.nats * scale, self.bound.error * scale)
    }
}

/// Windows of models that set no limit.
const USUAL_WINDOW: usize = 512;

impl TextPipeline {
    /// Scores a text, cut into windows that know nothing of each other.
    ///
    /// # Errors
    /// For an empty text, a model without a mask, and whatever stops an evaluation.
    pub fn score(&mut self, ask: &ScoreAsk, cancel: &Cancel, tell: &mut TellText<'_>) -> Result<Score> {
        if ask.draws < 2 {
            bail!("--draws is {}, but the error of an estimate needs at least 2", ask.draws);
        }
        let ids = self.tokenizer.encode(&ask.text)?;
        if ids.is_empty() {
            bail!("there is nothing to score: the text is empty");
        }
        let frame = self.tokenizer.frame().clone();
        let markers = frame.opening.len() + frame.closing.len();
        tell(TextProgress::Stage("loading the model"))?;
        let mut network = self.network(cancel)?;
        let longest = self.recipe.longest.into_iter().chain(network.fixed_length()).min();
        let window = self.window(ask, longest.map(|longest| longest.saturating_sub(markers)))?;
        tell(TextProgress::Stage("scoring"))?;
        let (facts, mut noise) = (network.facts(), Noise::start(&ask.rng, ask.seed)?);
        let mut total = Bound::default();
        let windows = ids.chunks(window).len();
        for (i, part) in ids.chunks(window).enumerate() {
            let row = [&frame.opening[..], part, &frame.closing].concat();
            let inner = frame.opening.len()..frame.opening.len() + part.len();
            let batch = self.settings.batch.max(1);
            for (seen, counts) in self.questions(&row, inner) {
                total = total + bound(&mut network, &facts, &seen, &counts, ask.draws, batch, &mut noise)?;
            }
            tell(TextProgress::Scored { done: i + 1, total: windows })?;
        }
        self.graph = self.settings.keep_loaded.then(|| network.into_graph());
        Ok(Score { bound: total, characters: ask.text.chars().count(), window, windows })
    }

    /// What is asked of a window: all of it at once; of a model that writes block after block, each block behind those
    /// before it (BD3-LM: Arriola et al. 2025, arXiv 2503.09573, eq. 3).
    fn questions(&self, row: &[u32], inner: Range<usize>) -> Vec<(Vec<u32>, Vec<bool>)> {
        let block = self.recipe.block.unwrap_or(row.len()).max(1);
        let ends = (1..=row.len().div_ceil(block)).map(|i| (i * block).min(row.len()));
        let counts = |start: usize, end: usize| (0..end).map(|i| i >= start && inner.contains(&i)).collect();
        ends.map(|end| (row.iter().take(end).copied().collect(), counts((end - 1) / block * block, end))).collect()
    }

    fn window(&self, ask: &ScoreAsk, most: Option<usize>) -> Result<usize> {
        match (ask.window, most) {
            (Some(0), _) => bail!("--window is 0, but a window has at least 1 token"),
            (Some(window), Some(most)) if window > most => {
                bail!("--window is {window}, but the model reads {most} tokens at most")
            }
            (Some(window), _) => Ok(window),
            (None, Some(0)) => bail!("the model reads no text beside its markers"),
            (None, most) => Ok(most.unwrap_or(USUAL_WINDOW)),
        }
    }
}
