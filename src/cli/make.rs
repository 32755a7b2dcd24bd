//! `edrun image` and its like: from flags to files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail};
use edrun_modalities::Info;
use edrun_onnx::{GraphCache, Ledger, Runtime, Trace};

use super::args::{MakeArgs, One, OutputArgs, RunningArgs};
use super::interrupt::Interrupt;
use super::models::Model;
use super::output::{
    Existing, Facts, Naming, check_distinct, check_latents, check_look, check_stdout, free, is_stdout,
};
use super::preview::{self, Place, Previews};
use super::progress::Shown;
use super::prompts::Typed;
use super::record::Record;
use super::report::{self, Report, Saved};
use super::{Ending, npy, prompts, runtime, timing};
use crate::media::{Growing, Media, Modality, Writing};
use crate::pipeline::{Ask, Made, Pipeline, Plan, Progress, Settings, Times};
use crate::sampling::Latent;
use crate::sampling::steps::Custom;

/// What was typed, understood: everything that can be refused before the long work is.
struct Job<T: One> {
    args: MakeArgs<T>,
    /// What the model is called.
    model: String,
    pipeline: Pipeline,
    wishes: Vec<Wish<T>>,
    /// Lines of a file of prompts that cannot be honoured.
    refused: Vec<(usize, Error)>,
    trace: Trace,
}

/// One prompt with its flags.
pub(super) struct Wish<T> {
    /// Its place among the prompts.
    pub(super) index: usize,
    /// What was typed.
    one: T,
    pub(super) ask: Ask,
    pub(super) plan: Plan,
    writing: Writing,
    /// The file of each of its results.
    pub(super) files: Vec<PathBuf>,
    /// The file that shows each of its results at a glance, where that is wanted.
    looks: Vec<PathBuf>,
}

/// What came of a run so far.
#[derive(Default)]
struct Done {
    saved: Vec<Saved>,
    failed: Vec<(String, String)>,
    latents: HashMap<(usize, usize), Latent>,
    /// Where results go, by ask and result, once that is settled.
    places: HashMap<(usize, usize), PathBuf>,
    previews: Previews,
    /// Files that are begun, by ask and result.
    growing: HashMap<(usize, usize), Growing>,
    interrupted: bool,
    trace: Trace,
}

/// Runs a command that makes something.
pub(super) fn run<T: One>(args: MakeArgs<T>) -> Result<Ending> {
    let mut job = Job::new(args)?;
    if job.wishes.is_empty() {
        job.finish(&mut Done::default(), &Times::default(), None)?;
        return Ok(if job.refused.is_empty() { Ending::Done } else { Ending::Failed });
    }
    let library = runtime::start(&job.args.running.library)?;
    let interrupt = Interrupt::watch("nothing was saved")?;
    let mut shown =
        Shown::new(job.args.report.quiet, T::MODALITY, job.wishes.iter().map(|wish| wish.plan.work()).sum());
    if let Some(speaker) = shown.speaker() {
        job.pipeline.listen(speaker);
    }
    let mut done = Done { trace: job.trace.clone(), ..Done::default() };
    let result = job.make(&interrupt, &mut shown, &mut done);
    shown.finish();
    let times = done.ended(result, &interrupt)?;
    let refused = job.refused.len();
    let told = job.finish(&mut done, &times, Some(library)).and_then(|()| job.timing());
    match told {
        _ if interrupt.is_on() => Ok(interrupt.tell()),
        Err(error) if done.saved.is_empty() || super::is_closed_pipe(&error) => Err(error),
        Err(error) => {
            report::error(&super::placed(error));
            Ok(Ending::SomeFailed)
        }
        Ok(()) => Ok(done.ending(refused)),
    }
}

impl<T: One> Job<T> {
    /// Says how long everything took; the graphs go first, as they keep the times of their nodes.
    fn timing(self) -> Result<()> {
        let Self { args, pipeline, trace, .. } = self;
        drop(pipeline);
        timing::report(&args.report, &trace)
    }

