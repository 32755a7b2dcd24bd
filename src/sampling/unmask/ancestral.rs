//! The machine of methods that follow the reverse chain over a grid of times.

use super::choice::Draw;
use super::frame::Frame;
use super::{Canvas, Logits, Look, Machine, Setup, Tokens};
use crate::sampling::{Noise, Seen, Solver, Want};

/// One step of the chain, from time `at` down to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) at: f64,
    pub(super) to: f64,
    /// Whether everything must be settled after it.
    pub(super) last: bool,
}

/// What a step of the chain does to a canvas.
pub(super) trait Kernel: Send {
    /// Takes the step; true when a token changed.
    fn step(
        &mut self,
        frame: &mut Frame,
        canvas: &mut Canvas,
        clean: &Logits,
        step: Interval,
        noise: &mut Noise,
    ) -> bool;

    /// Whether logits are used again while no token changed and the network is not told the time.
    fn reuses(&self) -> bool {
        true
    }

    /// Whether settled places may be opened again, so that the chain goes on when none is open.
    fn reopens(&self) -> bool {
        false
    }

    /// The time the network is told at a time of the grid.
    fn told(&self, _frame: &Frame, time: f64) -> f64 {
        time
    }

    /// Corrector sweeps after each step but the last.
    fn sweeps(&self) -> usize {
        0
    }

    /// One sweep at a time.
    fn sweep(&mut self, _: &mut Frame, _: &mut Canvas, _: &Logits, _time: f64, _: &mut Noise) {}
}

struct Ancestral<K> {
    frame: Frame,
    kernel: K,
    grid: Vec<f64>,
    index: usize,
    sweeps_left: usize,
}

/// The machine around a kernel, over a falling grid of at least two times.
pub(super) fn machine(setup: &Setup<'_>, grid: Vec<f64>, kernel: impl Kernel + 'static) -> Machine {
    Box::new(Ancestral { frame: Frame::new(setup, Draw::Inversion), kernel, grid, index: 0, sweeps_left: 0 })
}

/// `steps + 1` times from 1 to `end`, evenly spaced.
pub(super) fn even(steps: usize, end: f64) -> Vec<f64> {
    (0..=steps).map(|i| 1.0 - (1.0 - end) * i as f64 / steps.max(1) as f64).collect()
}

impl<K: Kernel> Ancestral<K> {
    fn time(&self, index: usize) -> f64 {
        self.grid.get(index).copied().unwrap_or_default()
    }

    fn look(&self) -> Look {
        self.frame.look(self.kernel.told(&self.frame, self.time(self.index)))
    }

    fn step(&mut self, canvas: &mut Canvas, clean: &Logits, noise: &mut Noise) -> bool {
        let last = self.index + 2 >= self.grid.len();
        let step = Interval { at: self.time(self.index), to: self.time(self.index + 1), last };
        self.index += 1;
        self.sweeps_left = self.kernel.sweeps();
        self.kernel.step(&mut self.frame, canvas, clean, step, noise)
    }

    fn is_done(&self, canvas: &Canvas) -> bool {
        self.index + 1 >= self.grid.len() || (!self.kernel.reopens() && self.frame.open(canvas).is_empty())
    }
}

impl<K: Kernel> Solver<Tokens> for Ancestral<K> {
    fn start(&self) -> Look {
        self.look()
    }

    fn advance(&mut self, Seen { x: canvas, clean, .. }: Seen<'_, Tokens>, noise: &mut Noise) -> Want<Look> {
        if self.sweeps_left > 0 {
            self.sweeps_left -= 1;
            let time = self.time(self.index);
            self.kernel.sweep(&mut self.frame, canvas, clean, time, noise);
            return Want::Probe(self.look());
        }
        loop {
            let changed = self.step(canvas, clean, noise);
            if self.is_done(canvas) {
                return Want::Done;
            }
            if changed || self.frame.facts.timed || !self.kernel.reuses() {
                return Want::Next(self.look());
            }
        }
    }
}
