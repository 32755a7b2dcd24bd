//! Execution providers: what can run a graph, and how it is asked for.
//!
//! A new provider is one file below `provider/` and one line in [`PROVIDERS`].

mod assigned;
mod cpu;
mod openvino;

use crate::error::{Error, ErrorKind, Result, one_line};
use crate::runtime::Runtime;
pub(crate) use assigned::{RECORD_ASSIGNMENT, check_assigned};
use ort::ep::ExecutionProviderDispatch;
use ort::session::builder::SessionBuilder;
use std::fmt;

/// One row of the registry.
#[derive(Debug)]
pub struct Provider {
    /// The name on the command line.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// What it is, in one line.
    pub description: &'static str,
    /// ONNX Runtime's name for it.
    pub ort_name: &'static str,
    /// The end of the name of the library that carries it, where it is not part of ONNX Runtime's own.
    pub bridge: Option<&'static str>,
    /// The options it takes, each with its values and meaning.
    pub options: &'static [(&'static str, &'static str)],
    /// How to get a library that has it.
    pub remedy: &'static str,
    /// Whether it reads inputs where they lie; otherwise each change is handed over again.
    pub(crate) host_memory: bool,
    /// Whether the graph as optimised for it can be saved and loaded again.
    pub(crate) saves_graphs: bool,
    pub(crate) configure: Configure,
    /// Whether this machine can do what was chosen; asked when a graph is loaded.
    pub(crate) check_machine: fn(&ProviderChoice) -> Result<()>,
}

/// Turns a choice into what ONNX Runtime registers; `None` is its default.
pub(crate) type Configure = fn(&ProviderChoice, threads: Option<usize>) -> Result<Option<ExecutionProviderDispatch>>;

/// Every provider that can be asked for by name.
pub const PROVIDERS: &[Provider] = &[cpu::PROVIDER, openvino::PROVIDER];

/// A provider with its settings, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderChoice {
    /// Its name in [`PROVIDERS`].
    pub name: String,
    /// Which device, where the provider numbers them.
    pub device: Option<u32>,
    /// Settings of the provider, in the order given.
    pub options: Vec<(String, String)>,
}

impl Provider {
    /// The row for a name or an alias.
    ///
    /// # Errors
    /// An unknown name lists the known ones, the most similar first.
    pub fn find(name: &str) -> Result<&'static Self> {
        let lower = name.to_ascii_lowercase();
        let known = |row: &&Self| row.name == lower || row.aliases.contains(&lower.as_str());
        PROVIDERS.iter().find(known).ok_or_else(|| {
            let names = PROVIDERS.iter().map(|row| row.name);
            let known = nearest_first(&lower, names).join(", ");
            provider_error(format!("unknown provider `{name}`; known are {known}"))
        })
    }
}

impl ProviderChoice {
    /// A provider by its name in the registry, without settings.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), device: None, options: Vec::new() }
    }

    /// Reads `openvino:precision=bf16,cpu`: providers separated by commas, each followed by
    /// a device number or `key=value` settings, separated by colons.
    ///
    /// The list is an order of preference: ONNX Runtime gives each node of a graph to the
    /// first provider that can run it, and the CPU is implied at the end. Every provider
    /// named must be there, so none is silently replaced by a slower one.
    ///
    /// # Errors
    /// An empty list, an unknown name or setting, a setting given twice, a provider named twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        let choices: Vec<Self> = text.split(',').map(Self::parse).collect::<Result<_>>()?;
        for (i, choice) in choices.iter().enumerate() {
            if choices.iter().take(i).any(|earlier| earlier.name == choice.name) {
                return Err(provider_error(format!("provider `{}` is named twice", choice.name)));
            }
        }
        Ok(choices)
    }

    /// Reads one provider with its settings, such as `cpu`, `cpu:threads=2`.
    ///
    /// # Errors
    /// As for [`parse_list`](Self::parse_list).
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split(':').map(str::trim);
        let row = Provider::find(parts.next().unwrap_or_default())?;
        let mut choice = Self::named(row.name);
        for part in parts {
            choice.add(row, part)?;
        }
        (row.configure)(&choice, None)?;
        Ok(choice)
    }

    fn add(&mut self, row: &Provider, part: &str) -> Result<()> {
        if let Some((key, value)) = part.split_once('=') {
            row.check_option(key)?;
            if self.option(key).is_some() {
                return Err(provider_error(format!("{}: `{key}` is set twice", row.name)));
            }
            self.options.push((key.to_owned(), value.to_owned()));
            return Ok(());
        }
        let number = part
            .parse()
            .map_err(|_| provider_error(format!("{}: `{part}` is neither a device number nor key=value", row.name)))?;
        self.device = Some(number);
        Ok(())
    }

    /// The value of a setting, if it was given.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The setting `threads`, if it was given.
    pub(crate) fn threads(&self) -> Result<Option<usize>> {
        let Some(text) = self.option("threads") else { return Ok(None) };
        let number = text.parse().ok().filter(|count| *count > 0);
        number.map(Some).ok_or_else(|| self.bad_value("threads", "a number from 1"))
    }

    /// A setting that is on or off.
    pub(crate) fn switch(&self, key: &str) -> Result<Option<bool>> {
        match self.option(key) {
            None => Ok(None),
            Some("on" | "1" | "true") => Ok(Some(true)),
            Some("off" | "0" | "false") => Ok(Some(false)),
            Some(_) => Err(self.bad_value(key, "on or off")),
        }
    }

    pub(crate) fn bad_value(&self, key: &str, expected: &str) -> Error {
        let given = self.option(key).unwrap_or_default();
        provider_error(format!("{}: `{key}` is {expected}, not `{given}`", self.name))
    }
}

