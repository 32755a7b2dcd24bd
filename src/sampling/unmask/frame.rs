//! What every method has: its block, and the way from logits to candidates.

use std::ops::Range;

use super::choice::{Candidate, Choice, Draw};
use super::{Canvas, Facts, Logits, Look, Process, Setup};
use crate::sampling::Noise;

/// A block of a canvas, seen by a method.
pub(super) struct Frame {
    pub(super) facts: Facts,
    pub(super) choice: Choice,
    pub(super) draw: Draw,
    span: Range<usize>,
    context: usize,
    /// Places that were to be found when the block began.
    total: usize,
    memory: Vec<f64>,
}

impl Frame {
    pub(super) fn new(setup: &Setup<'_>, draw: Draw) -> Self {
        Self {
            facts: setup.facts,
            choice: setup.choice,
            draw,
            span: setup.span.clone(),
            context: setup.context,
            total: setup.open.max(1),
            memory: Vec::new(),
        }
    }

    /// The places of the block that may change.
    pub(super) fn free(&self, canvas: &Canvas) -> Vec<usize> {
        canvas.free(self.span.clone()).collect()
    }

    /// The places of the block that are still to be found.
    pub(super) fn open(&self, canvas: &Canvas) -> Vec<usize> {
        canvas.open(self.span.clone()).collect()
    }

    /// A look at the block at a time.
    pub(super) fn look(&self, time: f64) -> Look {
        let sigma = self.facts.survival.sigma(time);
        Look { time, sigma, start: self.span.start, end: self.span.end, context: self.context }
    }

    /// A look at the time at which as much is hidden as `left` places of the block are.
    pub(super) fn look_by_share(&self, left: usize) -> Look {
        self.look(self.facts.survival.time(1.0 - left as f64 / self.total as f64))
    }

    /// One candidate for each of the places.
    pub(super) fn candidates(
        &mut self,
        places: &[usize],
        clean: &Logits,
        choice: Choice,
        noise: &mut Noise,
    ) -> Vec<Candidate> {
        let (draw, memory) = (self.draw, &mut self.memory);
        places.iter().map(|i| choice.candidate(*i, clean.at(*i), draw, memory, noise)).collect()
    }

    /// One candidate for one place.
    pub(super) fn candidate(&mut self, place: usize, clean: &Logits, noise: &mut Noise) -> Candidate {
        self.choice.candidate(place, clean.at(place), self.draw, &mut self.memory, noise)
    }

    /// The probabilities that a place's token is drawn with.
    pub(super) fn shaped(&mut self, place: usize, clean: &Logits) -> &mut [f64] {
        self.choice.shape(clean.at(place), &mut self.memory);
        if self.choice.temperature == 0.0 {
            let best = super::argmax(clean.at(place));
            self.memory.iter_mut().enumerate().for_each(|(i, p)| *p = f64::from(u8::from(i == best)));
        }
        &mut self.memory
    }

    pub(super) fn is_uniform(&self) -> bool {
        self.facts.process == Process::Uniform
    }
}

/// Settles what was found.
pub(super) fn settle(canvas: &mut Canvas, found: &[Candidate]) {
    found.iter().for_each(|c| canvas.settle(c.place, c.token, c.log_probability));
}
