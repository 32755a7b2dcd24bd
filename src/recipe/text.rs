//! What a language model's folder says of itself: how tokens are hidden, what the network predicts, how long a text may
//! be.
//!
//! Everything is read from `config.json` (and `generation_config.json`), as transformers writes them. Where a folder has to
//! say more than its authors did, these keys of `config.json` say it: `mask_token_id`; `prediction` (`logits`,
//! `shifted_logits`, `ratios`); `diffusion` (`absorbing`, `uniform`); `noise_schedule` (`linear`, `loglinear`, `geometric`,
//! `cosine`) with `noise_eps`, `sigma_min` and `sigma_max`; `block_size`.

mod families;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use edrun_modalities::text::TextTokenizer;
use edrun_onnx::Folder;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::sampling::unmask::{Process, Survival};
use families::family;

pub use families::{TEXT_FAMILIES, TextFamily, TextPrediction};

/// Everything that the folder fixes for a run.
#[derive(Clone, Debug)]
pub struct TextRecipe {
    /// The kind of model.
    pub family: &'static TextFamily,
    /// What unknown tokens look like.
    pub process: Process,
    /// The noise schedule.
    pub survival: Survival,
    /// What the network predicts.
    pub prediction: TextPrediction,
    /// `vocab_size`, where it is said.
    pub vocabulary: Option<usize>,
    /// Tokens after which nothing is said.
    pub ends: Vec<u32>,
    /// What fills a graph's fixed length up.
    pub pad: u32,
    /// The longest row of tokens, where there is a limit.
    pub longest: Option<usize>,
    /// Blocks at multiples of this length, behind which the model sees nothing.
    pub block: Option<usize>,
    /// What is done when nothing is asked for.
    pub defaults: TextDefaults,
}

/// What is done when nothing is asked for: the folder's `edrun.json`, where its family's habit does not suit it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextDefaults {
    /// The sampler; the family's when not given.
    pub sampler: Option<String>,
    /// Values of that sampler's knobs; without effect on another one.
    pub sampler_options: BTreeMap<String, f64>,
    /// The temperature of that sampler; without effect on another one.
    pub temperature: Option<f64>,
    /// Tokens to find.
    pub length: Option<usize>,
}

impl TextRecipe {
    /// Reads the configuration of the model in `component` (empty for the folder itself). Loads no graph.
    ///
    /// # Errors
    /// For a missing mask token and for values that cannot be honoured, naming the key.
    pub fn read(folder: &Folder, component: &str, tokenizer: &TextTokenizer) -> Result<Self> {
        let at = |file: &str| if component.is_empty() { file.to_owned() } else { format!("{component}/{file}") };
        let config = folder.json(&at("config.json"))?.unwrap_or_default();
        let generation = folder.json(&at("generation_config.json"))?.unwrap_or_default();
        let keys = Keys { config: &config, file: folder.subfolder(&at("config.json")).display().to_string() };
        let family = family(keys.text("model_type"));
        let vocabulary = keys.vocabulary()?;
        Ok(Self {
            family,
            process: keys.process(family, vocabulary, tokenizer)?,
            survival: keys.survival(family)?,
            prediction: keys.prediction(family)?,
            vocabulary,
            ends: ends(&config, &generation, tokenizer)?,
            pad: keys.pad(tokenizer)?,
            longest: longest(&keys, tokenizer)?,
            block: keys.block(family)?,
            defaults: defaults(folder)?,
        })
    }

    /// The sampler when none is asked for: what the folder names, or else its family's habit, which is to fill in masks.
    pub fn sampler(&self) -> &str {
        match (&self.defaults.sampler, self.process) {
            (Some(own), _) => own,
            (None, Process::Uniform) => WITHOUT_MASK,
            (None, _) => self.family.sampler,
        }
    }
}

/// The sampler of models that scramble tokens: the one their process was first described with (Austin et al. 2021).
const WITHOUT_MASK: &str = "d3pm";

/// `config.json` and where it stands.
struct Keys<'a> {
    config: &'a Json,
    file: String,
}

