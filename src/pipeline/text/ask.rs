//! What can be asked of a language model.

use std::collections::BTreeMap;

use edrun_modalities::text::Message;

/// What a text begins with, or has around it.
#[derive(Clone, Debug)]
pub enum Prompt {
    /// Words before what is found, and words behind it.
    Around {
        /// Before.
        prefix: String,
        /// Behind; may be empty.
        suffix: String,
    },
    /// A text with gaps (`___`).
    Infill(String),
    /// A conversation that the model goes on with, through its chat template.
    Chat(Vec<Message>),
}

/// A wish for texts. What is `None` comes from the model folder or the sampler.
#[derive(Clone, Debug)]
pub struct TextAsk {
    /// What is given.
    pub prompt: Prompt,
    /// Tokens to find, at least 1.
    pub length: Option<usize>,
    /// Tokens of each gap: one number for all, or one for each.
    pub gap_tokens: Vec<usize>,
    /// Sampling steps over the whole text, for samplers that have them.
    pub steps: Option<usize>,
    /// Name of a method.
    pub sampler: Option<String>,
    /// Values for the method's own knobs, by name.
    pub sampler_options: BTreeMap<String, f64>,
    /// Divides logits; 0 takes the likeliest token.
    pub temperature: Option<f64>,
    /// Only so many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together have this probability.
    pub top_p: Option<f64>,
    /// Above 1, what stands already becomes less likely.
    pub repetition_penalty: Option<f64>,
    /// How closely the prompt is followed; 1 is no guidance.
    pub guidance_scale: Option<f64>,
    /// Tokens that are found together before the next ones.
    pub block_length: Option<usize>,
    /// Name of a rule by which keys and values are reused.
    pub kv_cache: Option<String>,
    /// Evaluations after which all keys and values are computed anew.
    pub kv_refresh: Option<usize>,
    /// Whether to go on behind an end token.
    pub ignore_end: bool,
    /// Name of a random number generator.
    pub rng: String,
    /// Seed of the first text; the next ones follow.
    pub seed: u64,
    /// Number of texts.
    pub count: usize,
}

impl Default for TextAsk {
    fn default() -> Self {
        Self {
            prompt: Prompt::Around { prefix: String::new(), suffix: String::new() },
            length: None,
            gap_tokens: Vec::new(),
            steps: None,
            sampler: None,
            sampler_options: BTreeMap::new(),
            temperature: None,
            top_k: None,
            top_p: None,
            repetition_penalty: None,
            guidance_scale: None,
            block_length: None,
            kv_cache: None,
            kv_refresh: None,
            ignore_end: false,
            rng: "torch".into(),
            seed: 0,
            count: 1,
        }
    }
}
