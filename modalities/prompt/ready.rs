//! A ready-made `tokenizer.json`, run as it stands by the `tokenizers` crate.

use super::Full;
use anyhow::{Result, anyhow};
use std::path::Path;
use tokenizers::Tokenizer;

/// The tokenizer of a `tokenizer.json`.
pub struct Ready {
    inner: Tokenizer,
    max_length: Option<usize>,
    pad: Option<u32>,
}

impl Ready {
    /// Opens the file.
    pub fn open(file: &Path) -> Result<Self> {
        let mut inner = Tokenizer::from_file(file)
            .map_err(|error| anyhow!("cannot read the tokenizer {} ({error}): export it again", file.display()))?;
        let max_length = inner.get_truncation().map(|t| t.max_length);
        let pad = inner.get_padding().map(|p| p.pad_id);
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        Ok(Self { inner, max_length, pad })
    }

    /// The length that the file itself cuts at.
    pub fn max_length(&self) -> Option<usize> {
        self.max_length
    }

    /// The id of the padding token: the one named, or else the one the file itself pads with.
    pub fn pad(&self, named: Option<&str>) -> Option<u32> {
        match named {
            Some(text) => self.inner.token_to_id(text),
            None => self.pad,
        }
    }

    /// All ids of `text` with the markers that the file adds.
    pub fn encode(&self, text: &str) -> Result<Full> {
        let encoding = self.inner.encode(text, true).map_err(|error| anyhow!("cannot tokenise the prompt: {error}"))?;
        let closing = self.closing()?.min(encoding.len());
        Ok(Full { ids: encoding.get_ids().to_vec(), closing })
    }

    /// How many markers the file puts after a text.
    fn closing(&self) -> Result<usize> {
        let plain = self.inner.encode("a", false).map_err(|error| anyhow!("cannot tokenise a letter: {error}"))?;
        let marked = self.inner.encode("a", true).map_err(|error| anyhow!("cannot tokenise a letter: {error}"))?;
        let opening = marked.get_ids().windows(plain.len().max(1)).position(|w| w == plain.get_ids()).unwrap_or(0);
        Ok(marked.len().saturating_sub(plain.len() + opening))
    }

    /// The text of `ids`.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        self.inner.decode(ids, false).map_err(|error| anyhow!("cannot write tokens as text: {error}"))
    }
}
