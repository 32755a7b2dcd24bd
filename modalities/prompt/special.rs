//! Special and added tokens: found in the raw prompt before anything else looks at it.

use super::config::{Config, content};
use anyhow::{Context, Result};
use serde_json::Value;

/// Named tokens, in transformers' order; all but the first four are rare.
const NAMED: [&str; 7] = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token"];

/// A token that is matched whole and never broken up.
pub struct Special {
    /// Its text.
    pub content: String,
    /// Its id.
    pub id: u32,
    lstrip: bool,
    rstrip: bool,
    single_word: bool,
}

/// All special tokens of a tokenizer.
pub struct Specials(Vec<Special>);

impl Specials {
    /// Collects them from the configuration; `default` is the text of a named token that the configuration leaves out,
    /// and `vocabulary` gives the id of a token's text.
    pub fn new(
        config: &Config,
        default: impl Fn(&str) -> Option<&'static str>,
        vocabulary: impl Fn(&str) -> Option<u32>,
    ) -> Result<Self> {
        let mut all = Self(Vec::new());
        for (id, entry) in config.numbered()? {
            all.add(entry, Some(id), config)?;
        }
        for (text, id) in config.older()? {
            all.add(&Value::from(text), Some(id), config)?;
        }
        let extra = config.entry("additional_special_tokens").and_then(Value::as_array);
        let named = NAMED.iter().filter_map(|key| match config.entry(key) {
            Some(Value::Null) | None => default(key).map(Value::from),
            entry => entry.cloned(),
        });
        for entry in named.chain(extra.into_iter().flatten().cloned()) {
            all.add(&entry, content(&entry).and_then(&vocabulary), config)?;
        }
        Ok(all)
    }

    fn add(&mut self, entry: &Value, id: Option<u32>, config: &Config) -> Result<()> {
        let text = content(entry).with_context(|| {
            format!("the token {entry} of {} has no \"content\": export the tokenizer again", config.file().display())
        })?;
        if text.is_empty() || self.id(text).is_some() {
            return Ok(());
        }
        let id = id.with_context(|| {
            format!(
                "the token {text:?} of {} is not in vocab.json: use the vocabulary the model was trained with",
                config.file().display()
            )
        })?;
        let flag = |key| entry.get(key).and_then(Value::as_bool).unwrap_or(false);
        let (lstrip, rstrip, single_word) = (flag("lstrip"), flag("rstrip"), flag("single_word"));
        self.0.push(Special { content: text.to_owned(), id, lstrip, rstrip, single_word });
        Ok(())
    }

    /// The id of the special token with exactly this text.
    pub fn id(&self, text: &str) -> Option<u32> {
        self.of(text).map(|s| s.id)
    }

    /// The text of the special token with this id.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.0.iter().find(|s| s.id == id).map(|s| s.content.as_str())
    }

    fn of(&self, text: &str) -> Option<&Special> {
        self.0.iter().find(|s| s.content == text)
    }

    /// Cuts `text` at its special tokens: the leftmost first, of those the longest. Pieces may be empty.
    pub fn split(&self, text: &str) -> Vec<String> {
        let mut pieces = cut(text, |rest| {
            self.0.iter().map(|s| s.content.as_str()).filter(|c| rest.starts_with(c)).map(str::len).max()
        });
        for at in 0..pieces.len() {
            if let Some(special) = pieces.get(at).and_then(|piece| self.of(piece)) {
                special.reach_out(&mut pieces, at);
            }
        }
        pieces
    }
}

impl Special {
    /// What the token at `pieces[at]` does to its neighbours: takes their spaces, or is none because it stands in a word.
    fn reach_out(&self, pieces: &mut [String], at: usize) {
        let (before, rest) = pieces.split_at_mut(at);
        let Some((own, after)) = rest.split_first_mut() else { return };
        let (left, right) = (before.last_mut(), after.first_mut());
        let glued_left = self.single_word && left.as_ref().is_some_and(|l| !l.is_empty() && !l.ends_with(' '));
        let glued_right = self.single_word && right.as_ref().is_some_and(|r| !r.is_empty() && !r.starts_with(' '));
        if let Some(left) = left {
            if self.lstrip {
                left.truncate(left.trim_end().len());
            }
            if glued_left {
                left.push_str(&std::mem::take(own));
            }
        }
        if let Some(right) = right {
            if self.rstrip {
                *right = right.trim_start().to_owned();
            }
            if glued_right && !glued_left {
                right.insert_str(0, &std::mem::take(own));
            }
        }
    }
}

/// `text` cut around every match; `length` says how many bytes match at the start of what it is given.
fn cut(text: &str, length: impl Fn(&str) -> Option<usize>) -> Vec<String> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        let Some(matched) = length(&text[at..]) else {
            at += c.len_utf8();
            continue;
        };
        pieces.extend([text[start..at].to_owned(), text[at..at + matched].to_owned()]);
        at += matched;
        start = at;
    }
    pieces.push(text[start..].to_owned());
    // Neighbours are what stands beside a token, so nothing may stand between two of them.
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