    fn new(args: MakeArgs<T>) -> Result<Self> {
        let trace = timing::trace(&args.report)?;
        let (preview, parts) = (args.preview.wanted()?, T::MODALITY == Modality::Sound);
        let settings = Settings { preview, parts, trace: trace.clone(), ..settings(&args.running)? };
        let model = Model::find(&args.running, T::MODALITY.command())?;
        let pipeline = Pipeline::open(&model.folder, settings)?;
        check_modality(&pipeline, T::MODALITY)?;
        let mut job = Self { args, model: model.name, pipeline, wishes: Vec::new(), refused: Vec::new(), trace };
        let typed = prompts::wishes(&job.args)?;
        let alone = typed.len() == 1;
        for (index, own) in typed.into_iter().enumerate() {
            match own.and_then(|own| job.wish(index, &own)) {
                Ok(wish) => job.wishes.push(wish),
                Err(error) if alone => return Err(error),
                Err(error) => job.refused.push((index, error)),
            }
        }
        check_distinct(T::MODALITY, job.wishes.iter().flat_map(|wish| wish.files.iter().chain(&wish.looks)))?;
        check_stdout(T::MODALITY, job.wishes.iter().flat_map(|wish| &wish.files), job.args.report.json)?;
        job.drop_existing()?;
        for path in job.wishes.iter().flat_map(|wish| &wish.looks) {
            check_look(T::MODALITY, path, existing(&job.args.output))?;
        }
        preview::check(&job.args, &job.wishes)?;
        job.check_memory()?;
        if let Some(path) = &job.args.output.save_latents {
            check_latents(path, existing(&job.args.output))?;
        }
        Ok(job)
    }

    fn wish(&self, index: usize, own: &Typed<T>) -> Result<Wish<T>> {
        let mut ask = ask(&own.prompt, &own.one)?;
        ask.size.memory = self.args.running.max_memory()?;
        let plan = self.pipeline.plan(&ask)?;
        let output = &self.args.output;
        let naming =
            Naming::new(T::MODALITY, own.output.as_deref(), plan.count, self.args.prompts.is_some(), existing(output));
        let name = |seed| naming.name(&Facts { seed, index, prompt: &ask.prompt });
        if output.resume && own.one.sampling().request.seed.is_none() && name(0)? != name(1)? {
            bail!("--resume finds no file that a random seed named; give --seed, or an --output without the seed");
        }
        let files = (0..plan.count).map(|i| name(plan.own_seed(i))).collect::<Result<Vec<_>>>()?;
        let writing = own.one.writing()?;
        let named = files.iter().filter(|file| !is_stdout(T::MODALITY, file));
        named.into_iter().try_for_each(|file| T::MODALITY.check_file(file, writing, plan.extent))?;
        let looks = match own.one.look() {
            Some(path) => {
                let naming = naming.with_output(path);
                let name = |i| naming.name(&Facts { seed: plan.own_seed(i), index, prompt: &ask.prompt });
                (0..plan.count).map(name).collect::<Result<_>>()?
            }
            None => Vec::new(),
        };
        Ok(Wish { index, one: own.one.clone(), files, looks, ask, plan, writing })
    }

    /// Checks every file, and leaves out wishes whose results are all there.
    fn drop_existing(&mut self) -> Result<()> {
        let naming = Naming::new(T::MODALITY, None, 1, false, existing(&self.args.output));
        let mut kept = Vec::new();
        for wish in self.wishes.drain(..) {
            let open = wish.files.iter().map(|file| naming.check(file)).collect::<Result<Vec<_>>>()?;
            if open.contains(&true) {
                kept.push(wish);
            }
        }
        self.wishes = kept;
        Ok(())
    }

    fn check_memory(&self) -> Result<()> {
        let Some(limit) = self.args.running.max_memory()?.filter(|_| !self.wishes.is_empty()) else { return Ok(()) };
        let plans: Vec<&Plan> = self.wishes.iter().map(|wish| &wish.plan).collect();
        self.pipeline.check_memory(&plans, limit)
    }

