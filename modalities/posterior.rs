//! What encoders say.

use ndarray::{ArrayD, Axis, Slice};

/// What an encoder says about the latent of something, in the encoder's own units. The caller draws from it and then
/// scales it for the sampler.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The mean, channels first; the latent itself where `std` is `None`.
    pub mean: ArrayD<f32>,
    /// The standard deviation, of the same shape; `None` where the graph has already drawn or does not draw at all.
    pub std: Option<ArrayD<f32>>,
}

impl Posterior {
    /// From a latent, channels first: of twice so many channels where it is `stacked`, means before logarithms of variances.
    pub(crate) fn of(latent: ArrayD<f32>, channels: usize, stacked: bool) -> Self {
        if !stacked {
            return Self { mean: latent, std: None };
        }
        let half = |range: Slice| latent.slice_axis(Axis(0), range).to_owned();
        // The bounds are those of diffusers' DiagonalGaussianDistribution.
        let std = half(Slice::from(channels..)).mapv(|logvar| (0.5 * logvar.clamp(-30.0, 20.0)).exp());
        Self { mean: half(Slice::from(..channels)), std: Some(std) }
    }
}
