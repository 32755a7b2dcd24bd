//! `edrun image`: from flags to files.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use edrun_modalities::prompt::MAX_PROMPT_BYTES;
use edrun_onnx::{Cancel, GraphCache, ProviderChoice, runtime};
use serde_json::json;

use super::args::ImageArgs;
use super::output::Outputs;
use super::progress::Shown;
use super::report::{self, Made};
use super::{Ending, npy};
use crate::pipeline::{Image, ImageAsk, Outcome, Pipeline, Plan, Progress, Settings};
use crate::sampling::steps::Custom;

/// What was typed, understood: everything that can be refused before the long work is.
struct Job {
    args: Box<ImageArgs>,
    pipeline: Pipeline,
    ask: ImageAsk,
    plan: Plan,
    outputs: Outputs,
}

/// Runs `edrun image`.
pub(super) fn run(args: Box<ImageArgs>) -> Result<Ending> {
    let mut job = Job::new(args)?;
    let runtime = runtime::init(job.args.ort_lib.as_deref())?;
    let cancel = cancel_on_interrupt()?;
    let mut shown = Shown::new(job.args.quiet, job.plan.steps * job.plan.count);
    let mut saved = Vec::new();
    let result = job.make(&cancel, &mut shown, &mut saved);
    shown.finish();
    let outcome = match result {
        Err(_) if cancel.is_cancelled() => return Ok(interrupted(&saved)),
        result => result?,
    };
    if let Some(path) = &job.outputs.latents {
        npy::write(path, &outcome.images.iter().map(|image| &image.latents).collect::<Vec<_>>())?;
    }
    let failures: Vec<_> = outcome.failures.iter().map(|(i, why)| (job.plan.seed(*i), format!("{why:#}"))).collect();
    if job.args.json {
        let library = json!({ "library": runtime.path.display().to_string(), "version": runtime.version, "providers": job.args.ep });
        report::print(&job.made().report(&saved, &failures, &outcome.times, library))?;
    }
    for (seed, why) in &failures {
        report::error(&anyhow::anyhow!("seed {seed}: {why}"));
    }
    Ok(match (saved.is_empty(), failures.is_empty()) {
        (_, true) => Ending::Done,
        (false, false) => Ending::SomeFailed,
        (true, false) => Ending::Failed,
    })
}

impl Job {
    fn new(args: Box<ImageArgs>) -> Result<Self> {
        let settings = settings(&args)?;
        let ask = ask(&args)?;
        let pipeline = Pipeline::open(&args.model, settings)?;
        let plan = pipeline.plan(&ask)?;
        let seeds: Vec<u64> = (0..plan.count).map(|i| plan.seed(i)).collect();
        let outputs = Outputs::new(args.output.as_deref(), args.save_latents.as_deref(), &seeds, args.overwrite)?;
        Ok(Self { args, pipeline, ask, plan, outputs })
    }

    fn made(&self) -> Made<'_> {
        Made { ask: &self.ask, plan: &self.plan, model: &self.args.model }
    }

    /// Samples and decodes, saving each picture as soon as it is ready.
    fn make(&mut self, cancel: &Cancel, shown: &mut Shown, saved: &mut Vec<(u64, PathBuf)>) -> Result<Outcome> {
        let Self { args, pipeline, ask, plan, outputs } = self;
        let made = Made { ask, plan, model: &args.model };
        pipeline.image(ask, cancel, &mut |progress| {
            match progress {
                Progress::Stage(name) => shown.stage(name),
                Progress::Step { index, done, total } => shown.step(index, done, total),
                Progress::Cut { text } => {
                    shown.say(&format!("warning: the prompt is too long for the model; without effect is: {text}"));
                }
                Progress::Note(text) => shown.say(&format!("note: {text}")),
                Progress::Image(image) => save(image, outputs, &made, shown, saved)?,
            }
            if cancel.is_cancelled() { bail!("interrupted") } else { Ok(()) }
        })
    }
}

fn save(
    image: &Image,
    outputs: &Outputs,
    made: &Made<'_>,
    shown: &Shown,
    saved: &mut Vec<(u64, PathBuf)>,
) -> Result<()> {
    let path = outputs.pictures.get(image.index).context("a picture has no output file")?;
    image.picture.save(path, &made.info(image))?;
    shown.say(&format!("saved {} (seed {})", path.display(), image.seed));
    saved.push((image.seed, path.clone()));
    Ok(())
}

