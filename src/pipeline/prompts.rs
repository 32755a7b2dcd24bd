//! Prompts to conditioning.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use edrun_modalities::prompt::{PromptTokenizer, TextEncoder};
use edrun_onnx::Cancel;
use ndarray::Axis;

use super::{ImageAsk, Pipeline, Plan, Progress, Tell, Times};
use crate::network::{Condition, guidance_embedding};

/// The conditioning of an ask.
pub(super) struct Conditions {
    pub(super) positive: Arc<Condition>,
    /// Only with guidance by two branches.
    pub(super) negative: Option<Arc<Condition>>,
}

impl Pipeline {
    pub(super) fn encode(
        &mut self,
        ask: &ImageAsk,
        plan: &Plan,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<Conditions> {
        let mut prompts = vec![ask.prompt.as_str()];
        prompts.extend(plan.guidance.is_on().then(|| ask.negative_prompt.as_deref().unwrap_or_default()));
        let ids = self.tokenize(&prompts, tell)?;
        tell(Progress::Stage("encoding the prompt"))?;
        let start = Instant::now();
        let mut encoder = self.text_encoder(cancel)?;
        times.load += start.elapsed();
        let start = Instant::now();
        let hidden = encoder.encode(&ids, cancel)?;
        times.encode = start.elapsed();
        self.text_encoder = self.settings.keep_loaded.then_some(encoder);
        let guidance = match self.recipe.guidance_embedding {
            Some(width) => guidance_embedding(plan.guidance_scale, width),
            None => Vec::new(),
        };
        let mut rows = hidden
            .axis_iter(Axis(0))
            .map(|row| Arc::new(Condition { hidden_states: row.to_owned(), guidance: guidance.clone() }));
        let Some(positive) = rows.next() else { bail!("the text encoder gave no embedding; export the model again") };
        Ok(Conditions { positive, negative: rows.next() })
    }

    fn tokenize(&self, prompts: &[&str], tell: &mut Tell<'_>) -> Result<Vec<Vec<i64>>> {
        let folder =
            ["tokenizer", ""].map(|name| self.folder.subfolder(name)).into_iter().find(|folder| folder.is_dir());
        let folder = folder.unwrap_or_else(|| self.folder.subfolder("tokenizer"));
        let tokenizer = PromptTokenizer::open(&folder).context("the prompt cannot be read")?;
        let mut ids = Vec::new();
        for prompt in prompts {
            let encoded = tokenizer.encode(prompt)?;
            if let Some(text) = &encoded.cut {
                tell(Progress::Cut { text })?;
            }
            ids.push(encoded.ids);
        }
        Ok(ids)
    }

    fn text_encoder(&mut self, cancel: &Cancel) -> Result<TextEncoder> {
        match self.text_encoder.take() {
            Some(encoder) => Ok(encoder),
            None => TextEncoder::open_cancellable(&self.folder, "text_encoder", &self.settings.graphs(), cancel),
        }
    }
}
