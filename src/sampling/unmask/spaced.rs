//! Spaced decoding: the places of least entropy, no two of one evaluation near each other. Tokens found at once are
//! drawn as if they knew nothing of each other, which is nearly true of tokens far apart: the reason for the dilated
//! schedules of Luxembourg et al. 2025 (arXiv 2506.19037), whose places are fixed beforehand. Here the network's
//! entropies choose them, as in Ben-Hamu et al. 2025 (arXiv 2505.24857).

use super::choice::{Candidate, Draw};
use super::parallel::{self, Rule, best};
use super::{Method, Setup};
use crate::sampling::Noise;
use crate::sampling::solver::Knob;

pub(super) const METHOD: Method = Method {
    name: "spaced",
    aliases: &["dilated", "dus"],
    help: "the places of least entropy, a few at once, none near another",
    paper: "after Luxembourg et al. 2025, arXiv 2506.19037",
    absorbing: true,
    uniform: false,
    takes_steps: false,
    temperature: 1.0,
    knobs: &[
        Knob { name: "gap", default: 12.0, range: (0.0, 1e6), help: "places between two tokens of an evaluation" },
        Knob { name: "most", default: 4.0, range: (1.0, 1e6), help: "tokens an evaluation at most; 1: one token" },
    ],
    build: |setup: Setup<'_>| {
        let rule = Spaced { gap: setup.whole("gap"), most: setup.whole("most") };
        Ok(parallel::machine(&setup, Draw::Inversion, rule))
    },
};

struct Spaced {
    gap: usize,
    most: usize,
}

impl Rule for Spaced {
    fn choose(&mut self, found: Vec<Candidate>, _: &mut Noise) -> Vec<Candidate> {
        let count = found.len();
        let mut chosen: Vec<Candidate> = Vec::new();
        for candidate in best(found, count, |c| -c.entropy) {
            let free = chosen.iter().all(|c| c.place.abs_diff(candidate.place) > self.gap);
            if free && chosen.len() < self.most {
                chosen.push(candidate);
            }
        }
        chosen
    }
}
