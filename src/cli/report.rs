//! What is said at the end: to people, to programs, and inside the files.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use edrun_modalities::image::Info;
use serde_json::{Value as Json, json};

use crate::pipeline::{Image, ImageAsk, Plan, Times};
use crate::sampling::steps::Custom;

/// Prints an error with its causes, as one sentence.
pub(super) fn error(error: &anyhow::Error) {
    // The exit code still tells when standard error is closed.
    let _ = writeln!(std::io::stderr(), "error: {error:#}");
}

/// What is needed to say how a picture was made.
pub(super) struct Made<'a> {
    pub(super) ask: &'a ImageAsk,
    pub(super) plan: &'a Plan,
    /// What the model is called.
    pub(super) model: &'a str,
}

impl Made<'_> {
    /// The text and JSON that a picture file carries.
    pub(super) fn info(&self, image: &Image) -> Info {
        Info { parameters: self.parameters(image.seed), json: self.json(image.seed).to_string() }
    }

    /// The form that AUTOMATIC1111's web UI writes and many tools read.
    fn parameters(&self, seed: u64) -> String {
        let Made { ask, plan, .. } = self;
        let negative =
            ask.negative_prompt.as_ref().map(|text| format!("\nNegative prompt: {text}")).unwrap_or_default();
        let schedule = ask.schedule.as_ref().map(|name| format!(", Schedule type: {name}")).unwrap_or_default();
        format!(
            "{}{negative}\nSteps: {}, Sampler: {}{schedule}, CFG scale: {}, Seed: {seed}, Size: {}x{}, Model: {}, Version: edrun {}",
            ask.prompt,
            plan.steps,
            plan.method.name,
            plan.guidance_scale,
            plan.width,
            plan.height,
            self.model,
            env!("CARGO_PKG_VERSION"),
        )
    }

    fn json(&self, seed: u64) -> Json {
        let Made { ask, plan, .. } = self;
        json!({
            "edrun": env!("CARGO_PKG_VERSION"),
            "modality": "image",
            "model": self.model,
            "prompt": ask.prompt,
            "negative_prompt": ask.negative_prompt,
            "width": plan.width,
            "height": plan.height,
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
            "init_image": ask.init_image.is_some(),
            "strength": plan.strength(),
            "mask": ask.mask.is_some(),
        })
    }
}

/// A picture that was written.
pub(super) struct Saved {
    /// Place of its prompt among the prompts.
    pub(super) prompt: usize,
    pub(super) seed: u64,
    pub(super) file: PathBuf,
}

/// The report of `--json`; `made` when there was one prompt.
pub(super) fn report(
    made: Option<&Made<'_>>,
    saved: &[Saved],
    failed: &[(String, String)],
    times: &Times,
    runtime: Option<Json>,
) -> Json {
    let mut report =
        made.map_or_else(|| json!({ "edrun": env!("CARGO_PKG_VERSION"), "modality": "image" }), |made| made.json(0));
    let picture =
        |saved: &Saved| json!({ "prompt": saved.prompt, "seed": saved.seed, "file": saved.file.display().to_string() });
    let failure = |(what, why): &(String, String)| json!({ "what": what, "error": why });
    if let Some(fields) = report.as_object_mut() {
        fields.remove("seed");
        fields.insert("images".into(), saved.iter().map(picture).collect());
        fields.insert("failures".into(), failed.iter().map(failure).collect());
        fields.insert("runtime".into(), runtime.unwrap_or_default());
        fields.insert("seconds".into(), seconds(times));
    }
    report
}

fn list(ask: &ImageAsk) -> &[f64] {
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
