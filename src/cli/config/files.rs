//! `edrun.toml`: where it lies, and whether every key in it means something.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Arg, Command};
use toml::{Table, Value};

use crate::sampling::names::nearest;

/// The file's name.
pub(super) const NAME: &str = "edrun.toml";
/// The table that holds the presets, by name.
pub(super) const PRESETS: &str = "presets";
/// The key that chooses a preset.
pub(super) const PRESET: &str = "preset";

/// A configuration file.
pub(super) struct File {
    pub(super) path: PathBuf,
    pub(super) table: Table,
}

/// The files that count, the project's before the user's.
///
/// # Errors
/// When one cannot be read, is no TOML, or holds a key that means nothing.
pub(super) fn find(root: &Command) -> Result<Vec<File>> {
    let places: Vec<_> = project().into_iter().chain(user()).collect();
    places.into_iter().filter(|path| path.is_file()).map(|path| read(root, path)).collect()
}

/// The nearest file in this folder and those around it; the home folder is no project.
pub(super) fn project() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let home = std::env::home_dir();
    let around = here.ancestors().take_while(|folder| home.as_deref() != Some(*folder));
    around.map(|folder| folder.join(NAME)).find(|path| path.is_file())
}

/// The user's file, whether it is there or not.
pub(super) fn user() -> Option<PathBuf> {
    let folder = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let own = if cfg!(windows) { folder("APPDATA") } else { folder("XDG_CONFIG_HOME") };
    let usual = || std::env::home_dir().map(|home| home.join(".config"));
    Some(own.or_else(usual)?.join("edrun").join(NAME))
}

fn read(root: &Command, path: PathBuf) -> Result<File> {
    let text = std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let table: Table = match text.parse() {
        Ok(table) => table,
        Err(error) => bail!("{} is not TOML: {}", path.display(), one_line(&error)),
    };
    let table = understood(root, &table).with_context(|| path.display().to_string())?;
    Ok(File { path, table })
}

fn one_line(error: &toml::de::Error) -> String {
    error.to_string().lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The table with every flag under its own name: each key is a flag of some command, a command's table, or the presets.
fn understood(root: &Command, table: &Table) -> Result<Table> {
    let mut table = table.clone();
    let presets = match table.remove(PRESETS) {
        Some(Value::Table(presets)) => presets,
        Some(_) => bail!("{PRESETS} is no table of presets; begin one with [{PRESETS}.NAME]"),
        None => Table::new(),
    };
    let preset = table.remove_entry(PRESET).filter(|(_, name)| name.is_str());
    let mut whole = flags_of(root, &table)?;
    let mut named = Table::new();
    for (name, preset) in &presets {
        let Value::Table(flags) = preset else { bail!("{PRESETS}.{name} is no table of flags") };
        named.insert(name.clone(), flags_of(root, flags).with_context(|| format!("{PRESETS}.{name}"))?.into());
    }
    whole.extend(preset);
    whole.insert(PRESETS.into(), named.into());
    Ok(whole)
}

fn flags_of(command: &Command, table: &Table) -> Result<Table> {
    let mut flags = Table::new();
    for (key, value) in table {
        let (name, value) = match (command.find_subcommand(key), value) {
            (Some(inner), Value::Table(table)) => {
                (key.clone(), flags_of(inner, table).with_context(|| key.clone())?.into())
            }
            _ => (flag_named(command, key)?, value.clone()),
        };
        if flags.insert(name.clone(), value).is_some() {
            bail!("the key {key:?} sets {name} a second time; keep one");
        }
    }
    Ok(flags)
}

/// The flag, of this command or one inside it, that a key names: as it is typed, with `_` for `-`, or by an alias.
fn flag_named(command: &Command, key: &str) -> Result<String> {
    let wanted = key.replace('_', "-");
    let flags = flags(command);
    if flags.contains(&wanted) {
        return Ok(wanted);
    }
    aliased(command, &wanted).with_context(|| {
        let names = flags.iter().map(String::as_str);
        format!("the key {key:?} is no flag of edrun; nearest are {}", nearest(key, names))
    })
}

fn aliased(command: &Command, alias: &str) -> Option<String> {
    let is = |arg: &&Arg| arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&alias));
    let own = command.get_arguments().find(is).and_then(Arg::get_long).map(str::to_owned);
    own.or_else(|| command.get_subcommands().find_map(|inner| aliased(inner, alias)))
}

/// The names of the flags of a command and those inside it.
pub(super) fn flags(command: &Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned);
    let inner = command.get_subcommands().flat_map(flags);
    let mut all: Vec<String> =
        own.chain(inner).filter(|name| !["help", "version", "no-config"].contains(&name.as_str())).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The table of a command inside another.
pub(super) fn inner<'a>(table: &'a Table, path: &[String]) -> Option<&'a Table> {
    path.iter().try_fold(table, |table, name| table.get(name)?.as_table())
}

/// The folder that a file's relative paths start from.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
