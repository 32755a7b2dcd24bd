//! Prompts and their flags: one from the command line, or one a line from a file.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use edrun_modalities::prompt::MAX_PROMPT_BYTES;
use serde::Deserialize;

use super::args::ImageArgs;

/// The largest file of prompts.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// The flags that one line of a JSON-lines file may set.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    prompt: Option<String>,
    #[serde(alias = "negative-prompt")]
    negative_prompt: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    steps: Option<usize>,
    seed: Option<u64>,
    count: Option<usize>,
    #[serde(alias = "guidance-scale", alias = "cfg_scale", alias = "cfg-scale")]
    guidance_scale: Option<f64>,
    #[serde(alias = "guidance-rescale")]
    guidance_rescale: Option<f64>,
    #[serde(alias = "solver")]
    sampler: Option<String>,
    schedule: Option<String>,
    sigmas: Option<Vec<f64>>,
    timesteps: Option<Vec<f64>>,
    eta: Option<f64>,
    #[serde(alias = "sampler-option", alias = "sampler_option")]
    sampler_options: Option<std::collections::BTreeMap<String, f64>>,
    rng: Option<String>,
    #[serde(alias = "variation-seed")]
    variation_seed: Option<u64>,
    #[serde(alias = "variation-strength")]
    variation_strength: Option<f64>,
    #[serde(alias = "init-latents")]
    init_latents: Option<PathBuf>,
    output: Option<PathBuf>,
}

/// Every wish of a command line, in order; a line that cannot be understood is an error of its own.
///
/// # Errors
/// When the file or standard input cannot be read.
pub(super) fn wishes(args: &ImageArgs) -> Result<Vec<Result<ImageArgs>>> {
    match (&args.prompts, &args.prompt) {
        (Some(file), _) => {
            let text = if file == Path::new("-") { stdin(MAX_FILE_BYTES)? } else { read(file)? };
            let is_json = file.extension().is_some_and(|end| end == "jsonl") || text.trim_start().starts_with('{');
            let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let wishes: Vec<_> = lines
                .map(|(i, line)| of_line(args, line, is_json).with_context(|| format!("line {}", i + 1)))
                .collect();
            if wishes.is_empty() {
                bail!("{} holds no prompt; write one a line", file.display());
            }
            Ok(wishes)
        }
        (None, Some(typed)) if typed == "-" => {
            let text = stdin(MAX_PROMPT_BYTES as u64)?;
            Ok(vec![Ok(with_prompt(args, text.trim_end_matches(['\n', '\r'])))])
        }
        (None, typed) => Ok(vec![Ok(with_prompt(args, typed.as_deref().unwrap_or_default()))]),
    }
}

fn with_prompt(args: &ImageArgs, prompt: &str) -> ImageArgs {
    ImageArgs { prompt: Some(prompt.to_owned()), ..args.clone() }
}

fn of_line(args: &ImageArgs, line: &str, is_json: bool) -> Result<ImageArgs> {
    if !is_json {
        return Ok(with_prompt(args, line.trim()));
    }
    let line: Line = serde_json::from_str(line).map_err(|cause| anyhow!("it is not understood: {cause}"))?;
    let mut own = with_prompt(args, line.prompt.as_deref().context("it has no \"prompt\"; give it one, if only \"\"")?);
    let lists = [line.schedule.is_some(), line.sigmas.is_some(), line.timesteps.is_some()];
    let named = lists.iter().filter(|named| **named).count();
    if named > 1 {
        bail!("schedule, sigmas and timesteps cannot be combined; keep one");
    }
    if named == 1 {
        // A line's step list replaces the command line's, of whatever kind.
        (own.schedule, own.sigmas, own.timesteps) = (line.schedule, line.sigmas, line.timesteps);
    }
    own.negative_prompt = line.negative_prompt.or(own.negative_prompt);
    own.width = line.width.or(own.width);
    own.height = line.height.or(own.height);
    own.steps = line.steps.or(own.steps);
    own.seed = line.seed.or(own.seed);
    own.count = line.count.unwrap_or(own.count);
    own.guidance_scale = line.guidance_scale.or(own.guidance_scale);
    own.guidance_rescale = line.guidance_rescale.unwrap_or(own.guidance_rescale);
    own.sampler = line.sampler.or(own.sampler);
    own.eta = line.eta.or(own.eta);
    own.rng = line.rng.unwrap_or(own.rng);
    own.variation_seed = line.variation_seed.or(own.variation_seed);
    own.variation_strength = line.variation_strength.or(own.variation_strength);
    if own.variation_seed.is_some() != own.variation_strength.is_some() {
        bail!("variation_seed and variation_strength need each other; give both");
    }
    own.init_latents = line.init_latents.or(own.init_latents);
    own.output = line.output.or(own.output);
    if let Some(options) = line.sampler_options {
        own.sampler_options = options.iter().map(|(name, value)| format!("{name}={value}")).collect();
    }
    Ok(own)
}

fn read(file: &Path) -> Result<String> {
    let size = file.metadata().with_context(|| format!("--prompts {} cannot be read", file.display()))?.len();
    if size > MAX_FILE_BYTES {
        bail!("--prompts {} is larger than {} MiB; split it", file.display(), MAX_FILE_BYTES >> 20);
    }
    std::fs::read_to_string(file).with_context(|| format!("--prompts {} cannot be read as UTF-8 text", file.display()))
}

/// All of standard input, up to a limit.
fn stdin(limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes);
    read.context("the prompt cannot be read from standard input")?;
    if bytes.len() as u64 > limit {
        bail!("the prompt on standard input is longer than {limit} bytes; shorten it (models read about 75 words)");
    }
    String::from_utf8(bytes).context("the prompt on standard input is not UTF-8; convert it")
}
