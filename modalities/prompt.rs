//! Prompts: text to token ids, and token ids to conditioning.
//!
//! [`PromptTokenizer`] reads a deployment's `tokenizer` folder. Its answers equal those of the Python tokenizer that the
//! folder names, token by token, because a different token is a silently different picture.

mod clean;
mod clip;
mod config;
mod encoder;
mod ready;
mod seconds;
mod special;
mod tidy;
mod words;

pub(crate) use config::Config;
pub use encoder::{Padding, TextEncoder};
pub use seconds::{Projected, SecondsProjection};
pub use tidy::tidy;

use anyhow::{Context, Result, bail, ensure};
use clip::Clip;
use ready::Ready;
use std::path::Path;

/// The longest prompt that is tokenised, in bytes of UTF-8. A model reads some hundred bytes of it; the limit only keeps a
/// mistaken input (a picture, a log file) from being worked on for minutes.
pub const MAX_PROMPT_BYTES: usize = 64 * 1024;

/// A prompt tokenizer: what stands in a model folder's `tokenizer` subfolder.
pub struct PromptTokenizer {
    words: Words,
    max_length: usize,
    pad: u32,
}

/// The token ids of one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, start and end marker included, padded to the model's length.
    pub ids: Vec<i64>,
    /// How many of `ids` come before the padding.
    pub tokens: usize,
    /// The text that did not fit, decoded from its tokens as diffusers prints it in its truncation warning.
    pub cut: Option<String>,
}

/// How a tokenizer came to us: as the parts of CLIP's, or ready-made.
enum Words {
    Clip(Clip),
    Ready(Ready),
}

/// All ids of a prompt, however many: `ids[..opening]` and the last `closing` are markers that truncation keeps.
struct Full {
    ids: Vec<u32>,
    closing: usize,
}

impl PromptTokenizer {
    /// Opens the tokenizer folder `dir`.
    ///
    /// # Which files count?
    /// `vocab.json` with `merges.txt` where `tokenizer_config.json` names `CLIPTokenizer` (that class ignores a
    /// `tokenizer.json` beside them, and the two differ on Chinese, Japanese and control characters); otherwise
    /// `tokenizer.json`; otherwise `vocab.json` with `merges.txt`. Length, padding and markers come from
    /// `tokenizer_config.json` and `special_tokens_map.json`.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(dir.is_dir(), "the tokenizer folder {} is missing: export the model with its tokenizer", dir.display());
        let config = Config::read(dir)?;
        let ready = dir.join("tokenizer.json");
        let parts = dir.join("vocab.json").is_file() && dir.join("merges.txt").is_file();
        if ready.is_file() && !(parts && config.class() == Some("CLIPTokenizer")) {
            return Self::from_ready(Ready::open(&ready)?, &config);
        }
        config.expect_clip()?;
        let clip = Clip::open(dir, &config)?;
        let pad = clip.pad();
        Ok(Self { words: Words::Clip(clip), max_length: config.max_length()?.unwrap_or(77), pad })
    }

    fn from_ready(ready: Ready, config: &Config) -> Result<Self> {
        let max_length = match config.max_length()? {
            Some(length) => length,
            None => ready.max_length().with_context(|| {
                format!(
                    "{} does not say how long a prompt may be: add \"model_max_length\" to it",
                    config.file().display()
                )
            })?,
        };
        let pad = ready.pad(config.token("pad_token")?.as_deref()).with_context(|| {
            format!(
                "{} names no padding token that the vocabulary has: add \"pad_token\" to it",
                config.file().display()
            )
        })?;
        Ok(Self { words: Words::Ready(ready), max_length, pad })
    }

    /// The length of every [`Encoded::ids`], in tokens (77 for CLIP).
    pub fn max_length(&self) -> usize {
        self.max_length
    }

    /// The same tokenizer at another length, for a pipeline that asks for fewer or more tokens than the folder says.
    pub fn with_max_length(mut self, tokens: usize) -> Result<Self> {
        ensure!(
            tokens >= 2,
            "a prompt of {tokens} tokens has no room for the start and end markers: ask for 2 or more"
        );
        self.max_length = tokens;
        Ok(self)
    }

    /// Token ids of `text`, cut and padded to [`max_length`](Self::max_length).
    pub fn encode(&self, text: &str) -> Result<Encoded> {
        if text.len() > MAX_PROMPT_BYTES {
            bail!(
                "the prompt has {} bytes, more than the {MAX_PROMPT_BYTES} that are accepted: shorten it (the model reads its first {} tokens)",
                text.len(),
                self.max_length
            );
        }
        let full = match &self.words {
            Words::Clip(clip) => clip.encode(text)?,
            Words::Ready(ready) => ready.encode(text)?,
        };
        self.fit(full)
    }

    fn fit(&self, full: Full) -> Result<Encoded> {
        let Full { mut ids, closing } = full;
        let mut cut = None;
        if ids.len() > self.max_length {
            let tail = ids.split_off(ids.len() - closing);
            let removed = ids.split_off(self.max_length.saturating_sub(closing));
            cut = Some(self.decode(&removed)?);
            ids.extend(tail);
        }
        let tokens = ids.len();
        ids.resize(self.max_length.max(tokens), self.pad);
        Ok(Encoded { ids: ids.into_iter().map(i64::from).collect(), tokens, cut })
    }

    fn decode(&self, ids: &[u32]) -> Result<String> {
        match &self.words {
            Words::Clip(clip) => Ok(clip.decode(ids)),
            Words::Ready(ready) => ready.decode(ids),
        }
    }
}

#[cfg(test)]
mod tests;
