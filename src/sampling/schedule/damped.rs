//! Critically damped Langevin diffusion (Dockhorn et al. 2022): a state with a velocity, which alone takes noise.
//!
//! A latent of this diffusion is doubled: the state, then as many channels of velocity. Both obey
//! `d(x, v) = linear(x, v) dt + noise in v`; damping is critical, `friction^2 = 4 * mass`.

use anyhow::{Result, bail};

use crate::sampling::config::{Config, Defaults, Source, Value};
use crate::sampling::latent::{values, values_mut};
use crate::sampling::{Latent, Level};

/// The diffusion's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damped {
    /// Speed of time.
    pub beta: f64,
    /// Mass of the velocity; its variance in equilibrium.
    pub mass: f64,
    /// Variance of the velocity of data, over the mass.
    pub gamma: f64,
}

/// Configuration keys of such models, named as their authors' settings.
pub const DAMPED_KEYS: Defaults =
    &[("beta", Value::Number(4.0)), ("m_inv", Value::Number(4.0)), ("vv_gamma", Value::Number(0.04))];

/// A matrix on (state, velocity), by rows.
type Matrix = [[f64; 2]; 2];

/// What a network's output means at a time: `score of the velocity = -v / whole - root * output`, and that is
/// `-of_x * x - of_v * v + pull * clean` with the clean state.
#[derive(Clone, Copy, Debug)]
struct Reading {
    whole: f64,
    root: f64,
    of_x: f64,
    of_v: f64,
    pull: f64,
}

impl Damped {
    /// The class that a configuration names for models of this kind; no class of diffusers runs them.
    pub const CLASS: &'static str = "CriticallyDampedScheduler";

    /// The paper's constants for images.
    pub const IMAGES: Damped = Damped { beta: 4.0, mass: 0.25, gamma: 0.04 };

    /// Whether a configuration is of such a model.
    pub fn is(source: &Source) -> bool {
        source.class == Self::CLASS
    }

    /// Reads the constants of a configuration.
    ///
    /// # Errors
    /// For values that are not above 0, naming the key.
    pub fn from_source(source: &Source) -> Result<Self> {
        let config = Config::take_over(Self::CLASS, &[DAMPED_KEYS], source);
        let positive = |key| match config.number(key)? {
            value if value > 0.0 && value.is_finite() => Ok(value),
            value => bail!("the scheduler key {key} is {value}, but must be above 0"),
        };
        Ok(Self { beta: positive("beta")?, mass: 1.0 / positive("m_inv")?, gamma: positive("vv_gamma")? })
    }

    /// Friction of critical damping.
    fn friction(self) -> f64 {
        2.0 * self.mass.sqrt()
    }

    /// What the linear part of the diffusion does in `time`; `sign` is 1 forwards, -1 backwards.
    fn flow(self, time: f64, sign: f64) -> Matrix {
        let (rate, passed) = (1.0 / self.mass.sqrt(), self.beta * time);
        let shrink = (-rate * passed).exp();
        [
            [shrink * (1.0 + rate * passed), sign * shrink * passed / self.mass],
            [-sign * shrink * passed, shrink * (1.0 - rate * passed)],
        ]
    }

    /// Covariance `(xx, xv, vv)` of the noise that comes in during `time`: what the equilibrium has
    /// and the linear part leaves.
    fn noise(self, time: f64, sign: f64) -> [f64; 3] {
        let m = self.flow(time, sign);
        let kept = |i: usize, j: usize| m[i][0] * m[j][0] + self.mass * m[i][1] * m[j][1];
        [1.0 - kept(0, 0), -kept(0, 1), self.mass - kept(1, 1)]
    }

    /// The covariance `(xx, xv, vv)` of a state around its data at `time`, and what is left of the
    /// data in state and velocity.
    pub fn marginal(self, time: f64) -> ([f64; 3], [f64; 2]) {
        let m = self.flow(time, 1.0);
        let [xx, xv, vv] = self.noise(time, 1.0);
        let start = self.gamma * self.mass;
        let spread = |i: usize, j: usize| start * m[i][1] * m[j][1];
        ([xx + spread(0, 0), xv + spread(0, 1), vv + spread(1, 1)], [m[0][0], m[1][0]])
    }

