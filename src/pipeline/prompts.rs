//! Prompts to conditioning: every text is encoded once, whoever asks for it.

#[cfg(feature = "audio")]
mod told;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use edrun_modalities::prompt::{Encoded, Padding, PromptTokenizer, TextEncoder, tidy};
use edrun_onnx::Cancel;
use ndarray::ArrayD;

use super::run::Ready;
use super::{Pipeline, Progress, Tell, Times};
use crate::network::{Condition, Input, guidance_embedding};
use crate::recipe::Guided;
use crate::sampling::{Branch, Latent};

/// A text as a denoiser is told it.
#[derive(Clone)]
struct Told {
    /// `[tokens, width]`, or `[width]` of a text that is embedded whole.
    states: Latent,
    /// 1 for its tokens, 0 for the padding behind them.
    mask: Latent,
}

/// The conditioning of an ask.
pub(super) struct Conditions {
    positive: Arc<Condition>,
    /// Only with guidance by two branches.
    negative: Option<Arc<Condition>>,
}

impl Conditions {
    /// Of what an image encoder sees; guidance compares it with nothing at all.
    pub(super) fn seen(states: Latent, guided: bool) -> Self {
        let condition = |states| Arc::new([(Input::HiddenStates, states)].into_iter().collect::<Condition>());
        let negative = guided.then(|| condition(Latent::zeros(states.raw_dim())));
        Self { positive: condition(states), negative }
    }

    /// Of what a model's own front end makes of a text.
    #[cfg(feature = "audio")]
    pub(super) fn told(condition: Condition) -> Self {
        Self { positive: Arc::new(condition), negative: None }
    }

    /// What each branch of a request is conditioned on.
    pub(super) fn branches(&self) -> impl Iterator<Item = (Branch, &Arc<Condition>)> {
        let negative = self.negative.iter().map(|condition| (Branch::Negative, condition));
        negative.chain([(Branch::Positive, &self.positive)])
    }

    /// Adds what all branches are conditioned on beside their texts.
    pub(super) fn add(&mut self, input: Input, value: &Latent) {
        for condition in [Some(&mut self.positive), self.negative.as_mut()].into_iter().flatten() {
            Arc::make_mut(condition).add(input, value.clone());
        }
    }
}

impl Pipeline {
    /// Fills in the conditioning of every ask; one whose prompt cannot be read fails alone.
    pub(super) fn encode(
        &mut self,
        ready: &mut [Ready<'_>],
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        #[cfg(feature = "audio")]
        if self.recipe.family.told == crate::recipe::Told::Speech {
            return self.read_lines(ready, cancel, tell, times);
        }
        #[cfg(feature = "image")]
        if !self.recipe.family.reads() {
            return self.look(ready, cancel, tell, times);
        }
        let ids = self.tokenize(ready, tell)?;
        if ids.is_empty() {
            return Ok(());
        }
        tell(Progress::Stage("encoding the prompt"))?;
        let start = Instant::now();
        let mut encoder = self.text_encoder(cancel)?;
        self.tell_news(tell)?;
        times.load += start.elapsed();
        let start = Instant::now();
        let span = self.settings.trace.span("encode", "prompt");
        let hidden = encode_texts(&mut encoder, &ids, self.recipe.family.prompt.padding, cancel)?;
        drop(span);
        times.encode += start.elapsed();
        self.text_encoder = self.settings.keep_loaded.then_some(encoder);
        #[cfg(feature = "audio")]
        if self.recipe.family.told != crate::recipe::Told::Words {
            return self.tell_more(ready, &hidden, cancel);
        }
        for ask in ready.iter_mut() {
            ask.conditions = self.conditions(ask, &hidden);
        }
        Ok(())
    }

    fn conditions(&self, ask: &Ready<'_>, told: &HashMap<String, Told>) -> Option<Conditions> {
        let guidance = match self.recipe.guided {
            Guided::Embedding(width) => Some(guidance_embedding(ask.plan.guidance_scale, width)),
            _ => None,
        };
        let condition = |text: &str| {
            let Told { states, mask } = told.get(text)?.clone();
            let guidance = guidance.clone().map(|guidance| (Input::Guidance, guidance));
            let text = [(Input::HiddenStates, states), (Input::TextMask, mask)];
            Some(Arc::new(text.into_iter().chain(guidance).collect::<Condition>()))
        };
        let [positive, negative] = texts(ask);
        Some(Conditions {
            positive: condition(positive?)?,
            negative: match negative {
                Some(text) => Some(condition(text)?),
                None => None,
            },
        })
    }

    /// The token ids of every text that is needed.
    fn tokenize(&self, ready: &[Ready<'_>], tell: &mut Tell<'_>) -> Result<BTreeMap<String, Encoded>> {
        let habit = self.recipe.family.prompt;
        let tokenizer = self.tokenizer()?;
        let mut ids = BTreeMap::new();
        for ask in ready {
            for text in texts(ask).into_iter().flatten() {
                if ids.contains_key(text) {
                    continue;
                }
                let read = if habit.tidied { tokenizer.encode(&tidy(text)) } else { tokenizer.encode(text) };
                match read {
                    Ok(encoded) => {
                        if let Some(text) = &encoded.cut {
                            tell(Progress::Cut { ask: ask.ask, text })?;
                        }
                        ids.insert(text.to_owned(), encoded);
                    }
                    Err(error) if !ask.company.several => return Err(error),
                    Err(error) => tell(Progress::Failed { ask: ask.ask, index: 0, error })?,
                }
            }
        }
        Ok(ids)
    }

    fn tokenizer(&self) -> Result<PromptTokenizer> {
        let own = self.folder.subfolder("tokenizer");
        let folder = if own.is_dir() || !self.folder.path().join("vocab.json").is_file() {
            own
        } else {
            self.folder.path().to_owned()
        };
        let tokenizer = PromptTokenizer::open(&folder).context("the prompt cannot be read")?;
        match self.recipe.family.prompt.tokens {
            Some(tokens) => tokenizer.with_max_length(tokens),
            None => Ok(tokenizer),
        }
    }

    fn text_encoder(&mut self, cancel: &Cancel) -> Result<TextEncoder> {
        match self.text_encoder.take() {
            Some(encoder) => Ok(encoder),
            None => TextEncoder::open_cancellable(&self.folder, "text_encoder", &self.settings.graphs(), cancel),
        }
    }
}

/// The texts of an ask: its prompt and, with guidance by two branches, its negative prompt.
fn texts<'a>(ask: &Ready<'a>) -> [Option<&'a str>; 2] {
    let negative = ask.plan.guidance.is_on().then(|| ask.wish.negative_prompt.as_deref().unwrap_or_default());
    [Some(ask.wish.prompt.as_str()), negative]
}

fn encode_texts(
    encoder: &mut TextEncoder,
    texts: &BTreeMap<String, Encoded>,
    padding: Padding,
    cancel: &Cancel,
) -> Result<HashMap<String, Told>> {
    let mut told = HashMap::new();
    for (text, encoded) in texts {
        let states = encoder.encode_text(encoded, padding, cancel)?;
        if states.is_empty() {
            bail!("the text encoder gave no embedding; export the model again");
        }
        let mask = (0..encoded.ids.len()).map(|at| f32::from(at < encoded.tokens)).collect();
        let mask = ArrayD::from_shape_vec(vec![encoded.ids.len()], mask)?;
        told.insert(text.clone(), Told { states, mask });
    }
    Ok(told)
}
