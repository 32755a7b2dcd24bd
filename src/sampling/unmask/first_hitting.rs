//! The first-hitting sampler (Zheng et al. 2025, arXiv 2409.02908, Algorithm 1): jumps straight to the time at which
//! the next token is found, so every evaluation finds exactly one, at a place that chance alone decides.

use super::choice::Draw;
use super::frame::{Frame, settle};
use super::{Look, Method, Tokens};
use crate::sampling::{Noise, Seen, Solver, Want};

pub(super) const METHOD: Method = Method {
    name: "first-hitting",
    aliases: &["fhs"],
    help: "one token an evaluation, at the time it is found; exact for a perfect network",
    paper: "Zheng et al. 2025, arXiv 2409.02908",
    absorbing: true,
    uniform: false,
    takes_steps: false,
    temperature: 1.0,
    knobs: &[],
    build: |setup| Ok(Box::new(FirstHitting { hidden: 1.0, frame: Frame::new(&setup, Draw::Inversion) })),
};

struct FirstHitting {
    frame: Frame,
    /// `1 - alpha`: the share that is hidden now.
    hidden: f64,
}

impl Solver<Tokens> for FirstHitting {
    fn start(&self) -> Look {
        self.frame.look(1.0)
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        let open = self.frame.open(canvas);
        if let Some(place) = open.get(noise.below(open.len())) {
            let found = self.frame.candidate(*place, clean, noise);
            settle(canvas, &[found]);
        }
        if open.len() < 2 {
            return Want::Done;
        }
        // The next of the n left is found when the largest of n uniform numbers says so.
        self.hidden *= noise.uniform().powf(1.0 / (open.len() - 1) as f64);
        Want::Next(self.frame.look(self.frame.facts.survival.time(1.0 - self.hidden)))
    }
}
