//! Which of several places a flag is set in counts: a variable before a preset, a preset before the plain keys, the
//! project's file before the user's, a command's own table before the keys for all commands.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Arg, Command};
use toml::{Table, Value};

use super::files::{self, File, PRESET, PRESETS};
use super::words;
use crate::sampling::names::nearest;

/// Variables that are no flags, or that are read where they are needed.
const NO_FLAGS: [&str; 5] = ["EDRUN_ORT_LIB", "EDRUN_CACHE_DIR", "EDRUN_NO_FETCH", "EDRUN_FETCHED_ORT", "EDRUN_PRESET"];
const PREFIX: &str = "EDRUN_";
/// How the names of variables begin that the repository's own tests and benches read.
const OF_TESTS: [&str; 2] = ["EDRUN_TEST_", "EDRUN_BENCH_"];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Origin {
    /// An environment variable.
    Variable(String),
    /// A preset in a file.
    Preset(String, PathBuf),
    /// A key of a file.
    File(PathBuf),
}

/// A flag that is set without being typed.
#[derive(Clone, Debug)]
pub(in super::super) struct Setting {
    /// The flag's long name.
    pub(in super::super) flag: String,
    /// What to add to the command line.
    pub(in super::super) words: Vec<String>,
    pub(in super::super) origin: Origin,
}

/// Everything that may set a command's flags.
pub(super) struct Settings<'a> {
    command: &'a Command,
    path: Vec<String>,
    pub(super) files: Vec<File>,
    preset: Option<String>,
}

/// One place in which flags are set, with the folder its paths start from.
struct Layer<'a> {
    table: &'a Table,
    folder: PathBuf,
    origin: Origin,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Preset(name, path) => write!(f, "the preset {name} in {}", path.display()),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

impl<'a> Settings<'a> {
    /// Reads the configuration for the command that a path of subcommands leads to.
    ///
    /// # Errors
    /// When a file means nothing, or the preset is in none.
    pub(super) fn find(root: &'a Command, path: &[String], preset: Option<&str>) -> Result<Self> {
        let files = files::find(root)?;
        check_variables(root)?;
        let variable = std::env::var("EDRUN_PRESET").ok().filter(|name| !name.is_empty());
        let written = || files.iter().find_map(|file| file.table.get(PRESET)?.as_str()).map(str::to_owned);
        let typed = preset.is_some();
        let preset = preset.map(str::to_owned).or(variable).or_else(written);
        let command = path.iter().try_fold(root, |command, name| command.find_subcommand(name));
        let command = command.with_context(|| format!("there is no command `edrun {}`", path.join(" ")))?;
        let settings = Self { command, path: path.to_vec(), files, preset };
        settings.check_preset(typed)?;
        Ok(settings)
    }

