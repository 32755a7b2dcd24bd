//! Explicit Runge-Kutta steps of `dX/dtime = (X - clean) / time`, for any tableau.

use crate::sampling::Latent;
use crate::sampling::latent::{combine, copy_into};
use crate::sampling::schedule::Clock;

/// The coefficients of a method: row `i` gives the state after evaluation `i` from the slopes seen so
/// far, and `times` the share of the step at which that state lies. The last row ends the step.
#[derive(Debug)]
pub(super) struct Tableau {
    pub(super) rows: &'static [&'static [f64]],
    pub(super) times: &'static [f64],
}

/// Kutta's classical method of order 4.
pub(super) const CLASSICAL: Tableau = Tableau {
    rows: &[&[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0], &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0]],
    times: &[0.5, 0.5, 1.0, 1.0],
};

/// Heun's method of order 3, which never looks at the end of the step: a clean state has no slope.
pub(super) const OPEN: Tableau =
    Tableau { rows: &[&[1.0 / 3.0], &[0.0, 2.0 / 3.0], &[0.25, 0.0, 0.75]], times: &[1.0 / 3.0, 2.0 / 3.0, 1.0] };

/// Dormand and Prince's method of order 5.
pub(super) const DORMAND_PRINCE: Tableau = Tableau {
    rows: &[
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
        &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    ],
    times: &[0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0],
};

/// Its distance from the embedded method of order 4, over the seven slopes.
pub(super) const DORMAND_PRINCE_ERROR: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// The slopes of a step in recycled memory, and the state it began with.
#[derive(Clone, Debug)]
pub(super) struct Stages {
    before: Latent,
    from: Clock,
    slopes: Vec<Latent>,
    seen: usize,
}

impl Stages {
    pub(super) fn new() -> Self {
        Self { before: Latent::zeros(vec![0]), from: Clock { scale: 1.0, time: 1.0 }, slopes: Vec::new(), seen: 0 }
    }

    /// Slopes seen in this step.
    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// The clock where the step began.
    pub(super) fn from(&self) -> Clock {
        self.from
    }

    /// The state the step began with.
    pub(super) fn before(&self) -> &Latent {
        &self.before
    }

    /// The slopes of the step, oldest first.
    pub(super) fn slopes(&self) -> &[Latent] {
        self.slopes.get(..self.seen).unwrap_or_default()
    }

    /// Takes in what the model said of the state `x` at a time; the first of a step begins it.
    pub(super) fn see(&mut self, x: &Latent, clean: &mut Latent, at: Clock) {
        if self.seen == 0 {
            copy_into(&mut self.before, x);
            self.from = at;
        }
        combine(clean, -1.0 / at.time, &[(1.0 / (at.scale * at.time), x)]);
        match self.slopes.get_mut(self.seen) {
            Some(slot) => std::mem::swap(slot, clean),
            None => self.slopes.push(std::mem::replace(clean, Latent::zeros(x.raw_dim()))),
        }
        self.seen += 1;
    }

    /// The state that a row of the tableau gives at `to`, for a step of length `length`.
    pub(super) fn place(&self, x: &mut Latent, row: &[f64], length: f64, to: Clock) {
        let slopes = row.iter().zip(&self.slopes).filter(|(weight, _)| **weight != 0.0);
        let terms: Vec<(f64, &Latent)> = std::iter::once((to.scale / self.from.scale, &self.before))
            .chain(slopes.map(|(weight, slope)| (to.scale * length * weight, slope)))
            .collect();
        combine(x, 0.0, &terms);
    }

    /// Goes back to the first slope of the step, to try it with another length.
    pub(super) fn retry(&mut self) {
        self.seen = 1;
    }

    /// Ends the step.
    pub(super) fn end(&mut self) {
        self.seen = 0;
    }

    /// Ends the step where its last slope was seen, in the state `x`, and begins the next there.
    pub(super) fn carry_on(&mut self, x: &Latent, at: Clock) {
        copy_into(&mut self.before, x);
        self.from = at;
        self.slopes.swap(0, self.seen - 1);
        self.seen = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_sum_to_their_times() {
        for tableau in [&CLASSICAL, &OPEN, &DORMAND_PRINCE] {
            for (row, time) in tableau.rows.iter().zip(tableau.times) {
                assert!((row.iter().sum::<f64>() - time).abs() < 1e-12);
            }
        }
        assert!(DORMAND_PRINCE_ERROR.iter().sum::<f64>().abs() < 1e-12);
    }
}
