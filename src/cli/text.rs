//! `edrun text`: from flags to text.

mod live;
mod report;
mod score;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use edrun_modalities::files::{check_place, write_whole};
use edrun_modalities::text::Message;

use super::args::TextArgs;
use super::interrupt::Interrupt;
use super::models::Model;
use super::{Ending, make, prompts, runtime, timing};
use crate::pipeline::Settings;
use crate::pipeline::text::{Prompt, Text, TextAsk, TextPipeline, TextPlan, TextProgress, TextTimes};
use live::Live;
use report::Made;

/// What came of a run so far.
#[derive(Default)]
struct Done {
    texts: Vec<Text>,
    failed: Vec<(usize, String)>,
}

impl Done {
    /// Writes what is finished so far, so that an end before the end loses nothing.
    fn save(&mut self, args: &TextArgs, interrupt: &Interrupt) -> Result<()> {
        self.texts.sort_by_key(|text| text.index);
        if let Some(path) = &args.output {
            write_whole(path, joined(&self.texts).as_bytes())?;
        }
        let place = args.output.as_ref().map(|path| format!(" in {}", path.display())).unwrap_or_default();
        interrupt.saved(format!("text {}{place}", self.texts.len()));
        Ok(())
    }
}

/// Runs `edrun text`.
pub(super) fn run(args: &TextArgs) -> Result<Ending> {
    if args.score.is_some() {
        return score::run(args);
    }
    let trace = timing::trace(&args.report)?;
    let settings = Settings { trace: trace.clone(), ..make::settings(&args.running)? };
    let model = Model::find(&args.running, "text")?;
    let mut pipeline = TextPipeline::open(&model.folder, settings)?;
    let ask = ask(args)?;
    let plan = pipeline.plan(&ask)?;
    check_output(args)?;
    if let Some(limit) = args.running.max_memory()? {
        pipeline.memory(&plan)?.check(limit, "ask for fewer tokens with --length, or lower --batch")?;
    }
    let library = runtime::start(&args.running.library)?;
    let interrupt = Interrupt::watch("no text was finished")?;
    let mut done = Done::default();
    let mut live = Live::new(args.report.quiet);
    let result = write(&mut pipeline, args, &ask, &plan, &interrupt, &mut live, &mut done);
    live.finish();
    let times = match result {
        Err(_) if interrupt.is_on() => return Ok(interrupt.tell()),
        result => result?,
    };
    if args.report.json {
        let made = Made { ask: &ask, plan: &plan, model: &model.name };
        let library = runtime::report(library, &args.running.library, &pipeline.loaded());
        super::report::print(&made.report(&done.texts, &done.failed, &times, &library))?;
    }
    done.failed.iter().for_each(|(index, why)| super::report::error(&anyhow::anyhow!("text {}: {why}", index + 1)));
    drop(pipeline);
    timing::report(&args.report, &trace)?;
    Ok(match (done.texts.is_empty(), done.failed.len()) {
        (_, 0) => Ending::Done,
        (false, _) => Ending::SomeFailed,
        (true, _) => Ending::Failed,
    })
}

/// Runs the ask; texts go to standard output as they come, unless they have another way out.
fn write(
    pipeline: &mut TextPipeline,
    args: &TextArgs,
    ask: &TextAsk,
    plan: &TextPlan,
    interrupt: &Interrupt,
    live: &mut Live,
    done: &mut Done,
) -> Result<TextTimes> {
    let streams = !args.report.json && args.output.is_none();
    // The run holds the pipeline, so what turns tokens into text is a reader of its own.
    let reader = pipeline.reader();
    pipeline.text(ask, interrupt.cancel(), &mut |progress| {
        match progress {
            TextProgress::Stage(name) => live.stage(name),
            TextProgress::Turn { index, canvas } => live.turn(index, plan, canvas, &reader)?,
            TextProgress::Note(text) => live.say(&format!("note: {text}")),
            TextProgress::Failed { index, error } => done.failed.push((index, format!("{error:#}"))),
            TextProgress::Text(text) => {
                if streams {
                    let first = done.texts.is_empty();
                    live.aside(|| print(&text, ask, first))?;
                }
                done.texts.push(text);
                done.save(args, interrupt)?;
            }
            TextProgress::Scored { .. } => {}
        }
        if interrupt.is_on() { bail!("interrupted") } else { Ok(()) }
    })
}

/// Prints a text: the whole of it, or of a conversation the answer. An empty line tells several apart.
fn print(text: &Text, ask: &TextAsk, first: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let shown = if matches!(ask.prompt, Prompt::Chat(_)) { &text.found } else { &text.text };
    writeln!(out, "{}{shown}", if first { "" } else { "\n" })?;
    Ok(())
}

fn joined(texts: &[Text]) -> String {
    texts.iter().map(|text| format!("{}\n", text.text)).collect::<Vec<_>>().join("\n")
}

fn check_output(args: &TextArgs) -> Result<()> {
    let Some(path) = &args.output else { return Ok(()) };
    check_place(path)?;
    if path.exists() && !args.overwrite {
        bail!("{} exists; choose another name with --output, or pass --overwrite", path.display());
    }
    Ok(())
}

fn prompt(args: &TextArgs) -> Result<Prompt> {
    if let Some(text) = &args.infill {
        return Ok(Prompt::Infill(prompts::typed(text)?));
    }
    let prefix = prompts::typed(args.prompt.as_deref().unwrap_or_default())?;
    if !args.chat {
        return Ok(Prompt::Around { prefix, suffix: args.suffix.clone().unwrap_or_default() });
    }
    let message = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
    let system = args.system.as_deref().map(|text| message("system", text));
    Ok(Prompt::Chat(system.into_iter().chain([message("user", &prefix)]).collect()))
}

fn ask(args: &TextArgs) -> Result<TextAsk> {
    let request = &args.request;
    Ok(TextAsk {
        prompt: prompt(args)?,
        length: args.length,
        gap_tokens: args.gap_tokens.clone(),
        steps: request.steps,
        sampler: request.sampler.clone(),
        sampler_options: request.sampler_options.iter().map(|option| (option.name.clone(), option.value)).collect(),
        temperature: args.temperature,
        top_k: args.top_k,
        top_p: args.top_p,
        repetition_penalty: args.repetition_penalty,
        guidance_scale: request.guidance_scale,
        block_length: args.block_length,
        kv_cache: args.kv_cache.clone(),
        kv_refresh: args.kv_refresh,
        ignore_end: args.ignore_end,
        rng: request.rng.clone(),
        seed: request.seed.unwrap_or_else(make::random_seed),
        count: request.count,
    })
}

/// The text of a file, or of standard input for `-`.
fn read(file: &Path) -> Result<String> {
    if file == Path::new("-") { prompts::stdin(prompts::MAX_FILE_BYTES) } else { prompts::read(file, "--score") }
}