impl fmt::Display for ProviderChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(device) = self.device {
            write!(f, ":{device}")?;
        }
        self.options.iter().try_for_each(|(key, value)| write!(f, ":{key}={value}"))
    }
}

impl Provider {
    fn check_option(&self, key: &str) -> Result<()> {
        if self.options.iter().any(|(name, _)| *name == key) {
            return Ok(());
        }
        let known = nearest_first(key, self.options.iter().map(|(name, _)| *name)).join(", ");
        Err(provider_error(format!("{} has no setting `{key}`; known are {known}", self.name)))
    }
}

/// Registers the chosen providers; each of them must be in the library.
pub(crate) fn register(
    runtime: &Runtime,
    builder: SessionBuilder,
    choices: &[ProviderChoice],
    threads: Option<usize>,
) -> Result<SessionBuilder> {
    let offered = runtime.providers();
    let mut registered = Vec::new();
    for choice in choices {
        let row = Provider::find(&choice.name)?;
        if !offered.iter().any(|name| name == row.ort_name) {
            return Err(not_offered(runtime, row, &offered));
        }
        (row.check_machine)(choice)?;
        let dispatch = (row.configure)(choice, threads)?;
        registered.extend(dispatch.map(ExecutionProviderDispatch::error_on_failure));
    }
    builder.with_execution_providers(registered).map_err(|cause| {
        let names: Vec<_> = choices.iter().map(ToString::to_string).collect();
        let (names, path) = (names.join(","), runtime.path.display());
        provider_error(format!("{path} could not start provider {names}: {}", one_line(&cause)))
    })
}

fn not_offered(runtime: &Runtime, row: &Provider, offered: &[String]) -> Error {
    let (path, version) = (runtime.path.display(), &runtime.version);
    let offered = offered.join(", ");
    provider_error(format!(
        "provider `{}` is not in ONNX Runtime {version} at {path}, which offers {offered}: {}",
        row.name, row.remedy
    ))
}

/// The names of [`PROVIDERS`] that the loaded library offers, in registry order.
pub fn available(runtime: &Runtime) -> Vec<&'static str> {
    let offered = runtime.providers();
    let is_there = |row: &&Provider| offered.iter().any(|name| name == row.ort_name);
    PROVIDERS.iter().filter(is_there).map(|row| row.name).collect()
}

pub(crate) fn provider_error(message: String) -> Error {
    Error::new(ErrorKind::Provider, message)
}

fn nearest_first<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = known.collect();
    names.sort_by_key(|name| distance(word, name));
    names
}

/// How many letters must change, come or go to turn one word into the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let cases = [
            ("cpu", "cpu"),
            ("CPU", "cpu"),
            ("ov", "openvino"),
            ("openvino:precision=bf16,cpu", "openvino:precision=bf16,cpu"),
            (" openvino : threads=4 , cpu:arena=off", "openvino:threads=4,cpu:arena=off"),
        ];
        for (text, expected) in cases {
            let list = ProviderChoice::parse_list(text).unwrap();
            let shown: Vec<_> = list.iter().map(ToString::to_string).collect();
            assert_eq!(shown.join(","), expected, "{text}");
        }
    }

    #[test]
    fn bad_lists_say_what_is_wrong() {
        let cases = [
            ("", "unknown provider ``"),
            ("opnvino", "unknown provider `opnvino`; known are openvino, cpu"),
            ("cpu,cpu", "`cpu` is named twice"),
            ("cpu:threads=0", "`threads` is a number from 1, not `0`"),
            ("cpu:thread=2", "cpu has no setting `thread`; known are threads"),
            ("cpu:threads=1:threads=2", "set twice"),
            ("openvino:precision=int3", "`precision` is f32, bf16 or f16, not `int3`"),
            ("cpu:x", "neither a device number nor key=value"),
            ("cpu:1", "cpu has no numbered devices"),
        ];
        for (text, expected) in cases {
            let error = ProviderChoice::parse_list(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Provider);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn names_in_the_registry_are_unique() {
        let names = PROVIDERS.iter().flat_map(|row| row.aliases.iter().chain([&row.name]));
        let mut names: Vec<_> = names.collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
