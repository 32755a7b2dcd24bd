//! Kinds of language models, and what is known of each.

/// What a network predicts for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPrediction {
    /// Logits of the place's own clean token.
    Logits,
    /// Logits of the clean token of the place behind it, as in models that were left-to-right once (Dream).
    Shifted,
    /// Logarithms of probability ratios (SEDD).
    Ratios,
}

/// A kind of language model.
#[derive(Clone, Copy, Debug)]
pub struct TextFamily {
    /// What users call it.
    pub name: &'static str,
    /// Values of `model_type` in `config.json`.
    pub model_types: &'static [&'static str],
    /// What the network predicts.
    pub prediction: TextPrediction,
    /// Whether the last token of the vocabulary is the mask where nothing else is said.
    pub last_is_mask: bool,
    /// Whether a time input is told the total noise.
    pub told_sigma: bool,
    /// What survives at time 1 of the linear schedule.
    pub eps: f64,
    /// The sampler when none is asked for.
    pub sampler: &'static str,
    /// Blocks at multiples of this length, where the model sees nothing behind its block; 0 where `block_size` must say.
    pub aligned: Option<usize>,
}

const MASKED: TextFamily = TextFamily {
    name: "masked language model",
    model_types: &[],
    prediction: TextPrediction::Logits,
    last_is_mask: false,
    told_sigma: false,
    eps: 0.0,
    sampler: "maskgit-plus",
    aligned: None,
};

/// Every kind that runs; the first is any model with a mask that is none of the others.
pub const TEXT_FAMILIES: &[TextFamily] = &[
    MASKED,
    TextFamily { name: "LLaDA", model_types: &["llada"], sampler: "llada", ..MASKED },
    TextFamily {
        name: "Dream",
        model_types: &["Dream", "dream"],
        prediction: TextPrediction::Shifted,
        sampler: "entropy",
        ..MASKED
    },
    TextFamily {
        name: "MDLM",
        model_types: &["mdlm"],
        last_is_mask: true,
        told_sigma: true,
        eps: 1e-3,
        sampler: "mdlm",
        ..MASKED
    },
    TextFamily {
        name: "SEDD",
        model_types: &["sedd"],
        prediction: TextPrediction::Ratios,
        last_is_mask: true,
        told_sigma: true,
        eps: 1e-3,
        sampler: "sedd-analytic",
        ..MASKED
    },
    TextFamily {
        name: "block diffusion",
        model_types: &["bd3lm"],
        last_is_mask: true,
        told_sigma: true,
        eps: 1e-3,
        sampler: "first-hitting",
        aligned: Some(0),
        ..MASKED
    },
    TextFamily { name: "SDAR", model_types: &["sdar", "sdar_moe"], sampler: "threshold", aligned: Some(4), ..MASKED },
    TextFamily {
        name: "LLaDA2",
        model_types: &["llada2_moe", "llada2"],
        sampler: "block-refinement",
        aligned: Some(32),
        ..MASKED
    },
];

/// The kind of a `model_type`.
pub(super) fn family(model_type: Option<&str>) -> &'static TextFamily {
    let known = TEXT_FAMILIES.iter().find(|f| model_type.is_some_and(|t| f.model_types.contains(&t)));
    known.unwrap_or(&MASKED)
}
