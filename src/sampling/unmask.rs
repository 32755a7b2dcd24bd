//! Discrete diffusion: tokens are hidden (or scrambled), and found again step by step.
//!
//! Reading order: a [`Canvas`] is the state, [`Logits`] are the clean estimate, a [`Look`] says what the
//! network is asked; [`Survival`] is the noise schedule and [`Facts`] what is fixed by the model. A [`Method`]
//! is one way from a hidden canvas to a settled one; a [`Plan`] makes it ready, block after block. All of it
//! runs on the same engine as continuous diffusion: [`Tokens`] is another [`Space`].
//!
//! Whatever a network predicts (logits, shifted logits, ratios) is converted once, at the bottom, to log-weights
//! of clean tokens.

mod ancestral;
mod blocks;
mod canvas;
mod choice;
mod d3pm;
mod dream;
mod entropy_bound;
#[cfg(test)]
mod exact;
mod first_hitting;
mod frame;
mod guidance;
#[cfg(test)]
mod laws;
mod llada;
mod logits;
mod mdlm;
mod parallel;
mod penalty;
mod ratio;
mod refinement;
mod remdm;
mod reuse;
mod score;
mod sedd;
mod spaced;
mod survival;
mod threshold;

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::{Result, bail};

use super::denoiser::Space;
use super::names::{nearest_of, simplified};
use super::solver::{Knob, Solver};

pub use blocks::{Cut, Plan, Ready};
pub use canvas::{Canvas, Process, Settled};
pub use choice::{Candidate, Choice, Draw};
pub use guidance::HiddenPrompt;
pub use logits::{Logits, argmax, log_sum_exp};
pub use penalty::Repetition;
pub use ratio::weights_of_ratios;
pub use reuse::{Kept, REUSES, Reuse};
pub use score::{Bound, bound};
pub use survival::Survival;

/// Tokens: a [`Space`] of canvases.
#[derive(Clone, Copy, Debug)]
pub struct Tokens;

impl Space for Tokens {
    type State = Canvas;
    type Level = Look;
    type Clean = Logits;

    /// Empty: whoever answers knows the vocabulary and makes room.
    fn room(_: &Canvas) -> Logits {
        Logits::default()
    }

    fn size(x: &Canvas) -> usize {
        x.len()
    }

    /// Weights may be zero (a logit of minus infinity), but nothing else that is not finite.
    fn is_sound(clean: &Logits) -> bool {
        clean.values().iter().all(|l| *l < f32::INFINITY)
    }
}

/// What is asked about a canvas: how much noise there is, and which places are of interest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// Time, from 1 (nothing is known) to 0.
    pub time: f64,
    /// Total noise `sigma` at that time.
    pub sigma: f64,
    /// First place whose logits are wanted.
    pub start: usize,
    /// The place after the last one that is wanted.
    pub end: usize,
    /// Number of places that the network may see, counted from the first.
    pub context: usize,
}

impl Look {
    /// The places whose logits are wanted.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// What is fixed by the model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// What unknown tokens look like.
    pub process: Process,
    /// Number of different tokens, the mask included.
    pub vocabulary: usize,
    /// The noise schedule.
    pub survival: Survival,
    /// Whether the network is told the time: then the same canvas gives other logits at another time.
    pub timed: bool,
    /// Whether the sum of a place's weights is the network's own ([`Logits`]).
    pub weighted: bool,
}

/// A method for one block of one request, with its memory.
pub type Machine = Box<dyn Solver<Tokens>>;

/// What a method is built from: one block, and what was said about it.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// The method's line in the registry.
    pub method: &'static Method,
    /// What is fixed by the model.
    pub facts: Facts,
    /// The block's places. Those that are not free are left alone.
    pub span: Range<usize>,
    /// Places that the network may see while the block is worked on.
    pub context: usize,
    /// Places of the block that are to be found, at least 1.
    pub open: usize,
    /// Places of the whole block: more than `open` where a prompt ends inside it.
    pub length: usize,
    /// Steps for the block, at least 1.
    pub steps: usize,
    /// How tokens are chosen.
    pub choice: Choice,
    /// The user's values for the method's knobs.
    pub knobs: &'a BTreeMap<String, f64>,
}

impl Setup<'_> {
    /// A knob's value: the user's, or its default.
    pub fn knob(&self, name: &str) -> f64 {
        let default = self.method.knobs.iter().find(|knob| knob.name == name).map_or(0.0, |knob| knob.default);
        self.knobs.get(name).copied().unwrap_or(default)
    }

    /// A knob's value as a whole number.
    pub fn whole(&self, name: &str) -> usize {
        self.knob(name).max(0.0) as usize
    }
}

