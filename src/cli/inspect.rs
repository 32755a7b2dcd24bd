//! `edrun inspect`: how a file was made, or what a model folder holds.

mod a1111;
mod arguments;
mod comfyui;
mod command;
mod folder;
mod own;
mod probes;

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use edrun_modalities::info::{self, About, Text};
use serde_json::{Map, Value as Json, json};

use super::Ending;
use super::args::InspectArgs;
use super::report::say;

/// What a file says of how it was made, in terms of edrun's flags.
#[derive(Debug, Default)]
struct Origin {
    /// The program, as the file names it.
    by: String,
    /// The subcommand that makes such files.
    modality: String,
    /// Flags by name, and the prompt.
    flags: Map<String, Json>,
    /// What cannot be said as a flag.
    notes: Vec<String>,
}

/// One way to say how a file was made.
type Reading = fn(&[Text]) -> Option<Origin>;

/// The ways programs say how they made a file; the first one that understands it counts. One file and one line each.
const READINGS: &[Reading] = &[own::read, a1111::read, comfyui::read, arguments::read];

/// Runs `edrun inspect`.
pub(super) fn run(args: &InspectArgs) -> Result<Ending> {
    if args.path.is_dir() {
        return folder::run(args);
    }
    if args.load {
        bail!("--load is for model folders, and {} is none", args.path.display());
    }
    if args.path.extension().is_some_and(|end| end == "onnx") {
        return folder::graph(&args.path, args.json);
    }
    let about = info::about(&args.path)?;
    let Some(origin) = READINGS.iter().find_map(|read| read(&about.texts)) else {
        return unsaid(&args.path, &about, args.json);
    };
    let line = command::line(&origin, &args.path)?;
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{:#}", report(&args.path, &about, Some((&origin, &line))))?;
        return Ok(Ending::Done);
    }
    say(&format!("{}: {}, made by {}", args.path.display(), about.kind, origin.by));
    writeln!(out, "{}", line.shell())?;
    for note in origin.notes.iter().chain(&line.notes) {
        say(&format!("note: {note}"));
    }
    Ok(Ending::Done)
}

/// A file without a word on how it was made: shows what it says instead.
fn unsaid(path: &Path, about: &About, json: bool) -> Result<Ending> {
    if json {
        writeln!(std::io::stdout().lock(), "{:#}", report(path, about, None))?;
        return Ok(Ending::SomeFailed);
    }
    let texts: Vec<_> = about.texts.iter().map(|t| format!("{} ({} letters)", t.key, t.text.chars().count())).collect();
    let texts =
        if texts.is_empty() { "it holds no text".into() } else { format!("its texts are {}", texts.join(", ")) };
    bail!("{} ({}) does not say how it was made: {texts}", path.display(), about.kind)
}

fn report(path: &Path, about: &About, origin: Option<(&Origin, &command::Line)>) -> Json {
    let mut report = json!({ "file": path.display().to_string(), "kind": about.kind, "texts": about.texts });
    if let (Some((origin, line)), Some(fields)) = (origin, report.as_object_mut()) {
        let notes: Vec<_> = origin.notes.iter().chain(&line.notes).collect();
        fields.insert("by".into(), json!(origin.by));
        fields.insert("modality".into(), json!(origin.modality));
        fields.insert("flags".into(), json!(origin.flags));
        fields.insert("arguments".into(), json!(line.words));
        fields.insert("command".into(), json!(line.shell()));
        fields.insert("notes".into(), json!(notes));
    }
    report
}

impl Origin {
    /// The origin of a picture, by a program.
    fn picture(by: impl Into<String>) -> Self {
        Self { by: by.into(), modality: "image".into(), ..Self::default() }
    }

    /// Sets a flag, unless it was set before.
    fn flag(&mut self, name: &str, value: impl Into<Json>) {
        self.flags.entry(name).or_insert(value.into());
    }

    /// Sets a flag to the number that a text is; what is none becomes a note.
    fn number(&mut self, name: &str, text: &str) {
        match text.trim().parse::<u64>().map(Json::from).or_else(|_| text.trim().parse::<f64>().map(Json::from)) {
            Ok(number) => self.flag(name, number),
            Err(_) => self.notes.push(format!("{name} is {text:?}, which is no number")),
        }
    }

    /// Sets the sampler by whatever name it has elsewhere; `false` where edrun has none like it.
    fn sampler(&mut self, name: &str) -> bool {
        use crate::sampling::solver::Method;
        let found = Method::find(name).or_else(|_| Method::of_class(name));
        if let Ok(method) = &found {
            self.flag("sampler", method.name);
        }
        found.is_ok()
    }

    /// Sets the step list likewise.
    fn schedule(&mut self, name: &str) -> bool {
        let found = crate::sampling::steps::StepList::find(name);
        if let Ok(list) = &found {
            self.flag("schedule", list.name);
        }
        found.is_ok()
    }
}
