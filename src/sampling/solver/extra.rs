//! Updates that need more of a network than its clean estimate: learned variances (Nichol and
//! Dhariwal 2021) and the moments of the noise (Guo et al. 2023).

use crate::sampling::latent::{values, values_mut};
use crate::sampling::{Latent, Level};

/// Variance of a step of the reverse chain, between the posterior's and the forward step's: `share` is
/// what a network with `variance_type: learned_range` says, in -1..1 (Nichol and Dhariwal 2021, eq. 15).
pub fn ranged_variance(at: Level, to: Level, share: f64) -> f64 {
    let keep = at.alpha / to.alpha;
    let forward = at.sigma.powi(2) - (keep * to.sigma).powi(2);
    // A step to a clean state has no posterior variance; the floor is the reference's.
    let posterior = (forward * (to.sigma / at.sigma).powi(2)).max(1e-20);
    let part = (share + 1.0) / 2.0;
    (part * forward.ln() + (1.0 - part) * posterior.ln()).exp()
}

/// What a network trained for the Gaussian mixture solver says about the noise behind a state, element
/// by element: the means of its first three powers.
#[derive(Clone, Copy, Debug)]
pub struct Moments<'a> {
    /// Mean of the noise.
    pub first: &'a Latent,
    /// Mean of its square.
    pub second: &'a Latent,
    /// Mean of its cube.
    pub third: &'a Latent,
}

/// A reverse transition as a mixture of two Gaussians of one deviation: a third of the weight at
/// `far`, two thirds at `near`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixture {
    /// Mean of the lighter part.
    pub far: f64,
    /// Mean of the heavier part.
    pub near: f64,
    /// Deviation of both.
    pub deviation: f64,
}

impl Mixture {
    /// Weight of the lighter part.
    pub const LIGHT: f64 = 1.0 / 3.0;

    /// A standard normal number falls below this with the weight of the lighter part.
    pub const QUANTILE: f64 = -0.430_727_299_295_457_6;

    /// The mixture with given mean, variance and third central moment.
    ///
    /// In closed form, where the reference fits it by 70 steps of gradient descent: with `b` the
    /// distance of the heavier part, the variance between the parts is `2 b^2` and the third moment
    /// `-2 b^3`. Where that leaves the parts less than a tenth of the variance, they are drawn together.
    pub fn fitted(mean: f64, variance: f64, third: f64) -> Self {
        let most = (0.45 * variance).sqrt();
        let b = (-(third / 2.0).cbrt()).clamp(-most, most);
        Self { far: mean - 2.0 * b, near: mean + b, deviation: (variance - 2.0 * b * b).max(0.0).sqrt() }
    }

    /// The transition of one element of a state, from the mean powers of the noise behind it.
    pub fn of_element(x: f64, noise: [f64; 3], from: Level, to: Level) -> Self {
        let [mean, variance, third] = transition_moments(x, noise, from, to);
        Self::fitted(mean, variance, third)
    }
}

/// Mean, variance and third central moment of a reverse transition.
///
/// Given the clean signal it is Gaussian with a mean linear in that, so its moments are the signal's.
pub fn transition_moments(x: f64, [first, second, third]: [f64; 3], from: Level, to: Level) -> [f64; 3] {
    let keep = from.alpha / to.alpha;
    let forward = from.sigma.powi(2) - (keep * to.sigma).powi(2);
    let of_x = keep * to.sigma.powi(2) / from.sigma.powi(2);
    let of_clean = to.alpha * forward / from.sigma.powi(2);
    let ratio = from.ratio();
    let clean = (x - from.sigma * first) / from.alpha;
    // The variance of data in -1..1 is at most 1.
    let spread = (ratio.powi(2) * (second - first * first)).clamp(0.0, 1.0);
    let skew = -ratio.powi(3) * (third - 3.0 * first * second + 2.0 * first.powi(3));
    let own = to.sigma.powi(2) * forward / from.sigma.powi(2);
    [of_x * x + of_clean * clean, own + of_clean.powi(2) * spread, of_clean.powi(3) * skew]
}

