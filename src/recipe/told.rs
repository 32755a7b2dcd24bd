//! What a denoiser is told of a prompt.

/// What a family's denoiser is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Told {
    /// The text's states.
    #[default]
    Words,
    /// The text's states, those of the padding left out, and from which second to which the sound lasts (Stable Audio).
    Seconds,
    /// One embedding of the whole text, of unit length, as if it were the name of a class (AudioLDM).
    Class,
    /// What the model's own front end makes of a line that is said aloud (Supertonic, ZipVoice).
    Speech,
}
