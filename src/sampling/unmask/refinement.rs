//! Block refinement with editing, as LLaDA2 decodes (diffusers' `BlockRefinementScheduler`): each step settles its share
//! of the block, or everything above the threshold if that is more; tokens that stand may be replaced by others the
//! network is sure of, also after the last one is found, while steps are left.

use super::choice::{Candidate, Draw};
use super::frame::{Frame, settle};
use super::llada::quota;
use super::parallel::best;
use super::{Canvas, Logits, Look, Method, Setup, Tokens};
use crate::sampling::solver::Knob;
use crate::sampling::{Noise, Seen, Solver, Want};

pub(super) const METHOD: Method = Method {
    name: "block-refinement",
    aliases: &["llada2", "BlockRefinementScheduler"],
    help: "a share of the block each step or all above the threshold, and edits of what stands",
    paper: "LLaDA2: Bie et al. 2025, arXiv 2512.15745",
    absorbing: true,
    uniform: true,
    takes_steps: true,
    temperature: 0.0,
    knobs: &[
        Knob {
            name: "threshold",
            default: 0.95,
            range: (0.0, 2.0),
            help: "probability above which a token is settled",
        },
        Knob {
            name: "editing-threshold",
            default: 0.0,
            range: (0.0, 2.0),
            help: "probability above which a standing token is replaced; 0: never",
        },
        Knob {
            name: "post-steps",
            default: 16.0,
            range: (0.0, 1e6),
            help: "steps for edits after the last token is found early",
        },
    ],
    build: |setup| Ok(Box::new(Refinement::of(&setup))),
};

struct Refinement {
    frame: Frame,
    /// Places of the whole block, which the steps share.
    length: usize,
    open: usize,
    steps: usize,
    step: usize,
    threshold: f64,
    /// `None`: what stands stays.
    editing: Option<f64>,
    post_steps: usize,
}

impl Refinement {
    fn of(setup: &Setup<'_>) -> Self {
        Self {
            frame: Frame::new(setup, Draw::Inversion),
            length: setup.length,
            open: setup.open,
            steps: setup.steps,
            step: 0,
            threshold: setup.knob("threshold"),
            editing: Some(setup.knob("editing-threshold")).filter(|threshold| *threshold > 0.0),
            post_steps: setup.whole("post-steps"),
        }
    }

    /// What the step owes: its own share behind masks; among scrambled tokens, all that is owed so far.
    fn owed(&self, left: usize) -> usize {
        if self.frame.is_uniform() {
            let target = ((self.step + 1) * self.open).div_ceil(self.steps);
            return target.saturating_sub(self.open - left.min(self.open)).min(left);
        }
        quota(self.length, self.steps, self.step.min(self.steps - 1))
    }

    fn to_settle(&self, found: Vec<Candidate>) -> Vec<Candidate> {
        let sure = found.iter().filter(|c| c.probability > self.threshold).count();
        let owed = self.owed(found.len());
        best(found, sure.max(owed), |c| c.probability)
    }

    /// Standing tokens that the network would replace for sure.
    fn edits(&mut self, canvas: &Canvas, clean: &Logits, noise: &mut Noise) -> Vec<Candidate> {
        let Some(threshold) = self.editing else { return Vec::new() };
        let standing: Vec<usize> = self.frame.free(canvas).into_iter().filter(|i| !canvas.is_open(*i)).collect();
        let mut found = self.frame.candidates(&standing, clean, self.frame.choice, noise);
        found.retain(|c| c.probability > threshold && c.token != canvas.token(c.place));
        found
    }
}

impl Solver<Tokens> for Refinement {
    fn start(&self) -> Look {
        self.frame.look(1.0)
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        let open = self.frame.open(canvas);
        if open.is_empty() {
            self.post_steps = self.post_steps.saturating_sub(1);
        }
        let edits = self.edits(canvas, clean, noise);
        let found = self.frame.candidates(&open, clean, self.frame.choice, noise);
        let chosen = self.to_settle(found);
        settle(canvas, &chosen);
        settle(canvas, &edits);
        self.step += 1;
        let left = self.frame.open(canvas);
        if self.frame.is_uniform() {
            left.iter().for_each(|place| canvas.reopen(*place, noise));
        }
        // As in the reference, edits go on only where the block was done before its steps were.
        let in_time = if open.is_empty() { !edits.is_empty() } else { self.step < self.steps };
        let goes_on = self.editing.is_some() && self.post_steps > 0 && in_time;
        if left.is_empty() && !goes_on { Want::Done } else { Want::Next(self.frame.look_by_share(left.len())) }
    }
}
