//! What is said at the end: to people, to programs, and inside the files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use edrun_modalities::Info;
use serde_json::{Value as Json, json};

use crate::media::Modality;
use crate::pipeline::{Ask, Plan, Times};
use crate::sampling::steps::Custom;

/// Prints an error with its causes, as one sentence.
pub(super) fn error(error: &anyhow::Error) {
    // The exit code still tells when standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// What is needed to say how something was made.
pub(super) struct Record<'a> {
    pub(super) modality: Modality,
    pub(super) ask: &'a Ask,
    pub(super) plan: &'a Plan,
    /// What the model is called.
    pub(super) model: &'a str,
}

impl Record<'_> {
    /// The text and JSON that a file carries.
    pub(super) fn info(&self, seed: u64) -> Info {
        Info { parameters: self.parameters(seed), json: self.json(seed).to_string() }
    }

    /// The form that AUTOMATIC1111's web UI writes and many tools read.
    fn parameters(&self, seed: u64) -> String {
        let Self { ask, plan, .. } = self;
        let negative =
            ask.negative_prompt.as_ref().map(|text| format!("\nNegative prompt: {text}")).unwrap_or_default();
        let schedule = ask.schedule.as_ref().map(|name| format!(", Schedule type: {name}")).unwrap_or_default();
        format!(
            "{}{negative}\nSteps: {}, Sampler: {}{schedule}, CFG scale: {}, Seed: {seed}, Size: {}, Model: {}, Version: edrun {}",
            ask.prompt,
            plan.steps,
            plan.method.name,
            plan.guidance_scale,
            plan.extent,
            self.model,
            env!("CARGO_PKG_VERSION"),
        )
    }

    fn json(&self, seed: u64) -> Json {
        let Self { ask, plan, .. } = self;
        let mut record = json!({
            "edrun": env!("CARGO_PKG_VERSION"),
            "modality": self.modality.command(),
            "model": self.model,
            "prompt": ask.prompt,
            "negative_prompt": ask.negative_prompt,
            "steps": plan.steps,
            "guidance_scale": plan.guidance_scale,
            "guidance_rescale": ask.guidance_rescale,
            "sampler": plan.method.name,
            "schedule": ask.schedule,
            "sigmas": matches!(&ask.steps_list, Some(Custom::Sigmas(_))).then(|| list(ask)),
            "timesteps": matches!(&ask.steps_list, Some(Custom::Timesteps(_))).then(|| list(ask)),
            "eta": ask.eta,
            "sampler_options": ask.sampler_options,
            "rng": ask.rng,
            "seed": seed,
            "variation_seed": ask.variation.map(|(seed, _)| seed),
            "variation_strength": ask.variation.map(|(_, share)| share),
            "init_latents": ask.init_latents.is_some(),
            "init": ask.init.is_some(),
            "strength": plan.strength(),
            "mask": ask.mask.is_some(),
        });
        if let (Some(all), Json::Object(size)) = (record.as_object_mut(), plan.extent.record()) {
            all.extend(size);
        }
        record
    }
}

/// A result that was written.
pub(super) struct Saved {
    /// Place of its prompt among the prompts.
    pub(super) prompt: usize,
    pub(super) seed: u64,
    pub(super) file: PathBuf,
    /// What it looks like, where that is another file.
    pub(super) turntable: Option<PathBuf>,
    /// What there is to say of it.
    pub(super) facts: Json,
}

impl Saved {
    fn json(&self) -> Json {
        let mut json = json!({ "prompt": self.prompt, "seed": self.seed, "file": self.file.display().to_string() });
        let turntable = self.turntable.as_ref().map(|path| ("turntable".to_owned(), json!(path.display().to_string())));
        if let Some(all) = json.as_object_mut() {
            all.extend(turntable);
            all.extend(self.facts.as_object().cloned().unwrap_or_default());
        }
        json
    }
}

/// What came of a whole run.
pub(super) struct Report<'a> {
    pub(super) modality: Modality,
    pub(super) saved: &'a [Saved],
    /// What failed, and why.
    pub(super) failed: &'a [(String, String)],
    pub(super) times: &'a Times,
}

impl Report<'_> {
    /// The report of `--json`; `record` when there was one prompt.
    pub(super) fn json(&self, record: Option<&Record<'_>>, runtime: Option<Json>) -> Json {
        let command = self.modality.command();
        let mut report = record.map_or_else(
            || json!({ "edrun": env!("CARGO_PKG_VERSION"), "modality": command }),
            |record| record.json(0),
        );
        let failure = |(what, why): &(String, String)| json!({ "what": what, "error": why });
        if let Some(fields) = report.as_object_mut() {
            fields.remove("seed");
            fields.insert(self.modality.plural().into(), self.saved.iter().map(Saved::json).collect());
            fields.insert("failures".into(), self.failed.iter().map(failure).collect());
            fields.insert("runtime".into(), runtime.unwrap_or_default());
            fields.insert("seconds".into(), seconds(self.times));
        }
        report
    }
}

fn list(ask: &Ask) -> &[f64] {
    match &ask.steps_list {
        Some(Custom::Sigmas(list) | Custom::Timesteps(list)) => list,
        None => &[],
    }
}

fn seconds(times: &Times) -> Json {
    json!({
        "load": times.load.as_secs_f64(),
        "encode": times.encode.as_secs_f64(),
        "sample": times.sample.as_secs_f64(),
        "denoiser_graph": times.graph.as_secs_f64(),
        "denoiser_runs": times.graph_runs,
        "decode": times.decode.as_secs_f64(),
    })
}

/// Prints a report as the only thing on standard output.
pub(super) fn print(report: &Json) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{report:#}")?;
    Ok(())
}
