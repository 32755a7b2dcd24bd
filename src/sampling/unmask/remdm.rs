//! ReMDM (Wang et al. 2025, arXiv 2503.00307): ancestral sampling that may hide again what it has found, so that
//! mistakes are mended. The marginals stay those of the schedule for any chance `sigma` of hiding up to
//! `min(1, (1 - alpha_s) / alpha_t)`.

use super::ancestral::{self, Interval, Kernel, even};
use super::frame::{Frame, settle};
use super::{Canvas, Logits, Machine, Method, Setup};
use crate::sampling::Noise;
use crate::sampling::solver::Knob;
use anyhow::Result;

pub(super) const CAP: Method = Method {
    name: "remdm-cap",
    aliases: &["remdm"],
    help: "found tokens are hidden again with a chance of at most eta",
    paper: "Wang et al. 2025, arXiv 2503.00307",
    absorbing: true,
    uniform: false,
    takes_steps: true,
    temperature: 1.0,
    knobs: &[Knob { name: "eta", default: 0.02, range: (0.0, 1.0), help: "the largest chance; 0: as mdlm" }],
    build: |setup| build(setup, Hide::Cap),
};

pub(super) const RESCALE: Method = Method {
    name: "remdm-rescale",
    aliases: &[],
    help: "found tokens are hidden again with a share eta of the largest chance",
    knobs: &[Knob { name: "eta", default: 0.015, range: (0.0, 1.0), help: "the share; 0: as mdlm" }],
    build: |setup| build(setup, Hide::Rescale),
    ..CAP
};

pub(super) const CONFIDENCE: Method = Method {
    name: "remdm-conf",
    aliases: &[],
    help: "found tokens are hidden again, those first that were found with little probability",
    knobs: &[],
    build: |setup| build(setup, Hide::Confidence),
    ..CAP
};

pub(super) const LOOP: Method = Method {
    name: "remdm-loop",
    aliases: &[],
    help: "mdlm, then tokens hidden and found again at the same noise, then mdlm to the end",
    knobs: &[
        Knob { name: "eta", default: 0.02, range: (0.0, 1.0), help: "the chance of hiding inside the loop" },
        Knob { name: "t-on", default: 0.55, range: (0.0, 1.0), help: "time at which the loop begins" },
        Knob { name: "t-off", default: 0.05, range: (0.0, 1.0), help: "time at which it ends" },
        Knob { name: "alpha-on", default: 0.9, range: (0.0, 1.0), help: "share that is found inside the loop" },
    ],
    build: |setup| build(setup, Hide::Loop),
    ..CAP
};

#[derive(Clone, Copy, PartialEq)]
enum Hide {
    Cap,
    Rescale,
    Confidence,
    Loop,
}

struct Remask {
    hide: Hide,
    eta: f64,
    window: Window,
}

/// The loop's place in time.
struct Window {
    on: f64,
    off: f64,
    alpha: f64,
}

fn build(setup: Setup<'_>, hide: Hide) -> Result<Machine> {
    let (on, off, alpha) = (setup.knob("t-on"), setup.knob("t-off"), setup.knob("alpha-on"));
    if hide == Hide::Loop && on <= off {
        anyhow::bail!("the options of --sampler remdm-loop say t-on={on} and t-off={off}, but t-on must be the larger");
    }
    let kernel = Remask { hide, eta: setup.knob("eta"), window: Window { on, off, alpha } };
    Ok(ancestral::machine(&setup, even(setup.steps, 0.0), kernel))
}

impl Window {
    /// What survives at a time: quickly to `alpha`, there for the whole window, then on to 1.
    fn alpha(&self, t: f64) -> f64 {
        if t > self.on {
            (1.0 - t) * self.alpha / (1.0 - self.on)
        } else if t <= self.off {
            1.0 - t * (1.0 - self.alpha) / self.off.max(f64::MIN_POSITIVE)
        } else {
            self.alpha
        }
    }

    fn holds(&self, t: f64) -> bool {
        t <= self.on && t > self.off
    }
}

impl Remask {
    fn alpha(&self, frame: &Frame, t: f64) -> f64 {
        if self.hide == Hide::Loop { self.window.alpha(t) } else { frame.facts.survival.alpha(t) }
    }

    /// The chance that any found token is hidden again.
    fn sigma(&self, step: Interval, (before, after): (f64, f64)) -> f64 {
        let most = if before > 0.0 { ((1.0 - after) / before).min(1.0) } else { 1.0 };
        match self.hide {
            _ if step.last => 0.0,
            Hide::Cap => most.min(self.eta),
            Hide::Rescale => most * self.eta,
            Hide::Confidence => most,
            Hide::Loop => f64::from(u8::from(self.window.holds(step.at) && self.window.holds(step.to))) * self.eta,
        }
    }

    /// Each found place's own share of `sigma`.
    fn shares(&self, canvas: &Canvas, found: &[usize]) -> Vec<f64> {
        if self.hide != Hide::Confidence {
            return vec![1.0; found.len()];
        }
        let confidence = |i: &usize| canvas.settled(*i).map_or(0.0, |s| f64::from(s.log_probability).exp());
        let weights: Vec<f64> = found.iter().map(|i| (-confidence(i)).exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| w / sum).collect()
    }
}

impl Kernel for Remask {
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool {
        let (before, after) = (self.alpha(frame, step.at), self.alpha(frame, step.to));
        let sigma = self.sigma(step, (before, after));
        let standing: Vec<usize> = frame.free(canvas).into_iter().filter(|i| !canvas.is_open(*i)).collect();
        // The paper's confidence variant has no sigma where a token is hidden.
        let kept = if self.hide == Hide::Confidence { before } else { (1.0 - sigma) * before };
        let share = if step.last { 1.0 } else { ((after - kept) / (1.0 - before)).clamp(0.0, 1.0) };
        let mut open = frame.open(canvas);
        open.retain(|_| noise.uniform() < share);
        let found = frame.candidates(&open, clean, frame.choice, noise);
        settle(canvas, &found);
        let mut changed = !found.is_empty();
        for (place, own) in standing.iter().zip(self.shares(canvas, &standing)) {
            if noise.uniform() < own * sigma {
                canvas.reopen(*place, noise);
                changed = true;
            }
        }
        changed
    }

    fn reopens(&self) -> bool {
        true
    }

    fn told(&self, frame: &Frame, time: f64) -> f64 {
        if self.hide == Hide::Loop { frame.facts.survival.time(self.window.alpha(time)) } else { time }
    }
}
