//! The machine of methods that look at all open places and settle some of them for good.

use super::choice::{Candidate, Draw};
use super::frame::{Frame, settle};
use super::{Canvas, Logits, Look, Machine, Setup, Tokens};
use crate::sampling::{Noise, Seen, Solver, Want};

/// Decides which candidates are settled.
pub(super) trait Rule: Send {
    /// The ones to settle, out of one candidate for every open place. May be none, but not for ever.
    fn choose(&mut self, found: Vec<Candidate>, noise: &mut Noise) -> Vec<Candidate>;
}

struct Parallel<R> {
    frame: Frame,
    rule: R,
}

/// The machine around a rule.
pub(super) fn machine(setup: &Setup<'_>, draw: Draw, rule: impl Rule + 'static) -> Machine {
    Box::new(Parallel { frame: Frame::new(setup, draw), rule })
}

impl<R: Rule> Parallel<R> {
    /// Lets the rule choose until it does, as long as the network would say the same again.
    fn turn(&mut self, canvas: &mut Canvas, clean: &Logits, noise: &mut Noise) {
        let open = self.frame.open(canvas);
        loop {
            let found = self.frame.candidates(&open, clean, self.frame.choice, noise);
            let chosen = self.rule.choose(found, noise);
            settle(canvas, &chosen);
            if !chosen.is_empty() || self.frame.facts.timed {
                return;
            }
        }
    }
}

impl<R: Rule> Solver<Tokens> for Parallel<R> {
    fn start(&self) -> Look {
        self.frame.look(1.0)
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        self.turn(canvas, clean, noise);
        match self.frame.open(canvas).len() {
            0 => Want::Done,
            left => Want::Next(self.frame.look_by_share(left)),
        }
    }
}

/// The `count` candidates with the highest rank; of equals, the ones further left.
pub(super) fn best(mut found: Vec<Candidate>, count: usize, rank: impl Fn(&Candidate) -> f64) -> Vec<Candidate> {
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    found.truncate(count);
    found
}
