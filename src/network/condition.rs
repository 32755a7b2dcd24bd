//! What a branch of a request is conditioned on.

use std::collections::BTreeMap;

use crate::sampling::Latent;

/// An input of a denoiser that conditions it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// States of a text encoder, `[tokens, width]`, or as many as the latent has frames.
    HiddenStates,
    /// Which tokens of the text are words, 1 or 0, `[tokens]`.
    TextMask,
    /// States of an image encoder, `[patches, width]`.
    ImageStates,
    /// The guidance scale's embedding, `[width]`.
    Guidance,
    /// Where each place of the latent lies in the clip: seconds, and pixels down and to the right, `[3, places]`.
    Coordinates,
    /// Channels that stand behind the latent's own, `[channels, ...]`; not an input of its own.
    Channels,
    /// What holds for the whole latent, `[tokens, width]`.
    Globals,
    /// The embedding of a class, `[width]`.
    Class,
    /// Frames that the latent goes on from, of its own shape and zero behind them.
    Prompt,
    /// Which frames of the latent belong to it, 1 or 0, `[1, frames]`.
    LatentMask,
    /// The guidance scale itself, a number.
    Scale,
    /// The number of steps, of networks that make the step themselves: they are told which of how many it is, and give the
    /// latent behind it.
    Steps,
}

impl Input {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::HiddenStates,
        Self::TextMask,
        Self::ImageStates,
        Self::Guidance,
        Self::Coordinates,
        Self::Channels,
        Self::Globals,
        Self::Class,
        Self::Prompt,
        Self::LatentMask,
        Self::Scale,
        Self::Steps,
    ];

    /// The input of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|input| input.names().contains(&name))
    }

    /// What exporters call it, the usual name first; nothing where it is part of another input.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::HiddenStates => {
                &["encoder_hidden_states", "encoder_hidden_state", "text_embeddings", "text_emb", "text_condition"]
            }
            Self::TextMask => &["encoder_attention_mask", "text_mask"],
            Self::ImageStates => &["encoder_hidden_states_image"],
            Self::Guidance => &["timestep_cond"],
            Self::Coordinates => &["video_coords"],
            Self::Channels => &[],
            Self::Globals => &["global_hidden_states", "style_ttl"],
            Self::Class => &["class_labels"],
            Self::Prompt => &["speech_condition"],
            Self::LatentMask => &["latent_mask"],
            Self::Scale => &["guidance_scale"],
            Self::Steps => &["total_step"],
        }
    }
}

/// Conditioning of one row: a value for every such input.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition(BTreeMap<Input, Latent>);

impl Condition {
    /// The value of an input.
    pub fn get(&self, input: Input) -> Option<&Latent> {
        self.0.get(&input)
    }

    /// The shapes of all values.
    pub fn shapes(&self) -> Vec<&[usize]> {
        self.0.values().map(|value| value.shape()).collect()
    }

    /// Sets the value of an input.
    pub fn add(&mut self, input: Input, value: Latent) {
        self.0.insert(input, value);
    }
}

impl FromIterator<(Input, Latent)> for Condition {
    fn from_iter<I: IntoIterator<Item = (Input, Latent)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// Sinusoidal embedding of a guidance scale, `width` numbers, for networks that are told the scale
/// (Meng et al. 2023; Luo et al. 2023). The scale counts from 1, where there is no guidance.
pub fn guidance_embedding(scale: f64, width: usize) -> Latent {
    let half = width / 2;
    let weight = ((scale - 1.0) as f32) * 1000.0;
    let slope = 10_000.0f32.ln() / (half.max(2) - 1) as f32;
    let angles: Vec<f32> = (0..half).map(|i| weight * (i as f32 * -slope).exp()).collect();
    let sines = angles.iter().map(|a| a.sin());
    let cosines = angles.iter().map(|a| a.cos());
    sines.chain(cosines).chain(std::iter::repeat_n(0.0, width % 2)).collect::<ndarray::Array1<f32>>().into_dyn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_guidance_is_sine_zero_and_cosine_one() {
        assert_eq!(guidance_embedding(1.0, 5).as_slice().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0]);
    }

    #[test]
    fn frequencies_run_from_one_to_a_ten_thousandth() {
        let embedding = guidance_embedding(8.5, 256);
        assert!((embedding[0] - 7500.0f32.sin()).abs() < 1e-6);
        assert!((embedding[127] - 0.75f32.sin()).abs() < 1e-3);
    }
}