    /// The flags that are set, except those that `typed` says are there already or exclude.
    ///
    /// # Errors
    /// When a value is none of its flag.
    pub(super) fn of(&self, typed: &dyn Fn(&str) -> bool) -> Result<Vec<Setting>> {
        let layers = self.layers();
        let mut settings: Vec<(&Arg, Setting)> = Vec::new();
        let mut consider = |arg: &'a Arg, setting: Setting| {
            let excluded = |other: &Arg| other.get_id() == arg.get_id() || self.conflict(other, arg);
            let by_typed = self.command.get_arguments().any(|other| typed(other.get_id().as_str()) && excluded(other));
            let by_stronger = settings.iter().any(|(other, _)| excluded(other));
            if !by_typed && !by_stronger {
                settings.push((arg, setting));
            }
        };
        for (arg, flag) in self.flags() {
            let name = variable(flag);
            let Ok(text) = std::env::var(&name) else { continue };
            if !NO_FLAGS.contains(&name.as_str()) {
                let words = words::of_variable(arg, &name, &text)?;
                consider(arg, Setting { flag: flag.to_owned(), words, origin: Origin::Variable(name) });
            }
        }
        for layer in &layers {
            for (arg, flag) in self.flags() {
                let Some(value) = layer.table.get(flag).filter(|value| !self.is_command(flag, value)) else {
                    continue;
                };
                let words = words::words(arg, value, &layer.folder).with_context(|| layer.origin.to_string())?;
                consider(arg, Setting { flag: flag.to_owned(), words, origin: layer.origin.clone() });
            }
        }
        Ok(settings.into_iter().map(|(_, setting)| setting).collect())
    }

    /// The flags of the command that can be configured.
    pub(super) fn flags(&self) -> impl Iterator<Item = (&'a Arg, &'a str)> + use<'a> {
        let no = ["help", "version", "preset", "no-config"];
        self.command
            .get_arguments()
            .filter_map(|arg| Some((arg, arg.get_long()?)))
            .filter(move |(_, flag)| !no.contains(flag))
    }

    /// A table may be named as a flag is.
    fn is_command(&self, flag: &str, value: &Value) -> bool {
        value.is_table() && self.path.iter().any(|name| name == flag)
    }

    fn conflict(&self, a: &Arg, b: &Arg) -> bool {
        let one_way =
            |a: &Arg, b: &Arg| self.command.get_arg_conflicts_with(a).iter().any(|other| other.get_id() == b.get_id());
        one_way(a, b) || one_way(b, a)
    }

    /// The places in files, strongest first.
    fn layers(&self) -> Vec<Layer<'_>> {
        let presets = self.files.iter().filter_map(|file| {
            let name = self.preset.as_ref()?;
            let table = file.table.get(PRESETS)?.get(name)?.as_table()?;
            Some((file, table, Origin::Preset(name.clone(), file.path.clone())))
        });
        let plain = self.files.iter().map(|file| (file, &file.table, Origin::File(file.path.clone())));
        let mut layers = Vec::new();
        for (file, table, origin) in presets.chain(plain) {
            let folder = files::folder(&file.path).to_owned();
            for table in files::inner(table, &self.path).into_iter().chain([table]) {
                layers.push(Layer { table, folder: folder.clone(), origin: origin.clone() });
            }
        }
        layers
    }

    /// A preset is there, and, where it was typed for this command, says nothing that the command cannot do.
    fn check_preset(&self, typed: bool) -> Result<()> {
        let Some(name) = &self.preset else { return Ok(()) };
        let tables: Vec<&Table> =
            self.files.iter().filter_map(|file| file.table.get(PRESETS)?.get(name)?.as_table()).collect();
        if tables.is_empty() {
            let presets = self.files.iter().filter_map(|file| file.table.get(PRESETS)?.as_table());
            let known: Vec<&str> = presets.flat_map(|table| table.keys()).map(String::as_str).collect();
            let there =
                if known.is_empty() { "there are none".into() } else { format!("there are {}", known.join(", ")) };
            bail!("the preset {name:?} is in no {}; {there}", files::NAME);
        }
        if !typed {
            return Ok(());
        }
        for key in
            tables.iter().flat_map(|table| table.iter()).filter(|(_, value)| !value.is_table()).map(|(key, _)| key)
        {
            if !self.flags().any(|(_, flag)| flag == key) {
                bail!("the preset {name} sets {key}, which `edrun {}` does not have", self.path.join(" "));
            }
        }
        Ok(())
    }
}

/// The variable that sets a flag.
pub(super) fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_ascii_uppercase())
}

/// A variable that sets nothing is a slip that would go unnoticed.
fn check_variables(root: &Command) -> Result<()> {
    let flags = files::flags(root);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let of_tests = OF_TESTS.iter().any(|prefix| name.starts_with(prefix));
        let known = of_tests || NO_FLAGS.contains(&name.as_str()) || flags.iter().any(|flag| variable(flag) == name);
        if name.starts_with(PREFIX) && !known {
            let names: Vec<String> = flags.iter().map(|flag| variable(flag)).collect();
            bail!("the variable {name} sets nothing; nearest are {}", nearest(&name, names.iter().map(String::as_str)));
        }
    }
    Ok(())
}