impl Keys<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.config.get(key).and_then(Json::as_str)
    }

    /// A key of a nested object, as SEDD writes `noise.type`.
    fn nested(&self, object: &str, key: &str) -> Option<&Json> {
        self.config.get(object).and_then(|o| o.get(key))
    }

    fn whole(&self, key: &str) -> Result<Option<usize>> {
        match self.config.get(key) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => match value.as_u64().and_then(|v| usize::try_from(v).ok()) {
                Some(number) => Ok(Some(number)),
                None => bail!("{} has \"{key}\": {value}: it must be a whole number", self.file),
            },
        }
    }

    fn number(&self, key: &str, default: f64) -> f64 {
        let own = self.config.get(key).or(self.nested("noise", key));
        own.and_then(Json::as_f64).unwrap_or(default)
    }

    fn vocabulary(&self) -> Result<Option<usize>> {
        // SEDD counts its tokens without the mask.
        let counted = self.whole("tokens")?.map(|tokens| tokens + usize::from(!self.is_uniform()));
        Ok(self.whole("vocab_size")?.or(counted))
    }

    fn is_uniform(&self) -> bool {
        let kind = self.text("diffusion").or(self.nested("graph", "type").and_then(Json::as_str));
        kind == Some("uniform")
    }

    fn process(&self, family: &TextFamily, vocabulary: Option<usize>, tokenizer: &TextTokenizer) -> Result<Process> {
        if self.is_uniform() {
            return Ok(Process::Uniform);
        }
        let own = self.whole("mask_token_id")?.or(self.whole("mask_index")?).map(|id| id as u32);
        let named = tokenizer.named("mask_token")?;
        let last = vocabulary.filter(|_| family.last_is_mask).map(|v| v.saturating_sub(1) as u32);
        match own.or(named).or(last) {
            Some(mask) => Ok(Process::Absorbing { mask }),
            None => bail!(
                "the model has no mask token: set \"mask_token\" in {} or \"mask_token_id\" in {} \
                 (a model that scrambles tokens instead says \"diffusion\": \"uniform\" there)",
                tokenizer.config_file().display(),
                self.file
            ),
        }
    }

    fn survival(&self, family: &TextFamily) -> Result<Survival> {
        let name = self.text("noise_schedule").or(self.nested("noise", "type").and_then(Json::as_str));
        let eps = self.number("noise_eps", family.eps);
        let sigma = (self.number("sigma_min", 1e-3), self.number("sigma_max", 1.0));
        Survival::parse(name.unwrap_or("loglinear"), eps, sigma).with_context(|| self.file.clone())
    }

    fn prediction(&self, family: &TextFamily) -> Result<TextPrediction> {
        match self.text("prediction") {
            None => Ok(family.prediction),
            Some("logits") => Ok(TextPrediction::Logits),
            Some("shifted_logits") => Ok(TextPrediction::Shifted),
            Some("ratios") => Ok(TextPrediction::Ratios),
            Some(other) => {
                bail!("{} has \"prediction\": {other:?}; known are logits, shifted_logits and ratios", self.file)
            }
        }
    }

    fn pad(&self, tokenizer: &TextTokenizer) -> Result<u32> {
        let own = self.whole("pad_token_id")?.map(|id| id as u32);
        Ok(own.or(tokenizer.named("pad_token")?).unwrap_or_default())
    }

    fn block(&self, family: &TextFamily) -> Result<Option<usize>> {
        let own = self.whole("block_size")?.or(self.whole("block_length")?);
        match (family.aligned, own) {
            (None, _) => Ok(None),
            (Some(_), Some(length)) if length > 0 => Ok(Some(length)),
            (Some(0), _) => bail!("{} does not say how long the model's blocks are: set \"block_size\"", self.file),
            (default, _) => Ok(default),
        }
    }
}

fn defaults(folder: &Folder) -> Result<TextDefaults> {
    let Some(own) = folder.json("edrun.json")? else { return Ok(TextDefaults::default()) };
    serde_json::from_value(own)
        .context("edrun.json is not understood; it holds sampler, sampler_options, temperature and length")
}

fn ends(config: &Json, generation: &Json, tokenizer: &TextTokenizer) -> Result<Vec<u32>> {
    let listed = |json: &Json| -> Vec<u32> {
        let id = |v: &Json| v.as_u64().and_then(|id| u32::try_from(id).ok());
        match json.get("eos_token_id") {
            Some(Json::Array(list)) => list.iter().filter_map(id).collect(),
            Some(value) => id(value).into_iter().collect(),
            None => Vec::new(),
        }
    };
    let mut ends = [listed(config), listed(generation)].concat();
    ends.extend(tokenizer.named("eos_token")?);
    ends.sort_unstable();
    ends.dedup();
    Ok(ends)
}

/// Keys that say how long a row of tokens may be.
const LENGTHS: [&str; 5] =
    ["max_position_embeddings", "max_sequence_length", "model_length", "n_positions", "seq_length"];

fn longest(keys: &Keys<'_>, tokenizer: &TextTokenizer) -> Result<Option<usize>> {
    let mut limits = Vec::new();
    for key in LENGTHS {
        limits.extend(keys.whole(key)?);
    }
    // RoBERTa counts places from the padding token's id on.
    if keys.text("model_type").is_some_and(|t| t.contains("roberta") || t == "camembert") {
        limits.iter_mut().for_each(|limit| *limit = limit.saturating_sub(2));
    }
    limits.extend(tokenizer.max_length()?);
    Ok(limits.into_iter().min())
}
