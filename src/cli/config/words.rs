//! Values of a configuration as words of a command line.

use std::path::Path;

use anyhow::{Result, bail};
use clap::{Arg, ArgAction, ValueHint};
use toml::Value;

/// The words that set a flag to a value; none for a switch that is off.
///
/// # Errors
/// When the flag takes no such value.
pub(super) fn words(arg: &Arg, value: &Value, folder: &Path) -> Result<Vec<String>> {
    let name = arg.get_long().unwrap_or_default();
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return match value {
            Value::Boolean(true) => Ok(vec![format!("--{name}")]),
            Value::Boolean(false) => Ok(Vec::new()),
            other => bail!("{name} is {other}, but must be true or false"),
        };
    }
    let flag = |value: String| format!("--{name}={}", placed(arg, value, folder));
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| plain(name, item)).collect::<Result<_>>()?;
            match (arg.get_value_delimiter(), arg.get_action()) {
                (Some(delimiter), _) => Ok(vec![flag(items.join(&delimiter.to_string()))]),
                (None, ArgAction::Append) => Ok(items.into_iter().map(flag).collect()),
                _ => bail!("{name} takes one value, not a list"),
            }
        }
        Value::Table(fields) if matches!(arg.get_action(), ArgAction::Append) => {
            fields.iter().map(|(key, value)| Ok(flag(format!("{key}={}", plain(name, value)?)))).collect()
        }
        one => Ok(vec![flag(plain(name, one)?)]),
    }
}

/// A value of a variable: switches take the usual words for on and off.
///
/// # Errors
/// When a switch is neither.
pub(super) fn of_variable(arg: &Arg, variable: &str, text: &str) -> Result<Vec<String>> {
    let name = arg.get_long().unwrap_or_default();
    if !matches!(arg.get_action(), ArgAction::SetTrue) {
        return Ok(vec![format!("--{name}={text}")]);
    }
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "on" | "yes" => Ok(vec![format!("--{name}")]),
        "" | "0" | "false" | "off" | "no" => Ok(Vec::new()),
        _ => bail!("the variable {variable} is {text:?}, but must be 1 or 0"),
    }
}

fn plain(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Ok(value.to_string()),
        other => bail!("{name} is {other}, which is no value of a flag"),
    }
}

/// Paths begin at the home folder where they say so, and at the file's folder where something to read lies there: a
/// model may also be a name, and what is written (`FilePath`) lies where the command runs.
fn placed(arg: &Arg, value: String, folder: &Path) -> String {
    let hint = arg.get_value_hint();
    if ![ValueHint::AnyPath, ValueHint::FilePath].contains(&hint) {
        return value;
    }
    let home = std::env::home_dir();
    if let (Some(rest), Some(home)) = (value.strip_prefix("~/"), home) {
        return home.join(rest).display().to_string();
    }
    let there = folder.join(&value);
    if hint == ValueHint::AnyPath && there.exists() { there.display().to_string() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn values_become_words() {
        let switch = Arg::new("quiet").long("quiet").action(ArgAction::SetTrue);
        let one = Arg::new("steps").long("steps");
        let list = Arg::new("sigmas").long("sigmas").value_delimiter(',');
        let many = Arg::new("option").long("option").action(ArgAction::Append);
        let cases: &[(&Arg, &str, &[&str])] = &[
            (&switch, "v = true", &["--quiet"]),
            (&switch, "v = false", &[]),
            (&one, "v = 20", &["--steps=20"]),
            (&one, "v = 7.5", &["--steps=7.5"]),
            (&one, "v = '-a b'", &["--steps=-a b"]),
            (&list, "v = [3.5, 1]", &["--sigmas=3.5,1"]),
            (&many, "v = ['a=1', 'b=2']", &["--option=a=1", "--option=b=2"]),
            (&many, "v = { a = 1, b = 2.5 }", &["--option=a=1", "--option=b=2.5"]),
        ];
        for (arg, text, want) in cases {
            assert_eq!(words(arg, &table(text)["v"], Path::new("")).unwrap(), *want, "{text}");
        }
        for (arg, text) in
            [(&switch, "v = 'yes'"), (&one, "v = [1]"), (&one, "v = { a = 1 }"), (&one, "v = 1979-05-27")]
        {
            assert!(words(arg, &table(text)["v"], Path::new("")).is_err(), "{text}");
        }
        assert!(of_variable(&switch, "EDRUN_QUIET", "maybe").unwrap_err().to_string().contains("EDRUN_QUIET"));
    }

    #[test]
    fn paths_start_at_the_files_folder_where_something_lies_there() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("there"), "").unwrap();
        let arg = Arg::new("model").long("model").value_parser(clap::value_parser!(std::path::PathBuf));
        assert_eq!(placed(&arg, "there".into(), dir.path()), dir.path().join("there").display().to_string());
        assert_eq!(placed(&arg, "a-name".into(), dir.path()), "a-name");
        let output = arg.clone().value_hint(ValueHint::FilePath);
        assert_eq!(placed(&output, "there".into(), dir.path()), "there");
        let text = Arg::new("text").long("text");
        assert_eq!(placed(&text, "there".into(), dir.path()), "there");
    }
}