    /// Samples and decodes, saving each result as soon as it is ready.
    fn make(&mut self, interrupt: &Interrupt, shown: &mut Shown, done: &mut Done) -> Result<Times> {
        let Self { args, model, pipeline, wishes, .. } = self;
        let asks: Vec<Ask> = wishes.iter().map(|wish| wish.ask.clone()).collect();
        pipeline.run(&asks, interrupt.cancel(), &mut |progress| {
            match progress {
                Progress::Stage(name) => shown.stage(name),
                Progress::Step { ask, index, done, total } => shown.step(number(wishes, ask) + index, done, total),
                Progress::Cut { text, .. } => {
                    shown.say(&format!(
                        "warning: the prompt is too long for the model; without effect is: {}",
                        ends(text)
                    ));
                }
                Progress::Note(text) => shown.say(&format!("note: {text}")),
                Progress::Part { ask, index, media } => done.part(ask, index, media, wishes, model, args)?,
                Progress::Made(made) => done.save(*made, wishes, model, args, shown, interrupt)?,
                Progress::Failed { ask, index, error } => done.fail(wishes, ask, index, &error),
                Progress::Preview { ask, index, done: step, media } => {
                    done.previews.save(&Place { ask, index, step }, media, wishes, args, shown)?;
                }
                Progress::Kept(_) => {}
            }
            if interrupt.is_on() { bail!("interrupted") } else { Ok(()) }
        })
    }

    /// Latents, report and errors, at the end.
    fn finish(&self, done: &mut Done, times: &Times, library: Option<&Runtime>) -> Result<()> {
        if let Err(error) = self.save_latents(done) {
            done.failed.push(("the latents".into(), format!("{error:#}")));
        }
        let refused = self.refused.iter().map(|(i, why)| (format!("prompt {}", i + 1), format!("{why:#}")));
        let failed: Vec<_> = done.failed.iter().cloned().chain(refused).collect();
        if self.args.report.json {
            let typed = &self.args.running.library;
            let library = library.map(|library| runtime::report(library, typed, &self.pipeline.loaded()));
            let single = match self.wishes.as_slice() {
                [one] if self.args.prompts.is_none() => Some(one.record(&self.args, &self.model).json(0)),
                _ => None,
            };
            let (modality, interrupted) = (T::MODALITY, done.interrupted);
            let report = Report { modality, saved: &done.saved, failed: &failed, times, interrupted };
            report::print(&report.json(single, library))?;
        }
        for (what, why) in &failed {
            report::error(&anyhow::anyhow!("{what}: {why}"));
        }
        Ok(())
    }

    fn save_latents(&self, done: &Done) -> Result<()> {
        let Some(path) = self.args.output.save_latents.as_ref().filter(|_| !done.latents.is_empty()) else {
            return Ok(());
        };
        let mut keys: Vec<_> = done.latents.keys().collect();
        keys.sort_unstable();
        let latents: Vec<&Latent> = keys.iter().filter_map(|key| done.latents.get(key)).collect();
        npy::write(path, &latents)
    }
}

impl<T: One> Wish<T> {
    fn record<'a>(&'a self, args: &'a MakeArgs<T>, model: &'a str) -> Record<'a, T> {
        Record { ask: &self.ask, plan: &self.plan, one: &self.one, running: &args.running, model }
    }

    /// What the file of a result carries.
    fn info(&self, index: usize, args: &MakeArgs<T>, model: &str) -> Info {
        if args.carried.no_metadata { Info::default() } else { self.record(args, model).info(index) }
    }

    /// Begins the file of a result whose first part is there.
    fn begin(&self, index: usize, path: &Path, first: &Media, info: &Info) -> Result<Growing> {
        let path = (!is_stdout(T::MODALITY, path)).then_some(path);
        let growing = Growing::start(path, first, self.plan.extent, info, self.writing)?;
        match self.looks.get(index) {
            Some(look) => growing.with_look(look, self.plan.extent, info),
            None => Ok(growing),
        }
    }
}

/// The number of a wish's first result among all results.
fn number<T>(wishes: &[Wish<T>], ask: usize) -> usize {
    wishes.iter().take(ask).map(|wish| wish.plan.count).sum()
}

impl Done {
    /// Where a result goes; settled when its file is begun.
    fn place<T: One>(&mut self, ask: usize, index: usize, wish: &Wish<T>, args: &MakeArgs<T>) -> Result<PathBuf> {
        let path = wish.files.get(index).context("a result has no output file")?;
        let settle = || free(T::MODALITY, path, existing(&args.output));
        Ok(self.places.entry((ask, index)).or_insert_with(settle).clone())
    }

