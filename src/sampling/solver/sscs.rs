//! Symmetric splitting for critically damped Langevin diffusion (Dockhorn et al. 2022): a state with a
//! velocity, moved by exact half steps around a step along the score.

use crate::sampling::Latent;
use crate::sampling::latent::{combine, values, values_mut};

/// The diffusion's constants. Damping is critical: `friction^2 = 4 * mass`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Damped {
    /// Speed of time.
    pub beta: f64,
    /// Mass of the velocity; its variance in equilibrium.
    pub mass: f64,
    /// Variance of the velocity of data, over the mass.
    pub gamma: f64,
}

/// The paper's constants for images.
pub const IMAGES: Damped = Damped { beta: 4.0, mass: 0.25, gamma: 0.04 };

/// A matrix on (state, velocity), by rows.
type Matrix = [[f64; 2]; 2];

impl Damped {
    /// Friction of critical damping.
    pub fn friction(self) -> f64 {
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

    /// The covariance `(xx, xv, vv)` of the state around its data at `time`, and what is left of the
    /// data in state and velocity.
    pub fn marginal(self, time: f64) -> ([f64; 3], [f64; 2]) {
        let m = self.flow(time, 1.0);
        let [xx, xv, vv] = self.noise(time, 1.0);
        let start = self.gamma * self.mass;
        let spread = |i: usize, j: usize| start * m[i][1] * m[j][1];
        ([xx + spread(0, 0), xv + spread(0, 1), vv + spread(1, 1)], [m[0][0], m[1][0]])
    }

    /// The score of the velocity at `time`, in place of what the network says: the noise behind the
    /// velocity, beside the part that would be right if the data were normal (the mixed score).
    pub fn score(self, output: &mut Latent, v: &Latent, time: f64) {
        let ([xx, xv, vv], [of_x, of_v]) = self.marginal(time);
        // The whole covariance, of data with unit variance.
        let whole = vv + of_v * of_v;
        let left = (xx + of_x * of_x) / ((xx + of_x * of_x) * whole - (xv + of_x * of_v).powi(2));
        combine(output, -left.sqrt(), &[(-1.0 / whole, v)]);
    }

    /// The exact half of a backward step: the linear part with its noise. `fresh` is two draws of the
    /// state's shape.
    pub fn drift(self, x: &mut Latent, v: &mut Latent, time: f64, fresh: [&Latent; 2]) {
        let m = self.flow(time, -1.0);
        let [xx, xv, vv] = self.noise(time, -1.0);
        // Cholesky's factor of the covariance.
        let first = xx.max(0.0).sqrt();
        let shared = if first > 0.0 { xv / first } else { 0.0 };
        let second = (vv - shared * shared).max(0.0).sqrt();
        let draws = values(fresh[0]).iter().zip(values(fresh[1]));
        for ((x, v), (a, b)) in values_mut(x).iter_mut().zip(values_mut(v)).zip(draws) {
            let (old, speed, a, b) = (f64::from(*x), f64::from(*v), f64::from(*a), f64::from(*b));
            *x = (m[0][0] * old + m[0][1] * speed + first * a) as f32;
            *v = (m[1][0] * old + m[1][1] * speed + shared * a + second * b) as f32;
        }
    }

    /// The step along the score between the halves.
    pub fn kick(self, v: &mut Latent, score: &Latent, time: f64) {
        let length = 2.0 * self.friction() * self.beta * time;
        combine(v, 1.0 + length / self.mass, &[(length, score)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Noise;

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

    #[test]
    fn the_mixed_score_is_exact_for_normal_data() {
        let (xx, xv, vv) = {
            let ([xx, xv, vv], [a, b]) = IMAGES.marginal(0.3);
            (xx + a * a, xv + a * b, vv + b * b)
        };
        let (x, v) = (0.4, -0.3);
        let want = (xv * x - xx * v) / (xx * vv - xv * xv);
        // The network's noise that makes the score exact.
        let root = (xx / (xx * vv - xv * xv)).sqrt();
        let mut output = Latent::from_elem(vec![1], ((-want - v / vv) / root) as f32);
        IMAGES.score(&mut output, &Latent::from_elem(vec![1], v as f32), 0.3);
        assert!((f64::from(output[[0]]) - want).abs() < 1e-5, "{output} {want}");
    }

    #[test]
    fn sampling_ends_at_the_law_of_the_data() {
        const STEPS: usize = 150;
        let (mean, deviation, size) = (0.4, 0.6f64, 4000);
        let mut noise = Noise::torch(5);
        let mut x = noise.normal(&[size]);
        let mut v = noise.normal(&[size]) * IMAGES.mass.sqrt() as f32;
        let time = 1.0 / STEPS as f64;
        for i in 0..STEPS {
            let (a, b) = (noise.normal(&[size]), noise.normal(&[size]));
            IMAGES.drift(&mut x, &mut v, time / 2.0, [&a, &b]);
            let ([xx, xv, vv], [of_x, of_v]) = IMAGES.marginal(1.0 - i as f64 * time);
            let d2 = deviation * deviation;
            let (xx, xv, vv) = (xx + of_x * of_x * d2, xv + of_x * of_v * d2, vv + of_v * of_v * d2);
            let determinant = xx * vv - xv * xv;
            let score = ndarray::Zip::from(&x).and(&v).map_collect(|x, v| {
                let (x, v) = (f64::from(*x) - of_x * mean, f64::from(*v) - of_v * mean);
                ((xv * x - xx * v) / determinant) as f32
            });
            IMAGES.kick(&mut v, &score, time);
            let (a, b) = (noise.normal(&[size]), noise.normal(&[size]));
            IMAGES.drift(&mut x, &mut v, time / 2.0, [&a, &b]);
        }
        let got = x.mean().unwrap();
        let spread = x.std(0.0);
        assert!((f64::from(got) - mean).abs() < 0.06, "{got}");
        assert!((f64::from(spread) - deviation).abs() < 0.06, "{spread}");
    }
}