fn interrupted(saved: &[(u64, PathBuf)]) -> Ending {
    if saved.is_empty() {
        eprintln!("interrupted; nothing was saved");
        return Ending::Failed;
    }
    let names: Vec<_> = saved.iter().map(|(_, path)| path.display().to_string()).collect();
    eprintln!("interrupted; saved before: {}", names.join(", "));
    Ending::SomeFailed
}

/// The first Ctrl-C ends the run in good order, the second at once.
fn cancel_on_interrupt() -> Result<Cancel> {
    let cancel = Cancel::new();
    let handle = cancel.clone();
    ctrlc::set_handler(move || {
        if handle.is_cancelled() {
            std::process::exit(2);
        }
        handle.cancel();
    })
    .context("Ctrl-C cannot be handled on this system")?;
    Ok(cancel)
}

fn settings(args: &ImageArgs) -> Result<Settings> {
    if args.threads == Some(0) {
        bail!("--threads is 0, but at least 1 thread is needed");
    }
    let limit_bytes = bytes(&args.cache_limit)?;
    let cache = (!args.no_cache_models).then(|| GraphCache { limit_bytes, ..GraphCache::default() });
    Ok(Settings {
        providers: ProviderChoice::parse_list(&args.ep)?,
        threads: args.threads,
        cache,
        keep_loaded: args.keep_loaded,
    })
}

fn ask(args: &ImageArgs) -> Result<ImageAsk> {
    Ok(ImageAsk {
        prompt: prompt(&args.prompt)?,
        negative_prompt: args.negative_prompt.clone(),
        width: args.width,
        height: args.height,
        steps: args.steps,
        guidance_scale: args.guidance_scale,
        guidance_rescale: args.guidance_rescale,
        sampler: args.sampler.clone(),
        schedule: args.schedule.clone(),
        steps_list: args.sigmas.clone().map(Custom::Sigmas).or(args.timesteps.clone().map(Custom::Timesteps)),
        eta: args.eta,
        sampler_options: args.sampler_options.iter().map(|text| option(text)).collect::<Result<_>>()?,
        rng: args.rng.clone(),
        seed: args.seed.unwrap_or_else(random_seed),
        count: args.count,
        batch: args.batch,
        init_latents: args.init_latents.as_deref().map(npy::read).transpose()?,
    })
}

/// The prompt as typed, or all of standard input for `-`.
fn prompt(typed: &str) -> Result<String> {
    if typed != "-" {
        return Ok(typed.to_owned());
    }
    let mut bytes = Vec::new();
    let limit = MAX_PROMPT_BYTES as u64 + 1;
    std::io::stdin()
        .lock()
        .take(limit)
        .read_to_end(&mut bytes)
        .context("the prompt cannot be read from standard input")?;
    if bytes.len() > MAX_PROMPT_BYTES {
        bail!(
            "the prompt on standard input is longer than {MAX_PROMPT_BYTES} bytes; shorten it (models read about 75 words)"
        );
    }
    let text = String::from_utf8(bytes).context("the prompt on standard input is not UTF-8; convert it")?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// `NAME=VALUE` with a number.
fn option(text: &str) -> Result<(String, f64)> {
    let parts = text.split_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?)));
    match parts {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value)),
        _ => {
            bail!("--sampler-option {text:?} is not understood; write it as NAME=VALUE with a number, such as order=3")
        }
    }
}

/// 32 bits, so that the seed is short enough to copy by hand.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

/// A size such as `20G`, `512M` or `1000000`, in bytes.
fn bytes(text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let trimmed = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, shift) = match trimmed.char_indices().last() {
        Some((end, 'k')) => (trimmed.get(..end), 10),
        Some((end, 'm')) => (trimmed.get(..end), 20),
        Some((end, 'g')) => (trimmed.get(..end), 30),
        Some((end, 't')) => (trimmed.get(..end), 40),
        _ => (Some(trimmed), 0),
    };
    let number = digits.and_then(|digits| digits.parse::<f64>().ok()).filter(|n| n.is_finite() && *n >= 0.0);
    match number {
        Some(number) => Ok((number * (1u64 << shift) as f64) as u64),
        None => bail!("--cache-limit {text:?} is no size; write it as 20G, 512M or a number of bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [("20G", 20 << 30), ("512m", 512 << 20), ("1.5GiB", 3 << 29), ("7", 7), ("3kb", 3072)];
        for (text, want) in cases {
            assert_eq!(bytes(text).unwrap(), want, "{text}");
        }
        for text in ["", "G", "-1G", "lots"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