    /// Writes a part of a result that is still being decoded.
    fn part<T: One>(
        &mut self,
        ask: usize,
        index: usize,
        media: &Media,
        wishes: &[Wish<T>],
        model: &str,
        args: &MakeArgs<T>,
    ) -> Result<()> {
        let wish = wishes.get(ask).context("a result belongs to no prompt")?;
        let mut growing = match self.growing.remove(&(ask, index)) {
            Some(growing) => growing,
            None => wish.begin(index, &self.place(ask, index, wish, args)?, media, &wish.info(index, args, model))?,
        };
        growing.push(media)?;
        self.growing.insert((ask, index), growing);
        Ok(())
    }

    fn save<T: One>(
        &mut self,
        made: Made,
        wishes: &[Wish<T>],
        model: &str,
        args: &MakeArgs<T>,
        shown: &Shown,
        interrupt: &Interrupt,
    ) -> Result<()> {
        let wish = wishes.get(made.ask).context("a result belongs to no prompt")?;
        let wanted = wish.files.get(made.index).context("a result has no output file")?;
        let path = &self.place(made.ask, made.index, wish, args)?;
        let info = wish.info(made.index, args, model);
        let look = wish.looks.get(made.index);
        let span = self.trace.span("save", T::MODALITY.noun());
        let grows = T::MODALITY == Modality::Sound;
        if grows {
            self.part(made.ask, made.index, &made.media, wishes, model, args)?;
            self.growing.remove(&(made.ask, made.index)).map_or(Ok(()), Growing::finish)?;
        } else {
            made.media.save(path, look.map(PathBuf::as_path), &info, wish.writing)?;
        }
        drop(span);
        interrupt.saved(path.display().to_string());
        self.previews.ready(made.ask, made.index);
        if path != wanted {
            shown.say(&format!("warning: {} appeared during the run and stays as it is", wanted.display()));
        }
        let name = if is_stdout(T::MODALITY, path) { "to standard output".into() } else { path.display().to_string() };
        shown.say(&format!("saved {name} (seed {})", made.seed));
        let facts = made.media.facts();
        let named = look.map(|look| (T::MODALITY.look(), look.clone()));
        self.saved.push(Saved { prompt: wish.index, seed: made.seed, file: path.clone(), look: named, facts });
        if let Some(look) = look {
            if !grows {
                made.media.save_look(look, &info, interrupt.cancel())?;
            }
            shown.say(&format!("saved {}", look.display()));
        }
        if args.output.save_latents.is_some() {
            self.latents.insert((wish.index, made.index), made.latents);
        }
        Ok(())
    }

    /// Takes note of how the run ended: what goes wrong after something was saved is one failure among results.
    fn ended(&mut self, result: Result<Times>, interrupt: &Interrupt) -> Result<Times> {
        self.previews = Previews::default();
        self.growing.clear();
        match result {
            Ok(times) => return Ok(times),
            Err(_) if interrupt.is_on() => {
                self.interrupted = true;
                interrupt.tell();
            }
            Err(error) if self.saved.is_empty() => return Err(error),
            Err(error) => self.failed.push(("the rest of the run".into(), format!("{error:#}"))),
        }
        Ok(Times::default())
    }

    fn ending(&self, refused: usize) -> Ending {
        match (self.saved.is_empty(), self.failed.len() + refused) {
            (_, 0) => Ending::Done,
            (false, _) => Ending::SomeFailed,
            (true, _) => Ending::Failed,
        }
    }

    fn fail<T>(&mut self, wishes: &[Wish<T>], ask: usize, index: usize, error: &Error) {
        let Some(wish) = wishes.get(ask) else { return };
        self.growing.remove(&(ask, index));
        let what = match wishes.len() {
            1 => format!("seed {}", wish.plan.seed(index)),
            _ => format!("prompt {}, seed {}", wish.index + 1, wish.plan.seed(index)),
        };
        self.failed.push((what, format!("{error:#}")));
    }
}

