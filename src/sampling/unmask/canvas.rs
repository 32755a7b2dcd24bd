//! The state of discrete diffusion: tokens, some of which are still to be found.

use std::ops::Range;

use crate::sampling::Noise;

/// What a token that is not known looks like to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// Tokens are hidden behind one mask token (the absorbing state).
    Absorbing {
        /// Its id.
        mask: u32,
    },
    /// Tokens are replaced by others, all alike.
    Uniform,
}

/// How a token was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settled {
    /// In which evaluation, from 1.
    pub turn: usize,
    /// Its log-probability under the network, other tokens as they were then.
    pub log_probability: f32,
}

/// A row of tokens. Those that are free may change; the others are the prompt.
#[derive(Clone, Debug)]
pub struct Canvas {
    process: Process,
    vocabulary: usize,
    tokens: Vec<u32>,
    free: Vec<bool>,
    settled: Vec<Option<Settled>>,
    turn: usize,
}

impl Canvas {
    /// A canvas on which nothing free is known: free tokens are masks, or drawn from the whole vocabulary.
    pub fn new(process: Process, vocabulary: usize, tokens: Vec<u32>, free: Vec<bool>, noise: &mut Noise) -> Self {
        let settled = vec![None; tokens.len()];
        let mut canvas = Self { process, vocabulary, tokens, free, settled, turn: 0 };
        (0..canvas.len()).for_each(|i| canvas.reopen(i, noise));
        canvas
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The tokens as the network sees them.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// What unknown tokens look like.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Number of different tokens, the mask included.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The token at a place.
    pub fn token(&self, place: usize) -> u32 {
        self.tokens.get(place).copied().unwrap_or_default()
    }

    /// Whether a token may change.
    pub fn is_free(&self, place: usize) -> bool {
        self.free.get(place).copied().unwrap_or_default()
    }

    /// Whether a token is still to be found.
    pub fn is_open(&self, place: usize) -> bool {
        self.is_free(place) && self.settled(place).is_none()
    }

    /// How a token was found, if it was.
    pub fn settled(&self, place: usize) -> Option<Settled> {
        self.settled.get(place).copied().flatten()
    }

    /// The free places of a span.
    pub fn free(&self, span: Range<usize>) -> impl Iterator<Item = usize> {
        span.filter(|i| self.is_free(*i))
    }

    /// The places of a span that are still to be found.
    pub fn open(&self, span: Range<usize>) -> impl Iterator<Item = usize> {
        span.filter(|i| self.is_open(*i))
    }

    /// Evaluations so far.
    pub fn turn(&self) -> usize {
        self.turn
    }

    /// Counts an evaluation.
    pub fn count_turn(&mut self) {
        self.turn += 1;
    }

    /// Settles a free place.
    pub fn settle(&mut self, place: usize, token: u32, log_probability: f64) {
        let settled = Settled { turn: self.turn, log_probability: log_probability as f32 };
        if self.is_free(place) {
            self.put(place, token, Some(settled));
        }
    }

    /// Puts a token in a free place without settling it: a step of a process that has no mask.
    pub fn move_to(&mut self, place: usize, token: u32) {
        if self.is_free(place) {
            self.put(place, token, None);
        }
    }

    /// Hides a free place: behind the mask, or behind a token drawn from the whole vocabulary.
    pub fn reopen(&mut self, place: usize, noise: &mut Noise) {
        if !self.is_free(place) {
            return;
        }
        let token = match self.process {
            Process::Absorbing { mask } => mask,
            Process::Uniform => noise.below(self.vocabulary) as u32,
        };
        self.put(place, token, None);
    }

    fn put(&mut self, place: usize, token: u32, settled: Option<Settled>) {
        if let (Some(slot), Some(how)) = (self.tokens.get_mut(place), self.settled.get_mut(place)) {
            (*slot, *how) = (token, settled);
        }
    }

    /// The same canvas with its prompt hidden: what the network says without having read it.
    pub fn without_prompt(&self) -> Self {
        let mut hidden = self.clone();
        if let Process::Absorbing { mask } = self.process {
            let fixed = hidden.tokens.iter_mut().zip(&self.free).filter(|(_, free)| !**free);
            fixed.for_each(|(token, _)| *token = mask);
        }
        hidden
    }
}
