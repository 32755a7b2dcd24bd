//! Flags as the command line that sets them. What flags there are, and how each takes its value, is asked of the command
//! line itself: a new flag or modality needs nothing here.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, Command, CommandFactory};
use edrun_modalities::image::Format;
use edrun_modalities::video::FRAME;
use serde_json::Value as Json;

use super::Origin;
use crate::cli::args::Args;
use crate::cli::config::{self, Setting};

/// A command line.
#[derive(Debug)]
pub(super) struct Line {
    /// Its words, the program's name first.
    pub(super) words: Vec<String>,
    /// What could not be said in it.
    pub(super) notes: Vec<String>,
}

/// Flags that say where things are, not what is made.
const PLACES: [&str; 3] = ["model-root", "ort-lib", "runtime"];

/// Stands where a value has to be given by hand.
const OPEN: &str = "MODEL";

/// The command line that makes the file at `path` again, under another name.
///
/// # Errors
/// When it comes from a modality that this edrun does not have.
pub(super) fn line(origin: &Origin, path: &Path) -> Result<Line> {
    let program = Args::command();
    let Some(command) = program.find_subcommand(&origin.modality) else {
        bail!("{} was made by `edrun {}`, which this edrun does not have", path.display(), origin.modality);
    };
    let mut line = Line { words: vec!["edrun".into(), origin.modality.clone()], notes: Vec::new() };
    line.without(&config::settings_of(&[&origin.modality])?);
    let positional = line.positional(command, origin);
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        line.flag(arg, origin.flags.get(arg.get_id().as_str()));
    }
    if command.get_arguments().any(|arg| arg.get_id() == "output") {
        let again = if origin.modality == "video" && is_picture(path) { frames_again(path) } else { again(path) };
        line.words.extend(["--output".into(), again.display().to_string()]);
    }
    // What begins like a flag is a prompt only behind two hyphens.
    match positional.iter().any(|word| word.starts_with('-') && word != "-") {
        true => line.words.extend([vec!["--".into()], positional].concat()),
        false => drop(line.words.splice(2..2, positional)),
    }
    let known = |key: &String| command.get_arguments().any(|arg| arg.get_id() == key.as_str());
    let unknown = origin.flags.iter().filter(|(key, value)| !known(key) && !value.is_null());
    line.notes.extend(unknown.map(|(key, value)| format!("without a flag for it: {key} {value}")));
    Ok(line)
}

/// A name beside the file's own: a command that is copied must not overwrite what it makes again.
fn again(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-again.{}", extension.to_string_lossy()),
        None => format!("{stem}-again"),
    };
    PathBuf::from(name)
}

/// A pattern for the frames of a clip of which `path` is one: in a folder beside theirs.
fn frames_again(path: &Path) -> PathBuf {
    let folder = path.parent().and_then(Path::file_name).map_or("frames".into(), |name| name.to_string_lossy());
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    Path::new(&format!("{folder}-again")).join(format!("{FRAME}.{ending}"))
}

fn is_picture(path: &Path) -> bool {
    path.extension().is_some_and(|ending| Format::of_extension(&ending.to_string_lossy()).is_some())
}

impl Line {
    /// The line as a POSIX shell takes it.
    pub(super) fn shell(&self) -> String {
        self.words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }

    /// Keeps out what is configured today, except where things are.
    fn without(&mut self, settings: &[Setting]) {
        if settings.is_empty() {
            return;
        }
        self.words.push("--no-config".into());
        let kept = settings.iter().filter(|setting| PLACES.contains(&setting.flag.as_str()));
        self.words.extend(kept.flat_map(|setting| setting.words.clone()));
    }

    fn positional(&mut self, command: &Command, origin: &Origin) -> Vec<String> {
        let values = command.get_positionals().filter_map(|arg| origin.flags.get(arg.get_id().as_str())?.as_str());
        let words: Vec<String> = values.map(str::to_owned).collect();
        if words.iter().any(|word| word == "-") {
            self.notes.push("its prompt is a single hyphen, which is to be typed on standard input".into());
        }
        words
    }

