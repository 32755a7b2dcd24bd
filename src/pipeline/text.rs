//! From a prompt to text: a language model's folder, ready to be asked.

mod ask;
mod document;
mod reader;
mod run;
mod score;

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use edrun_modalities::text::TextTokenizer;
use edrun_onnx::{Cancel, Folder, Graph, Loaded};

use super::{Memory, Settings, memory};
use crate::network::TokenNetwork;
use crate::recipe::{TextDefaults, TextRecipe};
use crate::sampling::unmask::{Choice, Cut, Facts, Method, Plan, Process, Reuse};

pub use ask::{Prompt, TextAsk};
pub use document::Document;
pub use reader::TextReader;
pub use run::{TellText, Text, TextProgress, TextTimes, Token};
pub use score::{Score, ScoreAsk};

/// A language model's folder.
pub struct TextPipeline {
    folder: Folder,
    /// Where the graph lies: empty for the folder itself.
    component: &'static str,
    recipe: TextRecipe,
    tokenizer: Arc<TextTokenizer>,
    settings: Settings,
    graph: Option<Graph>,
}

/// An ask with everything filled in and its prompt as tokens.
#[derive(Clone, Debug)]
pub struct TextPlan {
    /// What is given, and what is to be found.
    pub document: Document,
    /// How it is found.
    pub sampling: Plan,
    /// Guidance scale; 1 is none.
    pub guidance_scale: f64,
    /// Repetition penalty; 1 is none.
    pub repetition_penalty: f64,
    /// How keys and values are reused.
    pub reuse: &'static Reuse,
    /// Evaluations after which all are computed anew, where that was asked for.
    pub refresh: Option<usize>,
    /// Seed of the first text.
    pub seed: u64,
    /// Number of texts.
    pub count: usize,
}

/// Subfolders in which exporters put a language model's graph.
const COMPONENTS: [&str; 4] = ["", "transformer", "model", "onnx"];
/// Subfolders in which a tokenizer may lie.
const TOKENIZERS: [&str; 2] = ["", "tokenizer"];
/// Tokens that are found when nothing else is said.
const USUAL_LENGTH: usize = 64;

