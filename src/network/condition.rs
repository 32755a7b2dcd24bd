//! What a branch of a request is conditioned on.

use crate::sampling::Latent;

/// Conditioning of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Text embeddings `[tokens, width]`.
    pub hidden_states: Latent,
    /// The guidance scale's embedding, empty for networks that take none.
    pub guidance: Vec<f32>,
}

/// Sinusoidal embedding of a guidance scale, `width` numbers, for networks that are told the scale
/// (Meng et al. 2023; Luo et al. 2023). The scale counts from 1, where there is no guidance.
pub fn guidance_embedding(scale: f64, width: usize) -> Vec<f32> {
    let half = width / 2;
    let weight = ((scale - 1.0) as f32) * 1000.0;
    let slope = 10_000.0f32.ln() / (half.max(2) - 1) as f32;
    let angles: Vec<f32> = (0..half).map(|i| weight * (i as f32 * -slope).exp()).collect();
    let sines = angles.iter().map(|a| a.sin());
    let cosines = angles.iter().map(|a| a.cos());
    sines.chain(cosines).chain(std::iter::repeat_n(0.0, width % 2)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guidance_is_sine_zero_and_cosine_one() {
        assert_eq!(guidance_embedding(1.0, 5), [0.0, 0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn frequencies_run_from_one_to_a_ten_thousandth() {
        let embedding = guidance_embedding(8.5, 256);
        assert!((embedding[0] - 7500.0f32.sin()).abs() < 1e-6);
        assert!((embedding[127] - 0.75f32.sin()).abs() < 1e-3);
    }
}
