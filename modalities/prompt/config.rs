//! What a tokenizer folder says about itself.

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Above this, `model_max_length` means "no limit" (transformers writes 1e30 for it).
const NO_LIMIT: f64 = 1e6;

/// `tokenizer_config.json`, completed by `special_tokens_map.json` and `added_tokens.json` as transformers 4.57 completes it.
pub struct Config {
    file: PathBuf,
    values: Map<String, Value>,
    added: Map<String, Value>,
}

impl Config {
    /// Reads the folder `dir`; every file is optional.
    pub fn read(dir: &Path) -> Result<Self> {
        let file = dir.join("tokenizer_config.json");
        let mut values = object(&file)?;
        let mut added = Map::new();
        // The map is the older home of these facts; transformers stops reading it where the newer one is filled in.
        if !values.contains_key("added_tokens_decoder") {
            values.extend(object(&dir.join("special_tokens_map.json"))?);
            added = object(&dir.join("added_tokens.json"))?;
        }
        Ok(Self { file, values, added })
    }

    /// Where `tokenizer_config.json` stands, or would stand.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The Python class that wrote the folder.
    pub fn class(&self) -> Option<&str> {
        self.values.get("tokenizer_class").and_then(Value::as_str)
    }

    /// Refuses a folder whose words are not split as CLIP splits them.
    pub fn expect_clip(&self) -> Result<()> {
        match self.class() {
            None | Some("CLIPTokenizer" | "CLIPTokenizerFast") => Ok(()),
            Some(other) => bail!(
                "{} names the tokenizer {other}, which needs a tokenizer.json beside it: save it with transformers' AutoTokenizer (use_fast=True)",
                self.file.display()
            ),
        }
    }

    /// `model_max_length` in tokens, where there is a limit.
    pub fn max_length(&self) -> Result<Option<usize>> {
        self.only_right()?;
        self.length_limit()
    }

    /// The same for whoever neither pads nor cuts.
    pub fn length_limit(&self) -> Result<Option<usize>> {
        let Some(value) = self.values.get("model_max_length").filter(|v| !v.is_null()) else { return Ok(None) };
        match value.as_f64() {
            Some(length) if length > NO_LIMIT => Ok(None),
            Some(length) if length >= 2.0 && length.fract() == 0.0 => Ok(Some(length as usize)),
            _ => bail!(
                "{} has \"model_max_length\": {value}: it must be a whole number of at least 2",
                self.file.display()
            ),
        }
    }

    fn only_right(&self) -> Result<()> {
        for key in ["padding_side", "truncation_side"] {
            match self.values.get(key).and_then(Value::as_str) {
                None | Some("right") => {}
                Some(side) => {
                    bail!("{} has \"{key}\": \"{side}\", which is not supported: use \"right\"", self.file.display())
                }
            }
        }
        Ok(())
    }

    /// Whether decoded text has the spaces before punctuation removed.
    pub fn tidy_spaces(&self) -> bool {
        self.values.get("clean_up_tokenization_spaces").and_then(Value::as_bool).unwrap_or(false)
    }

    /// The text of a named token such as `pad_token`, written as a string or as an object with `content`.
    pub fn token(&self, key: &str) -> Result<Option<String>> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match content(value) {
                Some(text) => Ok(Some(text.to_owned())),
                None => bail!(
                    "{} has \"{key}\": {value}: it must be a string or an object with \"content\"",
                    self.file.display()
                ),
            },
        }
    }

    /// The entry of a named token as it is written.
    pub fn entry(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Tokens with an id of their own: `(id, entry)`, from either of the two files that may list them.
    pub fn numbered(&self) -> Result<Vec<(u32, &Value)>> {
        let newer = self.values.get("added_tokens_decoder").and_then(Value::as_object);
        newer.into_iter().flatten().map(|(id, entry)| Ok((self.id(id, id.parse().ok())?, entry))).collect()
    }

    /// Tokens of the older `added_tokens.json`: `(text, id)`.
    pub fn older(&self) -> Result<Vec<(&str, u32)>> {
        let id = |v: &Value| v.as_u64().and_then(|id| u32::try_from(id).ok());
        self.added.iter().map(|(text, value)| Ok((text.as_str(), self.id(text, id(value))?))).collect()
    }

    fn id(&self, entry: &str, id: Option<u32>) -> Result<u32> {
        id.with_context(|| {
            format!("the added token {entry:?} of {} has no valid id: export the tokenizer again", self.file.display())
        })
    }
}

/// The text of a token entry.
pub fn content(entry: &Value) -> Option<&str> {
    entry.as_str().or_else(|| entry.get("content")?.as_str())
}

fn object(file: &Path) -> Result<Map<String, Value>> {
    if !file.is_file() {
        return Ok(Map::new());
    }
    let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    match serde_json::from_slice(&text) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => bail!("{} does not hold a JSON object: export the tokenizer again", file.display()),
        Err(error) => bail!("{} is not JSON ({error}): export the tokenizer again", file.display()),
    }
}
