//! The report of `edrun text --json`.

use serde_json::{Value as Json, json};

use crate::pipeline::text::{Prompt, Text, TextAsk, TextPlan, TextTimes, Token};
use crate::sampling::unmask::Cut;

/// What is needed to say how texts were made.
pub(super) struct Made<'a> {
    pub(super) ask: &'a TextAsk,
    pub(super) plan: &'a TextPlan,
    pub(super) model: &'a str,
}

impl Made<'_> {
    /// The whole report.
    pub(super) fn report(&self, texts: &[Text], failed: &[(usize, String)], times: &TextTimes, runtime: &Json) -> Json {
        let Made { ask, plan, .. } = self;
        let sampling = &plan.sampling;
        json!({
            "edrun": env!("CARGO_PKG_VERSION"),
            "modality": "text",
            "model": self.model,
            "prompt": self.prompt(),
            "sampler": sampling.method.name,
            "sampler_options": sampling.knobs,
            "steps": ask.steps,
            "temperature": sampling.choice.temperature,
            "top_k": sampling.choice.top_k,
            "top_p": sampling.choice.top_p,
            "repetition_penalty": plan.repetition_penalty,
            "guidance_scale": plan.guidance_scale,
            "block_length": match sampling.cut {
                Cut::Whole => None,
                Cut::Free(length) | Cut::Aligned(length) => Some(length),
            },
            "kv_cache": plan.reuse.name,
            "kv_refresh": plan.refresh,
            "tokens": { "given": plan.document.tokens.len() - plan.document.open(), "asked": plan.document.open() },
            "rng": ask.rng,
            "texts": texts.iter().map(text).collect::<Vec<_>>(),
            "failures": failed.iter().map(|(index, why)| json!({ "text": index, "error": why })).collect::<Vec<_>>(),
            "runtime": runtime,
            "seconds": {
                "load": times.load.as_secs_f64(),
                "sample": times.sample.as_secs_f64(),
                "graph": times.graph.time.as_secs_f64(),
            },
            "graph_runs": times.graph.runs,
            "tokens_computed": times.graph.tokens,
        })
    }

    fn prompt(&self) -> Json {
        match &self.ask.prompt {
            Prompt::Around { prefix, suffix } => json!({ "prefix": prefix, "suffix": suffix }),
            Prompt::Infill(text) => json!({ "infill": text }),
            Prompt::Chat(messages) => json!({ "messages": messages }),
        }
    }
}

fn text(text: &Text) -> Json {
    json!({
        "seed": text.seed,
        "text": text.text,
        "found": text.found,
        "tokens": text.tokens.iter().map(token).collect::<Vec<_>>(),
        "evaluations": text.turns,
        "ended": text.ended,
    })
}

fn token(token: &Token) -> Json {
    json!({
        "place": token.place,
        "id": token.id,
        "text": token.text,
        "step": token.turn,
        "log_probability": token.log_probability,
    })
}