    /// The level of a time in 0..=1, as the state without its velocity has it.
    pub fn level(self, time: f64) -> Level {
        let ([xx, ..], [alpha, _]) = self.marginal(time);
        Level { t: time, alpha, sigma: xx.sqrt() }
    }

    fn reading(self, time: f64) -> Reading {
        let ([xx, xv, vv], [m, n]) = self.marginal(time);
        let inner = xx * vv - xv * xv;
        let (of_x, of_v) = (-xv / inner, xx / inner);
        // With data of unit variance in it: the part of the score that the network need not say.
        let [wxx, wxv, wvv] = [xx + m * m, xv + m * n, vv + n * n];
        let root = (wxx / (wxx * wvv - wxv * wxv)).sqrt();
        Reading { whole: wvv, root, of_x, of_v, pull: of_x * m + of_v * n }
    }

    /// Turns what a network said, in the half of the velocity, into the clean estimate of the doubled state: that of the
    /// state by its likelihood, that of the velocity as its own given both.
    pub fn to_clean(self, said: &mut Latent, x: &Latent, time: f64) {
        let r = self.reading(time);
        let velocity = self.velocity_weights(time);
        let half = said.len() / 2;
        let (state, speed) = values(x).split_at(half);
        let (clean, said) = values_mut(said).split_at_mut(half);
        for ((x, v), (clean, said)) in state.iter().zip(speed).zip(clean.iter_mut().zip(said)) {
            let (x, v) = (f64::from(*x), f64::from(*v));
            let estimate = ((r.of_v - 1.0 / r.whole) * v + r.of_x * x - r.root * f64::from(*said)) / r.pull;
            (*clean, *said) = (estimate as f32, velocity(x, v, estimate) as f32);
        }
    }

    /// The inverse of [`Damped::to_clean`].
    pub fn from_clean(self, clean: &mut Latent, x: &Latent, time: f64) {
        let r = self.reading(time);
        self.each(clean, x, |x, v, clean| ((r.of_v - 1.0 / r.whole) * v + r.of_x * x - r.pull * clean) / r.root);
    }

    /// The score of the velocity behind a clean estimate, in the half of the velocity.
    pub fn score(self, clean: &mut Latent, x: &Latent, time: f64) {
        let r = self.reading(time);
        self.each(clean, x, |x, v, clean| r.pull * clean - r.of_x * x - r.of_v * v);
    }

    /// Writes a function of state, velocity and clean state into the half of the velocity.
    fn each(self, clean: &mut Latent, x: &Latent, f: impl Fn(f64, f64, f64) -> f64) {
        let half = clean.len() / 2;
        let (state, speed) = values(x).split_at(half);
        let (clean, into) = values_mut(clean).split_at_mut(half);
        for ((x, v), (clean, into)) in state.iter().zip(speed).zip(clean.iter().zip(into)) {
            *into = f(f64::from(*x), f64::from(*v), f64::from(*clean)) as f32;
        }
    }

    /// The mean of the data's velocity, given state, velocity and the clean state.
    fn velocity_weights(self, time: f64) -> impl Fn(f64, f64, f64) -> f64 {
        let ([xx, xv, vv], [m, n]) = self.marginal(time);
        let [[_, a], [_, b]] = self.flow(time, 1.0);
        let scale = self.gamma * self.mass / (xx * vv - xv * xv);
        let (of_x, of_v) = (scale * (a * vv - b * xv), scale * (b * xx - a * xv));
        move |x, v, clean| of_x * (x - m * clean) + of_v * (v - n * clean)
    }

