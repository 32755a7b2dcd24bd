//! What flags are set to without being typed: by `edrun.toml` of the project and the user, by presets in them, and by
//! variables `EDRUN_*`. Keys are the names of flags, and what is set becomes words of the command line, so that every
//! check of a typed flag is one of a configured flag too.

mod files;
mod resolve;
mod show;
mod words;

use std::ffi::OsString;

use anyhow::{Result, anyhow};
use clap::error::{ContextKind, ContextValue};
use clap::{ArgMatches, Command, CommandFactory, Parser, parser::ValueSource};

use super::args::Args;
use resolve::Settings;

pub(super) use resolve::Setting;
pub(super) use show::run as show;

/// Why a command line could not be understood.
pub(super) enum Failure {
    /// What was typed; clap says it best.
    Typed(clap::Error),
    /// What was configured.
    Configured(anyhow::Error),
}

/// Understands a command line together with the configuration.
///
/// # Errors
/// For words that mean nothing, and for keys and values of the configuration, named with their place.
pub(super) fn parse(words: &[OsString]) -> Result<Args, Failure> {
    let plain = Args::try_parse_from(words);
    let typed = match &plain {
        Err(error) if is_help(error) => None,
        _ => Typed::read(words).filter(Typed::takes_configuration),
    };
    let Some(typed) = typed else { return plain.map_err(Failure::Typed) };
    let settings = typed.settings().map_err(Failure::Configured)?;
    let line = typed.with(words, &settings);
    Args::try_parse_from(line).map_err(|error| explained(error, &settings))
}

/// What configures a subcommand, beside flags.
///
/// # Errors
/// When a file cannot be read or holds what means nothing.
pub(super) fn settings_of(path: &[&str]) -> Result<Vec<Setting>> {
    let mut root = Args::command();
    root.build();
    let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
    Settings::find(&root, &path, None)?.of(&|_| false)
}

/// What a command line says before it is known to be right.
struct Typed {
    /// The subcommands, outermost first.
    path: Vec<String>,
    matches: ArgMatches,
    root: Command,
}

impl Typed {
    /// Reads as much as can be understood; `None` where no command is named.
    fn read(words: &[OsString]) -> Option<Self> {
        let mut root = Args::command();
        root.build();
        let matches = root.clone().ignore_errors(true).try_get_matches_from(words).ok()?;
        let mut path = Vec::new();
        let mut inner = &matches;
        while let Some((name, deeper)) = inner.subcommand() {
            path.push(name.to_owned());
            inner = deeper;
        }
        let matches = inner.clone();
        (!path.is_empty()).then_some(Self { path, matches, root })
    }

    /// The command that shows the configuration looks at it itself, and what a shell reads at its start does without.
    fn takes_configuration(&self) -> bool {
        let without = ["config", "completions", "man"];
        self.path.first().is_some_and(|name| !without.contains(&name.as_str())) && !self.switched("no_config")
    }

    fn switched(&self, id: &str) -> bool {
        self.matches.try_get_one::<bool>(id).ok().flatten().copied().unwrap_or(false)
    }

    fn has(&self, id: &str) -> bool {
        let known = self.matches.try_contains_id(id).unwrap_or(false);
        known && self.matches.value_source(id) == Some(ValueSource::CommandLine)
    }

    fn settings(&self) -> Result<Vec<Setting>> {
        let preset = self.matches.try_get_one::<String>("preset").ok().flatten().cloned();
        Settings::find(&self.root, &self.path, preset.as_deref())?.of(&|id| self.has(id))
    }

    /// The line with the settings' words behind the subcommand, where what is typed still stands last.
    fn with(&self, words: &[OsString], settings: &[Setting]) -> Vec<OsString> {
        let mut line = words.to_vec();
        let mut at = 1;
        for name in &self.path {
            // A preset may have a command's name.
            let is_name = |i: usize| line.get(i - 1).is_none_or(|before| before != "--preset");
            let found = (at..line.len()).find(|&i| is_name(i) && line.get(i).is_some_and(|word| word == name.as_str()));
            at = found.map_or(at, |position| position + 1);
        }
        let added = settings.iter().flat_map(|setting| setting.words.iter().map(OsString::from));
        line.splice(at..at, added.collect::<Vec<_>>());
        line
    }
}

fn is_help(error: &clap::Error) -> bool {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    matches!(error.kind(), DisplayHelp | DisplayHelpOnMissingArgumentOrSubcommand | DisplayVersion)
}

/// An error about a flag that was configured says where.
fn explained(error: clap::Error, settings: &[Setting]) -> Failure {
    let about = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => name.clone(),
        _ => String::new(),
    };
    let flag = about.split([' ', '=']).next().unwrap_or_default().trim_start_matches('-');
    match settings.iter().find(|setting| setting.flag == flag) {
        Some(setting) => {
            let said = error.to_string();
            let said = said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Failure::Configured(anyhow!("{} sets what cannot be: {said}", setting.origin))
        }
        None => Failure::Typed(error),
    }
}
