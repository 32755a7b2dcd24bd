//! `edrun config show`: what every flag is set to, and by what.

use std::io::Write;

use anyhow::Result;
use clap::{Arg, CommandFactory};
use serde_json::{Value as Json, json};

use super::super::Ending;
use super::super::args::{Args, ConfigShowArgs};
use super::files;
use super::resolve::{Setting, Settings};

/// Runs `edrun config show`.
pub(in super::super) fn run(args: &ConfigShowArgs, preset: Option<&str>) -> Result<Ending> {
    let mut root = Args::command();
    root.build();
    let settings = Settings::find(&root, &args.command, preset)?;
    let set = settings.of(&|_| false)?;
    let rows: Vec<Row> = settings.flags().map(|(arg, flag)| Row::new(arg, flag, &set)).collect();
    let mut out = std::io::stdout().lock();
    if args.json {
        let files: Vec<_> = settings.files.iter().map(|file| file.path.display().to_string()).collect();
        let rows: Vec<_> = rows.iter().map(Row::json).collect();
        writeln!(out, "{:#}", json!({ "command": args.command.join(" "), "files": files, "flags": rows }))?;
        return Ok(Ending::Done);
    }
    for place in [files::project(), files::user()].into_iter().flatten() {
        writeln!(out, "# {} {}", if place.is_file() { "reads" } else { "would read" }, place.display())?;
    }
    for row in rows {
        writeln!(out, "{:24} {:24} {}", row.flag, row.value.as_deref().unwrap_or("-"), row.origin)?;
    }
    Ok(Ending::Done)
}

/// One flag.
struct Row {
    flag: String,
    /// `None` where the model or the run decides.
    value: Option<String>,
    origin: String,
}

impl Row {
    fn new(arg: &Arg, flag: &str, set: &[Setting]) -> Self {
        if let Some(setting) = set.iter().find(|setting| setting.flag == flag) {
            let values = setting.words.iter().map(|word| word.split_once('=').map_or("true", |(_, value)| value));
            let value = if setting.words.is_empty() { "false".into() } else { values.collect::<Vec<_>>().join(" ") };
            return Self { flag: flag.to_owned(), value: Some(value), origin: setting.origin.to_string() };
        }
        let default: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let value = (!default.is_empty()).then(|| default.join(" "));
        Self { flag: flag.to_owned(), value, origin: "default".into() }
    }

    fn json(&self) -> Json {
        json!({ "flag": self.flag, "value": self.value, "origin": self.origin })
    }
}