    /// The linear part of a backward step, exactly, with its noise. `fresh` is two draws of half the state's shape.
    pub fn drift(self, x: &mut Latent, time: f64, fresh: [&Latent; 2]) {
        let m = self.flow(time, -1.0);
        let [xx, xv, vv] = self.noise(time, -1.0);
        // Cholesky's factor of the covariance.
        let first = xx.max(0.0).sqrt();
        let shared = if first > 0.0 { xv / first } else { 0.0 };
        let second = (vv - shared * shared).max(0.0).sqrt();
        let draws = values(fresh[0]).iter().zip(values(fresh[1]));
        let half = x.len() / 2;
        let (state, speed) = values_mut(x).split_at_mut(half);
        for ((x, v), (a, b)) in state.iter_mut().zip(speed).zip(draws) {
            let (old, velocity, a, b) = (f64::from(*x), f64::from(*v), f64::from(*a), f64::from(*b));
            *x = (m[0][0] * old + m[0][1] * velocity + first * a) as f32;
            *v = (m[1][0] * old + m[1][1] * velocity + shared * a + second * b) as f32;
        }
    }

    /// The rest of a backward step: the velocity along its score, which lies in the half of the velocity.
    pub fn kick(self, x: &mut Latent, score: &Latent, time: f64) {
        let length = 2.0 * self.friction() * self.beta * time;
        let half = x.len() / 2;
        let speed = values_mut(x).iter_mut().zip(values(score)).skip(half);
        speed.for_each(|(v, s)| *v = ((1.0 + length / self.mass) * f64::from(*v) + length * f64::from(*s)) as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGES: Damped = Damped::IMAGES;

    /// The closed forms of the paper's appendix, with B the negative of the time that has passed.
    #[test]
    fn half_steps_have_the_published_covariance() {
        let (g, b) = (1.0 / IMAGES.friction(), -0.3f64);
        let f = IMAGES.friction();
        let e = (4.0 * g * b).exp();
        let want = [
            e * ((-4.0 * g * b).exp() - 1.0 + 4.0 * g * b - 8.0 * g * g * b * b),
            -4.0 * g * e * b * b,
            e * (f * f * ((-4.0 * g * b).exp() - 1.0) / 4.0 - f * b - 2.0 * b * b),
        ];
        let got = IMAGES.noise(0.3 / IMAGES.beta, -1.0);
        for (got, want) in got.iter().zip(want) {
            assert!((got.abs() - want.abs()).abs() < 1e-9, "{got} {want}");
        }
    }

    /// Covariance of state and velocity at a time, of normal data with a variance.
    fn whole(time: f64, data: f64) -> [f64; 3] {
        let ([xx, xv, vv], [m, n]) = IMAGES.marginal(time);
        [xx + m * m * data, xv + m * n * data, vv + n * n * data]
    }

    #[test]
    fn estimates_of_normal_data_are_exact() {
        let (x, v) = (0.4, -0.3);
        let state = Latent::from_shape_vec(vec![2], vec![x as f32, v as f32]).unwrap();
        for time in [0.01, 0.3, 1.0] {
            let [xx, xv, vv] = whole(time, 1.0);
            let determinant = xx * vv - xv * xv;
            // The score of the velocity, and what a network says of it.
            let score = (xv * x - xx * v) / determinant;
            let said = (-score - v / vv) / (xx / determinant).sqrt();
            let mut clean = Latent::from_shape_vec(vec![2], vec![0.0, said as f32]).unwrap();
            IMAGES.to_clean(&mut clean, &state, time);
            // Of data and velocity before the noise, jointly normal with both.
            let [[m, a], [n, b]] = IMAGES.flow(time, 1.0);
            let regress = |p: f64, q: f64| ((p * vv - q * xv) * x + (q * xx - p * xv) * v) / determinant;
            let want = [regress(m, n), IMAGES.gamma * IMAGES.mass * regress(a, b)];
            for (got, want) in clean.iter().zip(want) {
                assert!((f64::from(*got) - want).abs() < 1e-4 * want.abs().max(1.0), "{time}: {clean} {want:?}");
            }
            let mut back = clean.clone();
            IMAGES.from_clean(&mut back, &state, time);
            assert!((f64::from(back[[1]]) - said).abs() < 1e-4, "{time}: {back} {said}");
            IMAGES.score(&mut clean, &state, time);
            assert!((f64::from(clean[[1]]) - score).abs() < 1e-3 * score.abs().max(1.0), "{time}: {clean} {score}");
        }
    }
}
