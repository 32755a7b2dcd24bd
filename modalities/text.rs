//! Text: what a language model's folder says of its tokens, and how tokens become text again.
//!
//! [`TextTokenizer`] reads `tokenizer.json` with `tokenizer_config.json`; [`gaps`] reads texts with gaps.

mod chat;
mod gaps;

pub use chat::{ChatTemplate, Message};
pub use gaps::{Piece, gaps};

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tokenizers::Tokenizer;

use crate::prompt::Config;

/// A language model's tokenizer.
pub struct TextTokenizer {
    inner: Tokenizer,
    config: Config,
    file: PathBuf,
    frame: Frame,
    vocabulary: usize,
}

/// The markers that a model expects around a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Before it, such as `[CLS]`.
    pub opening: Vec<u32>,
    /// Behind it, such as `[SEP]`.
    pub closing: Vec<u32>,
}

impl TextTokenizer {
    /// Opens the folder that holds `tokenizer.json`.
    ///
    /// # Errors
    /// When it is missing or cannot be read.
    pub fn open(dir: &Path) -> Result<Self> {
        let file = dir.join("tokenizer.json");
        if !file.is_file() {
            bail!(
                "{} is missing: save the tokenizer with transformers' AutoTokenizer (use_fast=True) beside the model",
                file.display()
            );
        }
        let mut inner = Tokenizer::from_file(&file)
            .map_err(|error| anyhow!("cannot read the tokenizer {} ({error}): export it again", file.display()))?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        let vocabulary = inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        let frame = frame(&inner)?;
        Ok(Self { inner, config: Config::read(dir)?, file, frame, vocabulary })
    }

    /// The file it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where its `tokenizer_config.json` stands, or would stand.
    pub fn config_file(&self) -> &Path {
        self.config.file()
    }

    /// The largest id plus one.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The markers around a text.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The id of a named token of `tokenizer_config.json`, such as `mask_token`; `None` where it names none.
    ///
    /// # Errors
    /// When it names one that the vocabulary does not have.
    pub fn named(&self, key: &str) -> Result<Option<u32>> {
        let Some(text) = self.config.token(key)? else { return Ok(None) };
        let id = self.inner.token_to_id(&text);
        id.map(Some).with_context(|| {
            format!("{} has \"{key}\": {text:?}, which {} lacks", self.config.file().display(), self.file.display())
        })
    }

    /// `model_max_length`, where it is a limit.
    ///
    /// # Errors
    /// When it is no whole number.
    pub fn max_length(&self) -> Result<Option<usize>> {
        self.config.length_limit()
    }

    /// Ids of a text, without the markers around it. Special tokens that are spelled out become themselves.
    ///
    /// # Errors
    /// When the tokenizer cannot read it.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self.inner.encode(text, false).map_err(|error| anyhow!("cannot tokenise the text: {error}"))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of ids; special tokens are left out.
    ///
    /// # Errors
    /// When the tokenizer cannot write it.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, true).map_err(|error| anyhow!("cannot write tokens as text: {error}"))
    }

    /// The text of ids, special tokens spelled out.
    ///
    /// # Errors
    /// When the tokenizer cannot write it.
    pub fn decode_raw(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false).map_err(|error| anyhow!("cannot write tokens as text: {error}"))
    }

    /// One token as it stands in the vocabulary.
    pub fn spelling(&self, id: u32) -> String {
        self.inner.id_to_token(id).unwrap_or_default()
    }

    /// The chat template, where the folder has one.
    ///
    /// # Errors
    /// When it is no template.
    pub fn chat_template(&self) -> Result<Option<ChatTemplate>> {
        ChatTemplate::read(&self.config)
    }
}

/// Finds the markers by what a letter gets around it.
fn frame(inner: &Tokenizer) -> Result<Frame> {
    let ids = |special| -> Result<Vec<u32>> {
        let encoding = inner.encode("a", special).map_err(|error| anyhow!("cannot tokenise a letter: {error}"))?;
        Ok(encoding.get_ids().to_vec())
    };
    let (plain, marked) = (ids(false)?, ids(true)?);
    let Some(at) = marked.windows(plain.len().max(1)).position(|window| window == plain) else {
        return Ok(Frame::default());
    };
    let (opening, rest) = marked.split_at(at);
    Ok(Frame { opening: opening.to_vec(), closing: rest.get(plain.len()..).unwrap_or_default().to_vec() })
}

#[cfg(test)]
mod tests;
