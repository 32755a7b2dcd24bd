//! Entropy-bounded decoding (Ben-Hamu et al. 2025, arXiv 2505.24857): the places of least entropy, as many as can be
//! found at once while the sum of their entropies but the largest, which bounds how much they depend on each other,
//! stays below a bound.

use super::choice::{Candidate, Choice, Draw};
use super::frame::{Frame, settle};
use super::parallel::{self, Rule, best};
use super::{Look, Machine, Method, Setup, Tokens};
use crate::sampling::solver::Knob;
use crate::sampling::{Noise, Seen, Solver, Want};
use anyhow::{Result, bail};

pub(super) const METHOD: Method = Method {
    name: "entropy-bound",
    aliases: &["eb", "EntropyBoundScheduler"],
    help: "the places of least entropy, as many as the bound on their dependence allows",
    paper: "Ben-Hamu et al. 2025, arXiv 2505.24857",
    absorbing: true,
    uniform: true,
    takes_steps: false,
    temperature: 1.0,
    knobs: &[
        Knob { name: "bound", default: 0.1, range: (0.0, 1e6), help: "nats; 0: one token an evaluation" },
        Knob { name: "most-steps", default: 32.0, range: (1.0, 1e6), help: "steps of a block (scrambled tokens only)" },
        Knob { name: "t-max", default: 0.8, range: (1e-3, 100.0), help: "first temperature (scrambled tokens only)" },
        Knob { name: "t-min", default: 0.4, range: (1e-3, 100.0), help: "last temperature (scrambled tokens only)" },
    ],
    build,
};

fn build(setup: Setup<'_>) -> Result<Machine> {
    let bound = Bound(setup.knob("bound"));
    let frame = Frame::new(&setup, Draw::Inversion);
    if frame.is_uniform() {
        let (temperatures, steps) = ((setup.knob("t-max"), setup.knob("t-min")), setup.whole("most-steps"));
        return Ok(Box::new(Scrambled { frame, bound, temperatures, steps, step: 0 }));
    }
    if let Some(name) = setup.knobs.keys().find(|name| *name != "bound") {
        bail!("the option {name} of --sampler entropy-bound needs a model that scrambles tokens; this one masks them");
    }
    Ok(parallel::machine(&setup, Draw::Inversion, bound))
}

/// The bound in nats.
struct Bound(f64);

impl Rule for Bound {
    fn choose(&mut self, found: Vec<Candidate>, _: &mut Noise) -> Vec<Candidate> {
        let count = found.len();
        let sorted = best(found, count, |c| -c.entropy);
        let mut before = 0.0;
        let mut fits = |c: &Candidate| {
            let within = before <= self.0;
            before += c.entropy;
            within
        };
        sorted.into_iter().take_while(&mut fits).collect()
    }
}

/// For models without a mask: what is not accepted is scrambled again, and may be accepted anew each step. The
/// temperature falls over the steps.
struct Scrambled {
    frame: Frame,
    bound: Bound,
    temperatures: (f64, f64),
    steps: usize,
    step: usize,
}

impl Scrambled {
    fn choice(&self) -> Choice {
        let ((first, last), part) = (self.temperatures, (self.steps - self.step) as f64 / self.steps as f64);
        Choice { temperature: last + (first - last) * part, ..self.frame.choice }
    }
}

impl Solver<Tokens> for Scrambled {
    fn start(&self) -> Look {
        self.frame.look(1.0)
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        let places = self.frame.free(canvas);
        let found = self.frame.candidates(&places, clean, self.choice(), noise);
        self.step += 1;
        if self.step >= self.steps {
            settle(canvas, &found);
            return Want::Done;
        }
        let accepted = self.bound.choose(found, noise);
        places.iter().for_each(|place| canvas.reopen(*place, noise));
        settle(canvas, &accepted);
        Want::Next(self.frame.look_by_share(places.len() - accepted.len()))
    }
}
