//! Execution providers: what can run a graph, and how it is asked for.
//!
//! A new provider is one file below `provider/` and one line in [`PROVIDERS`].

mod assigned;
mod choice;
mod coreml;
mod cpu;
mod cuda;
mod directml;
mod list;
mod migraphx;
mod nvidia;
mod openvino;
mod plugin;
mod qnn;
mod register;
mod setting;
mod tensorrt;
mod webgpu;

use crate::error::{Error, ErrorKind, Result};
use crate::runtime::Runtime;
use ort::ep::ExecutionProviderDispatch;

pub use assigned::Assigned;
pub(crate) use assigned::{RECORD_ASSIGNMENT, assigned, check_assigned};
pub use choice::ProviderChoice;
pub use list::Providers;
pub use plugin::Plugin;
pub(crate) use register::{Context, register, usable};
pub use setting::{Kind, Setting};

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
    /// The settings it takes.
    pub settings: &'static [Setting],
    /// ONNX Runtime's name of the setting that a device number goes to, where devices are numbered.
    pub device_key: Option<&'static str>,
    /// How to get a library that has it.
    pub remedy: &'static str,
    /// What takes its time when it loads a graph, where it does more than to load.
    pub(crate) long: Option<&'static str>,
    /// Whether it reads inputs where they lie; otherwise each change is handed over again.
    pub(crate) host_memory: bool,
    /// Whether the graph as optimised for it can be saved and loaded again.
    pub(crate) saves_graphs: bool,
    /// What is passed besides the settings that were given.
    pub(crate) complete: fn(&ProviderChoice, &Context<'_>, &mut Native) -> Result<()>,
    /// Makes what ONNX Runtime registers; `None` is its default.
    pub(crate) build: fn(Native) -> Option<ExecutionProviderDispatch>,
    /// Whether this machine can do what was chosen; asked when a graph is loaded.
    pub(crate) check_machine: fn(&ProviderChoice) -> Result<()>,
}

/// Every provider that can be asked for by name, beside those of plugin libraries.
pub const PROVIDERS: &[Provider] = &[
    cpu::PROVIDER,
    openvino::PROVIDER,
    cuda::PROVIDER,
    tensorrt::PROVIDER,
    webgpu::PROVIDER,
    directml::PROVIDER,
    coreml::PROVIDER,
    qnn::PROVIDER,
    migraphx::PROVIDER,
];

/// Settings by ONNX Runtime's own names, in the order in which they are passed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Native(Vec<(String, String)>);

impl Native {
    /// Sets a value, in place of an earlier one.
    pub(crate) fn set(&mut self, key: &str, value: impl Into<String>) {
        self.0.retain(|(known, _)| known != key);
        self.0.push((key.to_owned(), value.into()));
    }

    /// Sets a value unless there is one.
    pub(crate) fn set_default(&mut self, key: &str, value: impl Into<String>) {
        if self.get(key).is_none() {
            self.set(key, value);
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Keys and values, as ONNX Runtime takes them.
    pub(crate) fn pairs(self) -> Vec<(String, String)> {
        self.0
    }

    /// Adds everything to one of ort's providers.
    fn apply<P: ort::ep::ArbitrarilyConfigurableExecutionProvider>(self, provider: P) -> P {
        self.0.into_iter().fold(provider, |provider, (key, value)| provider.with_arbitrary_config(key, value))
    }
}

impl Provider {
    /// The row for a name or an alias.
    ///
    /// # Errors
    /// An unknown name lists the known ones, the most similar first.
    pub fn find(name: &str) -> Result<&'static Self> {
        Self::known(name).ok_or_else(|| {
            let names = PROVIDERS.iter().map(|row| row.name);
            let known = nearest_first(&name.to_ascii_lowercase(), names).join(", ");
            provider_error(format!("unknown provider `{name}`; known are {known}, and what --ep-library brings along"))
        })
    }

    /// As [`find`](Self::find), without an error.
    pub(crate) fn known(name: &str) -> Option<&'static Self> {
        let lower = name.to_ascii_lowercase();
        PROVIDERS.iter().find(|row| row.name == lower || row.aliases.contains(&lower.as_str()))
    }

    /// The setting of this name.
    pub(crate) fn setting(&self, name: &str) -> Option<&'static Setting> {
        self.settings.iter().find(|setting| setting.name == name)
    }
}

/// The names of [`PROVIDERS`] that the loaded library offers, in registry order.
pub fn available(runtime: &Runtime) -> Vec<&'static str> {
    let offered = runtime.providers();
    let is_there = |row: &&Provider| offered.iter().any(|name| name == row.ort_name);
    PROVIDERS.iter().filter(is_there).map(|row| row.name).collect()
}

/// Checks that every provider asked for is in the library and can serve on this machine.
///
/// # Errors
/// `Provider`, naming the first that cannot, what is there, and the remedy.
pub fn check(runtime: &Runtime, providers: &Providers) -> Result<()> {
    match usable(runtime, &providers.all()).1 {
        Some(error) => Err(error),
        None => Ok(()),
    }
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
mod tests;
