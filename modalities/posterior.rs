//! What encoders say.

use ndarray::ArrayD;

/// What an encoder says about the latent of something, in the encoder's own units. The caller draws from it and then
/// scales it for the sampler.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// The mean, channels first; the latent itself where `std` is `None`.
    pub mean: ArrayD<f32>,
    /// The standard deviation, of the same shape; `None` where the graph has already drawn or does not draw at all.
    pub std: Option<ArrayD<f32>>,
}
