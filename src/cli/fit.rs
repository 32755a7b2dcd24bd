//! `edrun schedule fit`.

use std::io::Write;

use anyhow::{Result, bail};
use serde_json::json;

use super::args::FitArgs;
use super::interrupt::Interrupt;
use super::models::Model;
use super::progress::Shown;
use super::{Ending, make, prompts, runtime, timing};
use crate::pipeline::{FITS, Pipeline, Progress, Settings};

/// Fits a list and prints it as the flag that takes it.
pub(super) fn run(args: FitArgs) -> Result<Ending> {
    let Some((_, fit, _)) = FITS.iter().find(|(name, ..)| *name == args.method) else {
        let known: Vec<_> = FITS.iter().map(|(name, _, help)| format!("{name} ({help})")).collect();
        bail!("--method {:?} is not known; known are {}", args.method, known.join(", "));
    };
    let model = Model::find(&args.running, "image")?;
    let trace = timing::trace(&args.report)?;
    let settings = Settings { trace: trace.clone(), ..make::settings(&args.running)? };
    let mut pipeline = Pipeline::open(&model.folder, settings)?;
    let ask = make::ask(&prompts::typed(&args.prompt)?, &args.picture)?;
    let plan = pipeline.plan(&ask)?;
    runtime::start(&args.running.library)?;
    let interrupt = Interrupt::watch("no list was fitted")?;
    let mut shown = Shown::new(args.report.quiet, pipeline.modality(), plan.steps * plan.count);
    let result = pipeline.fit(&ask, *fit, args.fit_steps, interrupt.cancel(), &mut |progress| {
        match progress {
            Progress::Stage(name) => shown.stage(name),
            Progress::Step { index, done, total, .. } => shown.step(index, done, total),
            Progress::Note(text) => shown.say(text),
            _ => {}
        }
        if interrupt.is_on() { bail!("interrupted") } else { Ok(()) }
    });
    shown.finish();
    let sigmas = match result {
        Err(_) if interrupt.is_on() => return Ok(interrupt.tell()),
        result => result?,
    };
    let mut out = std::io::stdout().lock();
    if args.report.json {
        writeln!(out, "{:#}", json!({ "method": args.method, "sigmas": sigmas }))?;
    } else {
        let list: Vec<_> = sigmas.iter().map(|sigma| format!("{sigma:.5}")).collect();
        writeln!(out, "--sigmas {}", list.join(","))?;
    }
    drop(pipeline);
    timing::report(&args.report, &trace)?;
    Ok(Ending::Done)
}
