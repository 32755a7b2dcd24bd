//! What the pipelines of a family do that its folder does not say.

use edrun_modalities::prompt::Padding;

/// How prompts are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptHabit {
    /// Tokens that a prompt is cut and padded to; what the tokenizer says where not given.
    pub tokens: Option<usize>,
    /// What becomes of the padding.
    pub padding: Padding,
    /// Whether quotes, spaces and references are cleaned up first.
    pub tidied: bool,
}

impl PromptHabit {
    /// Of models with CLIP's text encoder.
    pub const CLIP: Self = Self { tokens: None, padding: Padding::Read, tidied: false };
    /// Of models whose text encoder overlooks the padding.
    pub const MASKED: Self = Self { padding: Padding::Zeroed, ..Self::CLIP };
    /// Of models whose text encoder embeds a text whole.
    pub const WHOLE: Self = Self { padding: Padding::Whole, ..Self::CLIP };
    /// Of Wan, whose text encoder is UMT5.
    pub const WAN: Self = Self { tokens: Some(512), padding: Padding::Zeroed, tidied: true };
}

/// How the steps of a flow are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHabit {
    /// Whether they are spread evenly from 1 to one over their number before they are shifted.
    pub even: bool,
    /// Whether they are shifted by the number of the latent's places.
    pub by_places: bool,
}

impl FlowHabit {
    /// As the scheduler's class does it.
    pub const OWN: Self = Self { even: false, by_places: false };
    /// Evenly, before they are shifted.
    pub const EVEN: Self = Self { even: true, by_places: false };
}

/// How a guidance scale reaches a denoiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guided {
    /// It is asked twice a step, with the prompt and without.
    Twice,
    /// It is told an embedding of the scale, of so many numbers.
    Embedding(usize),
    /// It is told the scale itself.
    Scale,
    /// Not at all.
    Never,
}

impl Guided {
    /// How, in a few words.
    pub fn said(self) -> &'static str {
        match self {
            Self::Twice => "by two evaluations a step",
            Self::Embedding(_) | Self::Scale => "by an input of the network",
            Self::Never => "not at all",
        }
    }
}
