//! `edrun text --score`: how many bits a model needs for a text.

use std::io::Write;

use anyhow::{Result, bail};
use serde_json::json;

use super::live::Live;
use crate::cli::args::TextArgs;
use crate::cli::interrupt::Interrupt;
use crate::cli::models::Model;
use crate::cli::{Ending, make, report, runtime, timing};
use crate::pipeline::Settings;
use crate::pipeline::text::{Score, ScoreAsk, TextPipeline, TextProgress};

/// Questions for each window when nothing is said.
const DRAWS: usize = 32;

pub(super) fn run(args: &TextArgs) -> Result<Ending> {
    refuse_sampling(args)?;
    let file = args.score.as_deref().unwrap_or(std::path::Path::new("-"));
    let text = super::read(file)?;
    let model = Model::find(&args.running, "text")?;
    let trace = timing::trace(&args.report)?;
    let settings = Settings { trace: trace.clone(), ..make::settings(&args.running)? };
    let mut pipeline = TextPipeline::open(&model.folder, settings)?;
    runtime::start(&args.running.library)?;
    let interrupt = Interrupt::watch("there is no score")?;
    let live = Live::new(args.report.quiet);
    let ask = ScoreAsk {
        text,
        draws: args.draws.unwrap_or(DRAWS),
        window: args.window,
        rng: args.request.rng.clone(),
        seed: args.request.seed.unwrap_or_default(),
    };
    let score = pipeline.score(&ask, interrupt.cancel(), &mut |progress| {
        match progress {
            TextProgress::Stage(name) => live.stage(name),
            TextProgress::Scored { done, total } => live.stage(&format!("scored {done} of {total} windows")),
            _ => {}
        }
        if interrupt.is_on() { bail!("interrupted") } else { Ok(()) }
    });
    live.finish();
    match score {
        Err(_) if interrupt.is_on() => Ok(interrupt.tell()),
        score => {
            say(args, &model.name, &ask, &score?)?;
            drop(pipeline);
            timing::report(&args.report, &trace)?;
            Ok(Ending::Done)
        }
    }
}

/// Flags that make texts do not score them.
fn refuse_sampling(args: &TextArgs) -> Result<()> {
    let request = &args.request;
    let flags = [
        ("--steps", request.steps.is_some()),
        ("--count", request.count != 1),
        ("--guidance-scale", request.guidance_scale.is_some()),
        ("--sampler", request.sampler.is_some()),
        ("--sampler-option", !request.sampler_options.is_empty()),
        ("--temperature", args.temperature.is_some()),
        ("--top-k", args.top_k.is_some()),
        ("--top-p", args.top_p.is_some()),
        ("--repetition-penalty", args.repetition_penalty.is_some()),
        ("--block-length", args.block_length.is_some()),
        ("--kv-cache", args.kv_cache.is_some()),
        ("--kv-refresh", args.kv_refresh.is_some()),
        ("--output", args.output.is_some()),
    ];
    match flags.iter().find(|(_, given)| *given) {
        Some((flag, _)) => bail!("{flag} has no meaning for --score, which makes no text"),
        None => Ok(()),
    }
}

fn say(args: &TextArgs, model: &str, ask: &ScoreAsk, score: &Score) -> Result<()> {
    let ((bits, bits_error), (nats, nats_error)) = (score.bits_per_character(), score.nats_per_token());
    if args.report.json {
        return report::print(&json!({
            "edrun": env!("CARGO_PKG_VERSION"),
            "modality": "text",
            "model": model,
            "bits_per_character": bits,
            "bits_per_character_error": bits_error,
            "nats_per_token": nats,
            "nats_per_token_error": nats_error,
            "perplexity": nats.exp(),
            "characters": score.characters,
            "tokens": score.bound.tokens,
            "windows": score.windows,
            "window": score.window,
            "draws": ask.draws,
            "seed": ask.seed,
        }));
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{bits:.4} \u{b1} {bits_error:.4} bits per character (upper bound, standard error of the estimate)")?;
    writeln!(out, "{nats:.4} \u{b1} {nats_error:.4} nats per token, perplexity {:.2}", nats.exp())?;
    writeln!(
        out,
        "{} characters, {} tokens, {} windows of {}, {} draws each, seed {}",
        score.characters, score.bound.tokens, score.windows, score.window, ask.draws, ask.seed
    )?;
    Ok(())
}
