//! Canvases as text, for those who watch a run.

use std::sync::Arc;

use anyhow::Result;
use edrun_modalities::text::TextTokenizer;

use super::Document;
use crate::sampling::unmask::{Canvas, Process};

/// Turns canvases into text while they settle.
#[derive(Clone)]
pub struct TextReader {
    tokenizer: Arc<TextTokenizer>,
}

impl TextReader {
    pub(super) fn new(tokenizer: Arc<TextTokenizer>) -> Self {
        Self { tokenizer }
    }

    /// The text of a canvas, with `hole` for every token that is hidden.
    ///
    /// # Errors
    /// When the tokenizer cannot write it.
    pub fn view(&self, document: &Document, canvas: &Canvas, hole: &str) -> Result<String> {
        let ids: Vec<u32> = document.inner().map(|i| canvas.token(i)).collect();
        let text = self.tokenizer.decode_raw(&ids)?;
        Ok(match canvas.process() {
            Process::Absorbing { mask } => text.replace(&self.tokenizer.spelling(mask), hole),
            Process::Uniform => text,
        })
    }
}