    fn flag(&mut self, arg: &Arg, value: Option<&Json>) {
        let Some(name) = arg.get_long() else { return };
        let switch = matches!(arg.get_action(), ArgAction::SetTrue);
        match value {
            // A default model would make something else.
            None | Some(Json::Null) if name == "model" => {
                self.words.extend([format!("--{name}"), OPEN.into()]);
                self.notes.push(format!("put the folder of the exported model in the place of {OPEN}"));
            }
            None | Some(Json::Null | Json::Bool(false)) => {}
            Some(Json::Bool(true)) if switch => self.words.push(format!("--{name}")),
            Some(Json::Bool(true)) => self.notes.push(format!("the file does not say which --{name} it was made with")),
            Some(value) => {
                for word in values(arg, value).into_iter().filter(|word| !is_default(arg, word)) {
                    self.add(name, word);
                }
            }
        }
    }

    fn add(&mut self, name: &str, value: String) {
        match value.starts_with('-') || value.is_empty() {
            true => self.words.push(format!("--{name}={value}")),
            false => self.words.extend([format!("--{name}"), value]),
        }
    }
}

/// The values of a flag: one, or one each time it is repeated.
fn values(arg: &Arg, value: &Json) -> Vec<String> {
    match value {
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            match arg.get_value_delimiter() {
                Some(delimiter) => vec![items.join(&delimiter.to_string())],
                None => items,
            }
        }
        Json::Object(fields) => fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect(),
        one => vec![plain(one)],
    }
}

fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn is_default(arg: &Arg, value: &str) -> bool {
    let [default] = arg.get_default_values() else { return false };
    let default = default.to_string_lossy();
    default == value || matches!((default.parse::<f64>(), value.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// A word as a POSIX shell takes it; `~/` at its start stays the home folder.
fn quoted(word: &str) -> String {
    let (home, rest) = word.strip_prefix("~/").map_or(("", word), |rest| ("~/", rest));
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_=./,:@%+".contains(c);
    if !rest.is_empty() && rest.chars().all(safe) {
        return word.to_owned();
    }
    format!("{home}'{}'", rest.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    fn made(flags: Json) -> Line {
        let Json::Object(flags) = flags else { panic!("no object") };
        line(&Origin { flags, ..Origin::picture("x") }, Path::new("dir/out.png")).unwrap()
    }

    #[test]
    fn flags_become_words_that_are_understood() {
        let line = made(json!({
            "prompt": "it's -a\ncube", "negative_prompt": "-x", "model": "~/my models/sd", "steps": 3, "rng": "torch",
            "guidance_rescale": 0.0, "sigmas": [3.5, 1], "sampler_options": {"s_churn": 1.5, "s_noise": 2}, "seed": 7,
        }));
        let shell = line.shell();
        assert!(shell.starts_with("edrun image 'it'\\''s -a\ncube' --"), "{shell}");
        let parts = [
            " --negative-prompt=-x",
            " --seed 7",
            " --steps 3",
            " --sigmas 3.5,1",
            " --sampler-option s_churn=1.5 --sampler-option s_noise=2",
            " --model ~/'my models/sd'",
            " --output out-again.png",
        ];
        parts.iter().for_each(|part| assert!(shell.contains(part), "{part}: {shell}"));
        // What is a default goes without saying.
        assert!(!shell.contains("--rng") && !shell.contains("--guidance-rescale"), "{shell}");
        assert!(line.notes.is_empty(), "{:?}", line.notes);
        Args::try_parse_from(&line.words).unwrap();
    }

    #[test]
    fn prompts_that_look_like_flags_stand_behind_hyphens() {
        let line = made(json!({ "prompt": "--steps", "model": "m" }));
        assert!(line.shell().ends_with("-- --steps"), "{}", line.shell());
        Args::try_parse_from(&line.words).unwrap();
    }

    #[test]
    fn what_has_no_flag_is_said() {
        let line = made(json!({ "prompt": "a", "sparkle": 3, "init_image": true }));
        let notes = line.notes.join("; ");
        for part in ["sparkle 3", "which --init-image", "MODEL"] {
            assert!(notes.contains(part), "{notes}");
        }
        let Err(error) = line_of("dance") else { panic!("no such modality") };
        assert!(error.to_string().contains("edrun dance"));
    }

    fn line_of(modality: &str) -> Result<Line> {
        line(&Origin { modality: modality.into(), ..Origin::default() }, Path::new("a"))
    }
}
