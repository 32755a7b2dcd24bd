//! Block after block: any method becomes semi-autoregressive, with blocks of one token left to right.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use anyhow::{Result, bail};

use super::llada::quota;
use super::{Canvas, Choice, Facts, Logits, Look, Machine, Method, Setup, Tokens};
use crate::sampling::{Noise, Seen, Solver, Want};

/// Where blocks begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Everything is one block.
    Whole,
    /// A block for every so many free tokens, from the first one on (LLaDA).
    Free(usize),
    /// At multiples of the length, the prompt counted; a block sees nothing behind it (block diffusion: BD3-LM, SDAR,
    /// LLaDA2).
    Aligned(usize),
}

/// How a canvas is to be settled.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The method.
    pub method: &'static Method,
    /// What is fixed by the model.
    pub facts: Facts,
    /// How tokens are chosen.
    pub choice: Choice,
    /// Steps over all blocks; one a token when not given.
    pub steps: Option<usize>,
    /// Where blocks begin.
    pub cut: Cut,
    /// The user's values for the method's knobs.
    pub knobs: BTreeMap<String, f64>,
    /// Tokens after which nothing is said: the run ends when one is settled and nothing is open before it.
    pub ends: Vec<u32>,
}

/// A plan made ready for one canvas.
pub struct Ready {
    /// The machine for all blocks.
    pub machine: Machine,
    /// Tokens to be found.
    pub open: usize,
    /// Number of blocks.
    pub blocks: usize,
}

impl Plan {
    /// Checks the plan against the method and the model.
    ///
    /// # Errors
    /// For what cannot be honoured, naming the flag.
    pub fn check(&self) -> Result<()> {
        self.method.check_process(self.facts.process)?;
        self.method.check_knobs(&self.knobs)?;
        self.choice.check()?;
        match (self.steps, self.cut) {
            (Some(0), _) => bail!("--steps is 0, but a run needs at least 1 step"),
            (Some(_), _) if !self.method.takes_steps => {
                bail!("--steps has no meaning for --sampler {}: its own rule decides", self.method.name)
            }
            (_, Cut::Free(0) | Cut::Aligned(0)) => bail!("--block-length is 0, but a block has at least 1 token"),
            _ => Ok(()),
        }
    }

    /// Makes the plan ready for a canvas.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and for a canvas on which nothing is free.
    pub fn ready(&self, canvas: &Canvas) -> Result<Ready> {
        self.check()?;
        let spans = spans(self.cut, canvas);
        let open = canvas.open(0..canvas.len()).count();
        let steps = self.steps.unwrap_or(open);
        let count = spans.len();
        let mut machines = VecDeque::new();
        for (i, (span, context)) in spans.into_iter().enumerate() {
            let open = canvas.open(span.clone()).count();
            let steps = quota(steps, count, i).max(1);
            let length = if let Cut::Aligned(length) = self.cut { length } else { open };
            let (method, facts, choice, knobs) = (self.method, self.facts, self.choice, &self.knobs);
            let setup = Setup { method, facts, span, context, open, length, steps, choice, knobs };
            machines.push_back((method.build)(setup)?);
        }
        match machines.pop_front() {
            Some(current) => {
                let machine = Box::new(Blocks { current, later: machines, ends: self.ends.clone() });
                Ok(Ready { machine, open, blocks: count })
            }
            None => bail!("there is nothing to find: every token is given"),
        }
    }
}

/// Each block's span, and how much of the canvas the network may see meanwhile.
fn spans(cut: Cut, canvas: &Canvas) -> Vec<(Range<usize>, usize)> {
    let open: Vec<usize> = canvas.open(0..canvas.len()).collect();
    let around = |places: &[usize]| match places {
        [first, .., last] | [first @ last] => *first..*last + 1,
        [] => 0..0,
    };
    match cut {
        Cut::Whole => open.chunks(open.len().max(1)).map(|c| (around(c), canvas.len())).collect(),
        Cut::Free(length) => open.chunks(length.max(1)).map(|c| (around(c), canvas.len())).collect(),
        Cut::Aligned(length) => {
            let length = length.max(1);
            let block = |place: &usize| place / length;
            let groups = open.chunk_by(|a, b| block(a) == block(b));
            groups
                .map(|c| (around(c), (c.first().map_or(0, block) + 1) * length))
                .map(|(s, e)| (s, e.min(canvas.len())))
                .collect()
        }
    }
}

struct Blocks {
    current: Machine,
    later: VecDeque<Machine>,
    ends: Vec<u32>,
}

impl Blocks {
    /// Whether an end token stands with nothing open before it.
    fn is_over(&self, canvas: &Canvas) -> bool {
        if self.ends.is_empty() {
            return false;
        }
        let settled = canvas.free(0..canvas.len()).take_while(|i| !canvas.is_open(*i));
        settled.into_iter().any(|i| self.ends.contains(&canvas.token(i)))
    }
}

impl Solver<Tokens> for Blocks {
    fn start(&self) -> Look {
        self.current.start()
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        canvas.count_turn();
        let clean: &mut Logits = clean;
        let want = self.current.advance(Seen { x: canvas, clean, extra: None }, noise);
        if self.is_over(canvas) {
            return Want::Done;
        }
        match (want, self.later.pop_front()) {
            (Want::Done, Some(next)) => {
                self.current = next;
                Want::Next(self.current.start())
            }
            (want, Some(next)) => {
                self.later.push_front(next);
                want
            }
            (want, None) => want,
        }
    }
}
