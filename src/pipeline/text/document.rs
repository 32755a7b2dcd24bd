//! A prompt as a row of tokens, some of which are to be found.

use anyhow::{Context, Result, bail};
use edrun_modalities::text::{Piece, gaps};

use super::{Prompt, TextAsk, TextPipeline, USUAL_LENGTH};

/// A row of tokens. What stands in the place of those that are free does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Ids.
    pub tokens: Vec<u32>,
    /// Which are to be found.
    pub free: Vec<bool>,
    /// Markers before the text.
    pub opening: usize,
    /// Markers behind it.
    pub closing: usize,
}

impl Document {
    fn give(&mut self, tokens: &[u32]) {
        self.tokens.extend(tokens);
        self.free.resize(self.tokens.len(), false);
    }

    fn ask(&mut self, count: usize) {
        self.tokens.resize(self.tokens.len() + count, 0);
        self.free.resize(self.tokens.len(), true);
    }

    /// Number of tokens to find.
    pub fn open(&self) -> usize {
        self.free.iter().filter(|free| **free).count()
    }

    /// The places between the markers.
    pub fn inner(&self) -> std::ops::Range<usize> {
        self.opening..self.tokens.len().saturating_sub(self.closing).max(self.opening)
    }
}

impl TextPipeline {
    /// The row of tokens of an ask.
    pub(super) fn document(&self, ask: &TextAsk) -> Result<Document> {
        let mut document = match &ask.prompt {
            Prompt::Around { prefix, suffix } => self.around(ask, prefix, suffix)?,
            Prompt::Infill(text) => self.infill(ask, text)?,
            Prompt::Chat(messages) => {
                let template = self.tokenizer.chat_template()?.with_context(|| {
                    format!(
                        "--chat needs a chat template, which {} does not have",
                        self.tokenizer.config_file().display()
                    )
                })?;
                let mut document = Document::default();
                document.give(&self.tokenizer.encode(&template.render(messages)?)?);
                document
            }
        };
        if matches!(ask.prompt, Prompt::Chat(_)) {
            let length = self.length(ask, document.tokens.len())?;
            document.ask(length);
        }
        self.check_length(&document)?;
        Ok(document)
    }

    fn around(&self, ask: &TextAsk, prefix: &str, suffix: &str) -> Result<Document> {
        refuse_gaps(ask)?;
        let frame = self.tokenizer.frame();
        let behind = self.tokenizer.encode(suffix)?;
        let mut document =
            Document { opening: frame.opening.len(), closing: frame.closing.len(), ..Default::default() };
        document.give(&frame.opening);
        document.give(&self.tokenizer.encode(prefix)?);
        let length = self.length(ask, document.tokens.len() + behind.len() + frame.closing.len())?;
        document.ask(length);
        document.give(&behind);
        document.give(&frame.closing);
        Ok(document)
    }

    fn infill(&self, ask: &TextAsk, text: &str) -> Result<Document> {
        if ask.length.is_some() {
            bail!("--length has no meaning for --infill; --gap-tokens says how long each gap is");
        }
        let pieces = gaps(text);
        let count = pieces.iter().filter(|piece| **piece == Piece::Gap).count();
        if count == 0 {
            bail!("--infill found no gap in the text; write ___ where something is to be filled in");
        }
        let mut lengths = gap_lengths(&ask.gap_tokens, count)?.into_iter();
        let frame = self.tokenizer.frame();
        let mut document =
            Document { opening: frame.opening.len(), closing: frame.closing.len(), ..Default::default() };
        document.give(&frame.opening);
        for piece in &pieces {
            match piece {
                Piece::Text(text) => document.give(&self.tokenizer.encode(text)?),
                Piece::Gap => document.ask(lengths.next().unwrap_or(1)),
            }
        }
        document.give(&frame.closing);
        Ok(document)
    }

    /// How many tokens to find, when so many are given.
    fn length(&self, ask: &TextAsk, given: usize) -> Result<usize> {
        refuse_gaps(ask)?;
        let room = self.recipe.longest.map(|longest| longest.saturating_sub(given));
        match (ask.length, room) {
            (Some(0), _) => bail!("--length is 0, but at least 1 token must be found"),
            (Some(length), _) => Ok(length),
            (None, Some(0)) => Ok(1),
            (None, room) => Ok(self.recipe.defaults.length.unwrap_or(USUAL_LENGTH).min(room.unwrap_or(usize::MAX))),
        }
    }

    fn check_length(&self, document: &Document) -> Result<()> {
        let (all, open) = (document.tokens.len(), document.open());
        match self.recipe.longest {
            Some(longest) if all > longest => bail!(
                "the text has {} tokens and {open} are to be found, but the model reads {longest} at most; shorten one of them",
                all - open
            ),
            _ => Ok(()),
        }
    }
}

fn refuse_gaps(ask: &TextAsk) -> Result<()> {
    if ask.gap_tokens.is_empty() {
        return Ok(());
    }
    bail!("--gap-tokens has no meaning without --infill; --length says how many tokens are found");
}

/// Tokens of each gap.
fn gap_lengths(asked: &[usize], gaps: usize) -> Result<Vec<usize>> {
    let lengths = match asked {
        [] => vec![1; gaps],
        [one] => vec![*one; gaps],
        each if each.len() == gaps => each.to_vec(),
        each => bail!(
            "--gap-tokens names {} lengths, but the text has {gaps} gaps; give one for all or one for each",
            each.len()
        ),
    };
    if lengths.contains(&0) {
        bail!("--gap-tokens says 0, but a gap has at least 1 token");
    }
    Ok(lengths)
}