/// A text's beginning and end, where it is longer than a terminal's line.
fn ends(text: &str) -> String {
    const LETTERS: usize = 40;
    let letters: Vec<char> = text.chars().collect();
    match (letters.get(..LETTERS), letters.len().checked_sub(2 * LETTERS).filter(|between| *between > 0)) {
        (Some(first), Some(between)) => {
            let last: String = letters.iter().skip(LETTERS + between).collect();
            format!("{} ... ({between} letters) ... {last}", first.iter().collect::<String>())
        }
        _ => text.to_owned(),
    }
}

/// Another modality's model would make what the command and its flags are not about.
fn check_modality(pipeline: &Pipeline, wanted: Modality) -> Result<()> {
    let own = pipeline.modality();
    if own != wanted {
        bail!(
            "{} makes a {}, not a {}; run `edrun {}` with it",
            pipeline.folder().display(),
            own.noun(),
            wanted.noun(),
            own.command()
        );
    }
    Ok(())
}

fn existing(args: &OutputArgs) -> Existing {
    match (args.overwrite, args.resume) {
        (true, _) => Existing::Replace,
        (_, true) => Existing::Skip,
        _ => Existing::Refuse,
    }
}

pub(super) fn settings(args: &RunningArgs) -> Result<Settings> {
    if args.threads == Some(0) {
        bail!("--threads is 0, but at least 1 thread is needed");
    }
    if args.batch == 0 {
        bail!("--batch is 0, but at least 1 request runs at a time");
    }
    let limit_bytes = bytes("--cache-limit", &args.cache_limit)?;
    let from_bytes = bytes("--cache-from", &args.cache_from)?;
    let cache = (!args.no_cache_models).then(|| GraphCache { limit_bytes, from_bytes, ..GraphCache::default() });
    Ok(Settings {
        providers: runtime::providers(&args.library)?,
        fallback: args.library.ep_fallback,
        ledger: Ledger::default(),
        trace: Trace::default(),
        threads: args.threads,
        cache,
        keep_loaded: args.keep_loaded,
        batch: args.batch,
        preview: None,
        parts: false,
    })
}

pub(super) fn ask(prompt: &str, one: &impl One) -> Result<Ask> {
    let (sampling, start) = (one.sampling(), one.start()?);
    let list = sampling.sigmas.clone().map(Custom::Sigmas).or(sampling.timesteps.clone().map(Custom::Timesteps));
    Ok(Ask {
        prompt: prompt.to_owned(),
        shown: start.shown,
        negative_prompt: one.negative_prompt().map(str::to_owned),
        size: one.size()?,
        steps: sampling.request.steps,
        guidance_scale: sampling.request.guidance_scale,
        guidance_scale_2: one.guidance_scale_2(),
        guidance_rescale: sampling.guidance_rescale,
        sampler: sampling.request.sampler.clone(),
        schedule: sampling.schedule.clone(),
        steps_list: list,
        eta: sampling.eta,
        sampler_options: sampling
            .request
            .sampler_options
            .iter()
            .map(|option| (option.name.clone(), option.value))
            .collect(),
        rng: sampling.request.rng.clone(),
        seed: sampling.request.seed.unwrap_or_else(random_seed),
        variation: sampling.variation_seed.zip(sampling.variation_strength),
        count: sampling.request.count,
        init_latents: sampling.init_latents.as_deref().map(npy::read).transpose()?,
        init: start.init,
        strength: start.strength,
        mask: start.mask,
        frames: start.frames,
        speech: one.speech(),
        t_shift: one.t_shift(),
    })
}

/// 32 bits, so that the seed is short enough to copy by hand.
pub(super) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

/// A size such as `20G`, `512M` or `1000000`, in bytes.
pub(super) fn bytes(flag: &str, text: &str) -> Result<u64> {
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
        None => bail!("{flag} {text:?} is no size; write it as 20G, 512M or a number of bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases = [("20G", 20 << 30), ("512m", 512 << 20), ("1.5GiB", 3 << 29), ("7", 7), ("3kb", 3072)];
        for (text, want) in cases {
            assert_eq!(bytes("--size", text).unwrap(), want, "{text}");
        }
        for text in ["", "G", "-1G", "lots"] {
            assert!(bytes("--size", text).is_err(), "{text}");
        }
    }
}
