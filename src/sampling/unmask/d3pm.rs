//! D3PM (Austin et al. 2021, arXiv 2107.03006): the posterior `q(x_s | x_t, x_0)` with `x_0` drawn from the network,
//! for masks and for scrambled tokens; the latter with a Gibbs corrector on leave-one-out conditionals
//! (arXiv 2605.22765).

use super::ancestral::{self, Interval, Kernel, even};
use super::choice::{normalise, pick};
use super::frame::Frame;
use super::mdlm::Absorbing;
use super::ratio::leave_one_out;
use super::{Canvas, Logits, Machine, Method, Setup};
use crate::sampling::Noise;
use crate::sampling::solver::Knob;
use anyhow::{Result, bail};

pub(super) const METHOD: Method = Method {
    name: "d3pm",
    aliases: &["discrete-ddim", "DiscreteDDIMScheduler"],
    help: "the posterior of masked or scrambled tokens, an evaluation a step; corrector for scrambled ones",
    paper: "Austin et al. 2021, arXiv 2107.03006",
    absorbing: true,
    uniform: true,
    takes_steps: true,
    temperature: 1.0,
    knobs: &[
        Knob {
            name: "corrector-steps",
            default: 0.0,
            range: (0.0, 100.0),
            help: "Gibbs sweeps after each step (scrambled tokens only)",
        },
        Knob { name: "corrector-k", default: 1.0, range: (1.0, 1e6), help: "places a sweep draws again" },
        Knob {
            name: "corrector-selection",
            default: 0.0,
            range: (0.0, 3.0),
            help: "which places: 0 lowest log-margin, 1 lowest likeliest, 2 lowest current, 3 random",
        },
        Knob { name: "corrector-tau", default: 1.0, range: (1e-6, 1e6), help: "temperature of that selection" },
    ],
    build,
};

fn build(setup: Setup<'_>) -> Result<Machine> {
    let grid = even(setup.steps, 0.0);
    let frame = Frame::new(&setup, super::Draw::Inversion);
    if frame.is_uniform() {
        return Ok(ancestral::machine(&setup, grid, Uniform { corrector: Corrector::of(&setup) }));
    }
    if let Some(name) = setup.knobs.keys().next() {
        bail!("the option {name} of --sampler d3pm needs a model that scrambles tokens; this one masks them");
    }
    Ok(ancestral::machine(&setup, grid, Absorbing { reuses: false }))
}

/// The chain of scrambled tokens.
struct Uniform {
    corrector: Corrector,
}

/// Draws `x_s` given `x_t` and `x_0`: straight to `x_0`, to where it is, or to any token.
fn posterior(token: u32, clean: u32, alphas: (f64, f64), vocabulary: usize, noise: &mut Noise) -> u32 {
    let ((before, after), count) = (alphas, vocabulary as f64);
    let survival = before / after;
    let same = f64::from(u8::from(token == clean));
    let to_clean = after * (1.0 - survival) / count + survival * after * same;
    let stay = survival * (1.0 - after) / count;
    let anywhere = (1.0 - survival) * (1.0 - after) / count;
    match pick(&[to_clean, stay, anywhere], noise) {
        0 => clean,
        1 => token,
        _ => noise.below(vocabulary) as u32,
    }
}

impl Kernel for Uniform {
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool {
        let alphas = (frame.facts.survival.alpha(step.at), frame.facts.survival.alpha(step.to));
        for place in frame.free(canvas) {
            let found = frame.candidate(place, clean, noise);
            if step.last {
                canvas.settle(place, found.token, found.log_probability);
            } else {
                let token = posterior(canvas.token(place), found.token, alphas, frame.facts.vocabulary, noise);
                canvas.move_to(place, token);
            }
        }
        true
    }

    fn sweeps(&self) -> usize {
        self.corrector.sweeps
    }

    fn sweep(&mut self, frame: &mut Frame, canvas: &mut Canvas, clean: &Logits, time: f64, noise: &mut Noise) {
        self.corrector.sweep(frame, canvas, clean, time, noise);
    }
}

/// Draws some places again from `p_s(token | all others)`, which leaves the distribution at `s` as it is.
struct Corrector {
    sweeps: usize,
    count: usize,
    selection: Selection,
    tau: f64,
}

/// By what the places of a sweep are selected.
#[derive(Clone, Copy, PartialEq)]
enum Selection {
    LogMargin,
    Likeliest,
    Current,
    Random,
}

impl Corrector {
    fn of(setup: &Setup<'_>) -> Self {
        let selection = match setup.whole("corrector-selection") {
            0 => Selection::LogMargin,
            1 => Selection::Likeliest,
            2 => Selection::Current,
            _ => Selection::Random,
        };
        let (sweeps, count) = (setup.whole("corrector-steps"), setup.whole("corrector-k"));
        Self { sweeps, count, selection, tau: setup.knob("corrector-tau") }
    }

    fn sweep(&self, frame: &mut Frame, canvas: &mut Canvas, clean: &Logits, time: f64, noise: &mut Noise) {
        let alpha = frame.facts.survival.alpha(time);
        let places = frame.free(canvas);
        let mut conditional = |place: usize| -> Vec<f64> {
            let mut own = frame.shaped(place, clean).to_vec();
            leave_one_out(canvas.token(place), alpha, &mut own);
            normalise(&mut own);
            own
        };
        let mut keyed: Vec<(f64, usize, Vec<f64>)> = Vec::with_capacity(places.len());
        for place in places {
            let own = conditional(place);
            keyed.push((self.key(&own, canvas.token(place) as usize, noise), place, own));
        }
        keyed.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (_, place, own) in keyed.iter().take(self.count) {
            canvas.move_to(*place, pick(own, noise) as u32);
        }
    }

    /// How much a place wants to be drawn again; Gumbel noise makes it a selection without replacement.
    fn key(&self, conditional: &[f64], token: usize, noise: &mut Noise) -> f64 {
        let log = |p: f64| p.max(f64::MIN_POSITIVE).ln();
        let current = conditional.get(token).copied().unwrap_or_default();
        let others = conditional.iter().enumerate().filter(|(i, _)| *i != token).map(|(_, p)| *p);
        let best_other = others.fold(0.0, f64::max);
        let doubt = match self.selection {
            Selection::Random => return noise.uniform(),
            Selection::LogMargin => log(best_other) - log(current),
            Selection::Likeliest => -log(best_other.max(current)),
            Selection::Current => -log(current),
        };
        doubt / self.tau - (-noise.uniform().clamp(1e-12, 1.0 - 1e-12).ln()).ln()
    }
}
