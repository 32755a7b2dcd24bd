//! LLaDA's samplers (Nie et al. 2025, arXiv 2502.09992, Algorithm 5): a fixed number of tokens each step, those the
//! network is surest of or any.

use super::choice::{Candidate, Draw};
use super::parallel::{self, Rule, best};
use super::{Machine, Method, Setup};
use crate::sampling::Noise;
use anyhow::Result;

pub(super) const LOW_CONFIDENCE: Method = Method {
    name: "llada",
    aliases: &["low_confidence", "low-confidence-remasking"],
    help: "the same number of tokens each step, the surest first",
    build: |setup| build(setup, Rank::Confidence),
    ..RANDOM
};

pub(super) const RANDOM: Method = Method {
    name: "llada-random",
    aliases: &["random", "random-remasking"],
    help: "the same number of tokens each step, in any order",
    paper: "Nie et al. 2025, arXiv 2502.09992",
    absorbing: true,
    uniform: false,
    takes_steps: true,
    temperature: 0.0,
    knobs: &[],
    build: |setup| build(setup, Rank::Chance),
};

fn build(setup: Setup<'_>, rank: Rank) -> Result<Machine> {
    let quota = Quota { open: setup.open, steps: setup.steps, step: 0, rank };
    Ok(parallel::machine(&setup, Draw::Gumbel, quota))
}

#[derive(Clone, Copy)]
enum Rank {
    Confidence,
    Chance,
}

struct Quota {
    open: usize,
    steps: usize,
    step: usize,
    rank: Rank,
}

/// Tokens of a step when `open` are spread over `steps`: the first steps take what does not divide.
pub(super) fn quota(open: usize, steps: usize, step: usize) -> usize {
    open / steps + usize::from(step < open % steps)
}

impl Rule for Quota {
    fn choose(&mut self, found: Vec<Candidate>, noise: &mut Noise) -> Vec<Candidate> {
        let count = quota(self.open, self.steps, self.step);
        self.step += 1;
        match self.rank {
            Rank::Confidence => best(found, count, |c| c.log_probability),
            Rank::Chance => {
                let keyed = found.into_iter().map(|c| (noise.uniform(), c));
                let mut keyed: Vec<_> = keyed.collect();
                keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
                keyed.into_iter().take(count).map(|(_, c)| c).collect()
            }
        }
    }
}