/// A line of the registry: a method's names and facts, and how to build it.
#[derive(Debug)]
pub struct Method {
    /// Lower case with hyphens.
    pub name: &'static str,
    /// Other names users know.
    pub aliases: &'static [&'static str],
    /// What it does, in a line.
    pub help: &'static str,
    /// Where it is described.
    pub paper: &'static str,
    /// Whether it runs on models with a mask.
    pub absorbing: bool,
    /// Whether it runs on models that scramble tokens instead.
    pub uniform: bool,
    /// Whether `--steps` acts on it; otherwise the logits decide how many there are.
    pub takes_steps: bool,
    /// Temperature when none is asked for.
    pub temperature: f64,
    /// Numbers it can be tuned by.
    pub knobs: &'static [Knob],
    /// Builds the method for one block of one request.
    pub build: fn(Setup<'_>) -> Result<Machine>,
}

/// Every method for tokens.
pub const METHODS: &[&Method] = &[
    &mdlm::METHOD,
    &first_hitting::METHOD,
    &d3pm::METHOD,
    &sedd::EULER,
    &sedd::ANALYTIC,
    &llada::LOW_CONFIDENCE,
    &llada::RANDOM,
    &dream::ORIGIN,
    &dream::MASKGIT_PLUS,
    &dream::TOPK_MARGIN,
    &dream::ENTROPY,
    &threshold::METHOD,
    &threshold::FACTOR,
    &entropy_bound::METHOD,
    &spaced::METHOD,
    &refinement::METHOD,
    &remdm::CAP,
    &remdm::RESCALE,
    &remdm::CONFIDENCE,
    &remdm::LOOP,
];

impl Method {
    /// Finds a method by its name or an alias; case, spaces, hyphens and underscores do not matter.
    ///
    /// # Errors
    /// Naming the nearest known methods.
    pub fn find(name: &str) -> Result<&'static Method> {
        let wanted = simplified(name);
        let hit = |m: &&&Method| simplified(m.name) == wanted || m.aliases.iter().any(|a| simplified(a) == wanted);
        match METHODS.iter().find(hit) {
            Some(method) => Ok(method),
            None => bail!("the sampler {name:?} is not known for text; nearest are {}", like(name)),
        }
    }

    /// Whether the method can run on a model.
    ///
    /// # Errors
    /// Naming methods that can.
    pub fn check_process(&self, process: Process) -> Result<()> {
        let able = |m: &Method| if process == Process::Uniform { m.uniform } else { m.absorbing };
        if able(self) {
            return Ok(());
        }
        let others: Vec<_> = METHODS.iter().filter(|m| able(m)).map(|m| m.name).collect();
        let kind = if process == Process::Uniform { "scrambles tokens and has no mask" } else { "masks tokens" };
        bail!("--sampler {} cannot run on a model that {kind}; choose one of {}", self.name, others.join(", "))
    }

    /// # Errors
    /// For options that the method does not have, and values out of range.
    pub fn check_knobs(&self, knobs: &BTreeMap<String, f64>) -> Result<()> {
        Knob::check_all(self.name, self.knobs, knobs)
    }
}

/// The methods whose names, of any kind, are nearest to one.
fn like(name: &str) -> String {
    let names = |m: &&'static Method| [m.name].into_iter().chain(m.aliases.iter().copied()).map(|name| (name, m.name));
    nearest_of(name, METHODS.iter().flat_map(|m| names(m).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_laws() {
        let mut names: Vec<String> = METHODS.iter().map(|m| simplified(m.name)).collect();
        names.extend(METHODS.iter().flat_map(|m| m.aliases.iter().map(|a| simplified(a))));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "a name stands for two methods");
        for method in METHODS {
            assert_eq!(Method::find(method.name).unwrap().name, method.name);
            assert!(!method.paper.is_empty() && !method.help.is_empty() && (method.absorbing || method.uniform));
            for knob in method.knobs {
                assert!((knob.range.0..=knob.range.1).contains(&knob.default), "{}: {}", method.name, knob.name);
            }
        }
    }

    #[test]
    fn mistyped_names_and_options_get_help() {
        assert!(Method::find("lada").unwrap_err().to_string().contains("llada"));
        let knobs = BTreeMap::from([("sparkle".to_owned(), 1.0)]);
        assert!(threshold::METHOD.check_knobs(&knobs).unwrap_err().to_string().contains("threshold"));
        let error = mdlm::METHOD.check_process(Process::Uniform).unwrap_err().to_string();
        assert!(error.contains("d3pm") && error.contains("mdlm"), "{error}");
    }
}
