//! Prompts and their flags: one from the command line, or one a line from a file.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use edrun_modalities::prompt::MAX_PROMPT_BYTES;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::args::{MakeArgs, One};

/// The largest file of prompts, or of text.
pub(super) const MAX_FILE_BYTES: u64 = 256 << 20;

/// One prompt with its flags.
pub(super) struct Typed<T> {
    pub(super) prompt: String,
    pub(super) one: T,
    pub(super) output: Option<PathBuf>,
}

/// Keys of a line that are known by another name.
const ALIASES: [(&str, &str); 3] =
    [("cfg_scale", "guidance_scale"), ("solver", "sampler"), ("sampler_option", "sampler_options")];

/// Flags that name the step list: of a line's and the command line's, the line's holds.
const STEP_LISTS: [&str; 3] = ["schedule", "sigmas", "timesteps"];

/// Every wish of a command line, in order; a line that cannot be understood is an error of its own.
///
/// # Errors
/// When the file or standard input cannot be read.
pub(super) fn wishes<T: One>(args: &MakeArgs<T>) -> Result<Vec<Result<Typed<T>>>> {
    let Some(file) = &args.prompts else {
        let prompt = typed(args.prompt.as_deref().unwrap_or_default())?;
        return Ok(vec![Ok(with_prompt(args, &prompt))]);
    };
    let text = if file == Path::new("-") { stdin(MAX_FILE_BYTES)? } else { read(file, "--prompts")? };
    let is_json = file.extension().is_some_and(|end| end == "jsonl") || text.trim_start().starts_with('{');
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let wishes: Vec<_> =
        lines.map(|(i, line)| of_line(args, line, is_json).with_context(|| format!("line {}", i + 1))).collect();
    if wishes.is_empty() {
        bail!("{} holds no prompt; write one a line", file.display());
    }
    Ok(wishes)
}

/// A prompt as it was typed; `-` stands for standard input.
///
/// # Errors
/// When standard input cannot be read.
pub(super) fn typed(prompt: &str) -> Result<String> {
    if prompt != "-" {
        return Ok(prompt.to_owned());
    }
    Ok(stdin(MAX_PROMPT_BYTES as u64)?.trim_end_matches(['\n', '\r']).to_owned())
}

fn with_prompt<T: One>(args: &MakeArgs<T>, prompt: &str) -> Typed<T> {
    Typed { prompt: prompt.to_owned(), one: args.one.clone(), output: args.output.output.clone() }
}

fn of_line<T: One>(args: &MakeArgs<T>, line: &str, is_json: bool) -> Result<Typed<T>> {
    if !is_json {
        return Ok(with_prompt(args, line.trim()));
    }
    let keys: Map<String, Value> =
        serde_json::from_str(line).map_err(|cause| anyhow!("it is not understood: {cause}"))?;
    let mut keys: Map<String, Value> = keys.into_iter().map(|(key, value)| (known_as(&key), value)).collect();
    let prompt = keys.remove("prompt").context("it has no \"prompt\"; give it one, if only \"\"")?;
    let output = keys.remove("output").map(serde_json::from_value).transpose().context("its output is no file name")?;
    let one = overlay(&args.one, keys)?;
    let (seed, strength) = (one.sampling().variation_seed, one.sampling().variation_strength);
    if seed.is_some() != strength.is_some() {
        bail!("variation_seed and variation_strength need each other; give both");
    }
    Ok(Typed {
        prompt: serde_json::from_value(prompt).context("its prompt is no text")?,
        one,
        output: output.or(args.output.output.clone()),
    })
}

/// Flags with some replaced, by name.
fn overlay<T: Serialize + DeserializeOwned>(base: &T, keys: Map<String, Value>) -> Result<T> {
    let Value::Object(mut all) = serde_json::to_value(base)? else { bail!("flags are no object") };
    match keys.keys().filter(|key| STEP_LISTS.contains(&key.as_str())).count() {
        0 => {}
        1 => STEP_LISTS.iter().for_each(|list| drop(all.insert((*list).into(), Value::Null))),
        _ => bail!("schedule, sigmas and timesteps cannot be combined; keep one"),
    }
    for (key, value) in keys {
        match all.get_mut(&key) {
            Some(old) => *old = value,
            None => bail!("{key} is no flag that a line may set; these are {}", listed(&all)),
        }
    }
    serde_json::from_value(Value::Object(all)).map_err(|cause| anyhow!("it is not understood: {cause}"))
}

fn listed(keys: &Map<String, Value>) -> String {
    let known = ["prompt", "output"].into_iter().chain(keys.keys().map(String::as_str));
    known.collect::<Vec<_>>().join(", ")
}

/// A key as the flags name it: `cfg-scale` is `guidance_scale`.
fn known_as(key: &str) -> String {
    let key = key.replace('-', "_");
    ALIASES.iter().find(|(alias, _)| *alias == key).map_or(key, |(_, name)| (*name).to_owned())
}

/// A text file, named by a flag.
pub(super) fn read(file: &Path, flag: &str) -> Result<String> {
    let size = file.metadata().with_context(|| format!("{flag} {} cannot be read", file.display()))?.len();
    if size > MAX_FILE_BYTES {
        bail!("{flag} {} is larger than {} MiB; split it", file.display(), MAX_FILE_BYTES >> 20);
    }
    std::fs::read_to_string(file).with_context(|| format!("{flag} {} cannot be read as UTF-8 text", file.display()))
}

/// All of standard input, up to a limit.
pub(super) fn stdin(limit: u64) -> Result<String> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(limit + 1).read_to_end(&mut bytes);
    read.context("the prompt cannot be read from standard input")?;
    if bytes.len() as u64 > limit {
        bail!("the prompt on standard input is longer than {limit} bytes; shorten it (models read about 75 words)");
    }
    String::from_utf8(bytes).context("the prompt on standard input is not UTF-8; convert it")
}