impl TextPipeline {
    /// Opens a model folder. Reads its configuration and tokenizer; loads no graph yet.
    ///
    /// # Errors
    /// When the folder or its tokenizer is missing, or is no language model that edrun knows.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self> {
        let folder = Folder::open(folder)?;
        settings.check_components(&folder)?;
        let component = COMPONENTS.into_iter().find(|c| folder.has(c)).unwrap_or_default();
        let with_tokenizer = |c: &&str| folder.subfolder(c).join("tokenizer.json").is_file();
        let tokenizer = TOKENIZERS.into_iter().chain([component]).find(with_tokenizer).unwrap_or_default();
        let tokenizer = Arc::new(TextTokenizer::open(&folder.subfolder(tokenizer))?);
        let recipe = TextRecipe::read(&folder, component, &tokenizer)
            .with_context(|| format!("the model {} cannot be used", folder.path().display()))?;
        Ok(Self { folder, component, recipe, tokenizer, settings, graph: None })
    }

    /// Which providers run the components that were loaded so far.
    pub fn loaded(&self) -> Vec<Loaded> {
        self.settings.ledger.loaded()
    }

    /// What the folder says of itself.
    pub fn recipe(&self) -> &TextRecipe {
        &self.recipe
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// What turns tokens into text, for those who watch a run.
    pub fn reader(&self) -> TextReader {
        TextReader::new(Arc::clone(&self.tokenizer))
    }

    /// Checks an ask and fills in what it leaves open, without loading the graph.
    ///
    /// # Errors
    /// For anything that cannot be honoured, naming it.
    pub fn plan(&self, ask: &TextAsk) -> Result<TextPlan> {
        self.folder.graph(self.component)?;
        if ask.count == 0 {
            bail!("--count is 0, but at least 1 text is needed");
        }
        let document = self.document(ask)?;
        let sampling = self.sampling(ask)?;
        sampling.check()?;
        let plan = TextPlan {
            document,
            sampling,
            guidance_scale: guidance(ask)?,
            repetition_penalty: ask.repetition_penalty.unwrap_or(1.0),
            reuse: self.reuse(ask)?,
            refresh: ask.kv_refresh,
            seed: ask.seed,
            count: ask.count,
        };
        match plan.repetition_penalty {
            penalty if penalty > 0.0 && penalty.is_finite() => Ok(plan),
            penalty => bail!("--repetition-penalty is {penalty}, but must be above 0 (1 is none)"),
        }
    }

    fn sampling(&self, ask: &TextAsk) -> Result<Plan> {
        let own = &self.recipe.defaults;
        let usual = Method::find(self.recipe.sampler())?;
        let method = ask.sampler.as_deref().map_or(Ok(usual), Method::find)?;
        // The folder's numbers are for the folder's sampler.
        let own = if method.name == usual.name { own.clone() } else { TextDefaults::default() };
        let temperature = ask.temperature.or(own.temperature).unwrap_or(method.temperature);
        let choice = Choice { temperature, top_k: ask.top_k, top_p: ask.top_p };
        let mut knobs = own.sampler_options;
        knobs.extend(ask.sampler_options.clone());
        let ends = match ask.ignore_end || matches!(ask.prompt, Prompt::Infill(_)) {
            true => Vec::new(),
            false => self.recipe.ends.clone(),
        };
        Ok(Plan { method, facts: self.facts(), choice, steps: ask.steps, cut: self.cut(ask)?, knobs, ends })
    }

    /// Where blocks begin.
    fn cut(&self, ask: &TextAsk) -> Result<Cut> {
        match (self.recipe.block, ask.block_length) {
            (Some(own), Some(asked)) if own != asked => bail!(
                "--block-length is {asked}, but this model was trained on blocks of {own} (\"block_size\" in config.json)"
            ),
            (Some(own), _) => Ok(Cut::Aligned(own)),
            (None, Some(length)) => Ok(Cut::Free(length)),
            (None, None) => Ok(Cut::Whole),
        }
    }

    /// What is known of the model before its graph is loaded.
    fn facts(&self) -> Facts {
        let TextRecipe { process, survival, vocabulary, .. } = self.recipe;
        let vocabulary = vocabulary.unwrap_or(self.tokenizer.vocabulary());
        Facts { process, vocabulary, survival, timed: false, weighted: false }
    }

    fn reuse(&self, ask: &TextAsk) -> Result<&'static Reuse> {
        let reuse = Reuse::find(ask.kv_cache.as_deref().unwrap_or("none"))?;
        let editing = ask.sampler_options.get("editing-threshold").is_some_and(|threshold| *threshold > 0.0);
        match (reuse.name, ask.kv_refresh) {
            (_, Some(0)) => bail!("--kv-refresh is 0, but must be 1 (always) or more"),
            ("none", Some(_)) => bail!("--kv-refresh has no meaning without --kv-cache"),
            ("none", None) => Ok(reuse),
            (name, _) if self.recipe.block.is_some() => bail!(
                "--kv-cache {name} has no meaning for this model: its blocks keep keys and values by themselves, exactly"
            ),
            (name, _) if self.recipe.process == Process::Uniform => {
                bail!("--kv-cache {name} needs a model that masks tokens; this one scrambles them")
            }
            ("delayed", _) if editing => bail!(
                "--kv-cache delayed cannot be combined with editing-threshold: it asks nothing of tokens that stand"
            ),
            _ => Ok(reuse),
        }
    }

    /// Estimates the most memory that a run of a plan will take on the processor.
    ///
    /// # Errors
    /// When the graph is missing or damaged.
    pub fn memory(&self, plan: &TextPlan) -> Result<Memory> {
        let branches = if plan.guidance_scale > 1.0 { 2 } else { 1 };
        let rows = plan.count.clamp(1, self.settings.batch.max(1)) * branches;
        memory::of_tokens(&self.folder.graph(self.component)?, rows, plan.document.tokens.len().max(1))
    }

    fn network(&mut self, cancel: &Cancel) -> Result<TokenNetwork> {
        let graph = match self.graph.take() {
            Some(graph) => graph,
            None => {
                let path = self.folder.graph(self.component)?;
                Graph::load_cancellable(&path, &self.settings.graphs(), cancel)?
            }
        };
        TokenNetwork::new(graph, &self.recipe, self.tokenizer.vocabulary(), cancel.clone())
    }
}

fn guidance(ask: &TextAsk) -> Result<f64> {
    let scale = ask.guidance_scale.unwrap_or(1.0);
    if !(scale >= 1.0 && scale.is_finite()) {
        bail!("--guidance-scale is {scale}, but must be 1 (no guidance) or more");
    }
    Ok(scale)
}