/// A step of the Gaussian mixture solver. The parts of the mixture are chosen for the whole state at
/// once, by `choice`, one standard normal number; `fresh` is noise of the state's shape.
pub fn mixture_step(x: &mut Latent, moments: Moments<'_>, from: Level, to: Level, choice: f64, fresh: &Latent) {
    let parts = values(moments.first).iter().zip(values(moments.second)).zip(values(moments.third)).zip(values(fresh));
    for (x, (((first, second), third), fresh)) in values_mut(x).iter_mut().zip(parts) {
        let noise = [first, second, third].map(|v| f64::from(*v));
        let mixture = Mixture::of_element(f64::from(*x), noise, from, to);
        let mean = if choice < Mixture::QUANTILE { mixture.far } else { mixture.near };
        *x = (mean + mixture.deviation * f64::from(*fresh)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mixture_has_the_moments() {
        for (mean, variance, third) in [(0.3, 0.5, 0.2), (-1.0, 0.02, -0.001), (0.0, 1.0, 0.0), (2.0, 0.3, -0.09)] {
            let Mixture { far, near, deviation } = Mixture::fitted(mean, variance, third);
            let moment = |f: &dyn Fn(f64) -> f64| (f(far - mean) + 2.0 * f(near - mean)) / 3.0;
            let v = deviation * deviation;
            assert!(moment(&|d| d).abs() < 1e-10);
            assert!((moment(&|d| d * d + v) - variance).abs() < 1e-10);
            assert!((moment(&|d| d.powi(3) + 3.0 * d * v) - third).abs() < 1e-10);
        }
    }

    #[test]
    fn too_much_skew_keeps_mean_and_variance() {
        let Mixture { far, near, deviation } = Mixture::fitted(0.1, 0.2, 5.0);
        let between = ((far - 0.1).powi(2) + 2.0 * (near - 0.1).powi(2)) / 3.0;
        assert!(((far + 2.0 * near) / 3.0 - 0.1).abs() < 1e-12);
        assert!((between + deviation * deviation - 0.2).abs() < 1e-12 && (deviation.powi(2) - 0.02).abs() < 1e-12);
    }

    /// Three possible clean values make every moment a sum.
    #[test]
    fn transition_moments_are_those_of_the_exact_posterior() {
        let (from, to) = (Level::from_ratio(0.0, 1.4), Level::from_ratio(0.0, 0.9));
        let (x, atoms) = (0.37, [(-0.8, 0.2), (0.1, 0.5), (0.9, 0.3)]);
        let density = |c: f64| (-(x - from.alpha * c).powi(2) / (2.0 * from.sigma.powi(2))).exp();
        let total: f64 = atoms.iter().map(|(c, w)| w * density(*c)).sum();
        let mean_of = |f: &dyn Fn(f64) -> f64| atoms.iter().map(|(c, w)| w * density(*c) * f(*c)).sum::<f64>() / total;
        let noise = |c: f64| (x - from.alpha * c) / from.sigma;
        let powers = [1, 2, 3].map(|n| mean_of(&|c| noise(c).powi(n)));

        let keep = from.alpha / to.alpha;
        let forward = from.sigma.powi(2) - (keep * to.sigma).powi(2);
        let center = |c: f64| (keep * to.sigma.powi(2) * x + to.alpha * forward * c) / from.sigma.powi(2);
        let own = to.sigma.powi(2) * forward / from.sigma.powi(2);
        let mean = mean_of(&center);
        let want = [mean, own + mean_of(&|c| (center(c) - mean).powi(2)), mean_of(&|c| (center(c) - mean).powi(3))];
        let got = transition_moments(x, powers, from, to);
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-10), "{got:?} {want:?}");
    }

    #[test]
    fn a_learned_variance_lies_between_its_bounds() {
        let (at, to) = (Level::from_ratio(0.0, 1.4), Level::from_ratio(0.0, 0.9));
        let keep = at.alpha / to.alpha;
        let forward = at.sigma.powi(2) - (keep * to.sigma).powi(2);
        assert!((ranged_variance(at, to, 1.0) - forward).abs() < 1e-12);
        assert!((ranged_variance(at, to, -1.0) - forward * (to.sigma / at.sigma).powi(2)).abs() < 1e-12);
        let middle = ranged_variance(at, to, 0.0);
        assert!((middle - (ranged_variance(at, to, 1.0) * ranged_variance(at, to, -1.0)).sqrt()).abs() < 1e-12);
    }
}
