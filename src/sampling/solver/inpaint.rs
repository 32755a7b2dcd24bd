//! Keeping part of a state as it is known to be: inpainting with any method.

use super::{Seen, Solver, Want};
use crate::sampling::{Latent, Level, Noise};

/// What is known of the result.
#[derive(Clone, Debug)]
pub struct Known {
    /// The clean state.
    pub clean: Latent,
    /// The unit noise that the run started from, so that what is kept stays in step with the rest.
    pub noise: Latent,
    /// Of the state's shape: 1 where it is made anew, 0 where it is kept.
    pub mask: Latent,
}

/// A method that after every step puts back what is known, at the step's noise level.
///
/// This is what the reference pipelines do with networks that were not trained for inpainting (Blended Latent
/// Diffusion, Avrahami et al. 2023).
pub fn inpaint(inner: Box<dyn Solver>, known: Known) -> Box<dyn Solver> {
    Box::new(Inpaint { inner, known })
}

struct Inpaint {
    inner: Box<dyn Solver>,
    known: Known,
}

impl Solver for Inpaint {
    fn start(&self) -> Level {
        self.inner.start()
    }

    fn advance(&mut self, seen: Seen<'_>, noise: &mut Noise) -> Want {
        let Seen { x, clean, extra } = seen;
        let want = self.inner.advance(Seen { x, clean, extra }, noise);
        match want {
            Want::Next(level) => self.known.put_back(x, level),
            Want::Done => self.known.put_back(x, Level::CLEAN),
            Want::Probe(_) => {}
        }
        want
    }

    fn extra_groups(&self) -> usize {
        self.inner.extra_groups()
    }
}

impl Known {
    fn put_back(&self, x: &mut Latent, level: Level) {
        let (alpha, sigma) = (level.alpha as f32, level.sigma as f32);
        let known = self.clean.iter().zip(&self.noise).zip(&self.mask);
        for (x, ((clean, noise), mask)) in x.iter_mut().zip(known) {
            *x = mask * *x + (1.0 - mask) * (alpha * clean + sigma * noise);
        }
    }
}
