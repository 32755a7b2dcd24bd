//! The settings of a provider: what they are called, what they may be, what becomes of them.

use super::{Native, provider_error};
use crate::error::Result;
use std::path::Path;

/// One setting that a provider takes.
#[derive(Debug)]
pub struct Setting {
    /// Its name on the command line.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// ONNX Runtime's name for it; without one, the provider's own code sees to it.
    pub(crate) key: Option<&'static str>,
    /// What it does, in one line.
    pub help: &'static str,
}

/// What the value of a setting may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `on` or `off`; the name alone is `on`.
    Switch,
    /// A whole number in a range, ends included.
    Number(u64, u64),
    /// A number of bytes, such as `4G`.
    Size,
    /// One of these words, each with what ONNX Runtime calls it.
    Choice(&'static [(&'static str, &'static str)]),
    /// Any text.
    Text,
    /// A folder, made when it is not there.
    Folder,
    /// A JSON file that is there.
    Json,
}

/// For the providers that take ONNX Runtime's own names.
pub(super) const OPTIONS: Setting =
    Setting::own("options", Kind::Json, "a JSON file with more settings, named as ONNX Runtime names them");

impl Setting {
    /// A setting that ONNX Runtime knows as `key`.
    pub(crate) const fn new(name: &'static str, kind: Kind, key: &'static str, help: &'static str) -> Self {
        Self { name, kind, key: Some(key), help }
    }

    /// A setting that the provider's own code sees to.
    pub(crate) const fn own(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self { name, kind, key: None, help }
    }

    /// Checks a value and turns it into what ONNX Runtime takes.
    pub(crate) fn native(&self, provider: &str, value: &str) -> Result<String> {
        let wrong =
            || provider_error(format!("{provider}: `{}` is {}, not `{value}`", self.name, self.kind.describe()));
        match self.kind {
            Kind::Switch => switch(value).map(|on| if on { "1" } else { "0" }.into()).ok_or_else(wrong),
            Kind::Number(from, to) => {
                let number = value.parse().ok().filter(|number| (from..=to).contains(number));
                number.map(|number| number.to_string()).ok_or_else(wrong)
            }
            Kind::Size => size(value).map(|bytes| bytes.to_string()).ok_or_else(wrong),
            Kind::Choice(words) => {
                let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
                found.map(|(_, native)| (*native).into()).ok_or_else(wrong)
            }
            Kind::Text | Kind::Folder if value.is_empty() => Err(wrong()),
            Kind::Text | Kind::Folder => Ok(value.into()),
            Kind::Json => read_json(value)
                .map(|_| value.into())
                .map_err(|cause| provider_error(format!("{provider}: `{}` {value} {cause}", self.name))),
        }
    }
}

impl Kind {
    /// The possible values in words: "on or off".
    pub fn describe(self) -> String {
        match self {
            Self::Switch => "on or off".into(),
            Self::Number(from, u64::MAX) => format!("a number from {from}"),
            Self::Number(from, to) => format!("a number from {from} to {to}"),
            Self::Size => "a number of bytes such as 4G".into(),
            Self::Choice(words) => {
                let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                match words.split_last() {
                    Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
                    _ => words.concat(),
                }
            }
            Self::Text => "a text".into(),
            Self::Folder => "a folder".into(),
            Self::Json => "a JSON file".into(),
        }
    }
}

pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "on" | "1" | "true" | "yes" => Some(true),
        "off" | "0" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// `4G`, `512M`, `1000`.
fn size(value: &str) -> Option<u64> {
    let lower = value.to_ascii_lowercase();
    let lower = lower.trim_end_matches("ib").trim_end_matches('b');
    let unit = [('k', 10), ('m', 20), ('g', 30), ('t', 40)].into_iter().find(|(unit, _)| lower.ends_with(*unit));
    let (digits, shift) = unit.map_or((lower, 0), |(unit, shift)| (lower.trim_end_matches(unit), shift));
    let number: u64 = digits.parse().ok()?;
    number.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

/// Adds the settings of a JSON file.
pub(super) fn add_file(path: &str, native: &mut Native) -> Result<()> {
    let pairs = read_json(path).map_err(|cause| provider_error(format!("{path} {cause}")))?;
    pairs.into_iter().for_each(|(key, value)| native.set(&key, value));
    Ok(())
}

fn read_json(path: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let text = std::fs::read(Path::new(path)).map_err(|cause| format!("cannot be read: {cause}"))?;
    let json: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|cause| format!("is no JSON object: {cause}"))?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Bool(on) => u8::from(on).to_string(),
        other => other.to_string(),
    };
    Ok(json.into_iter().map(|(key, value)| (key, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_become_what_onnx_runtime_takes() {
        const WORDS: Kind = Kind::Choice(&[("fast", "EXHAUSTIVE"), ("slow", "DEFAULT")]);
        let cases = [
            (Kind::Switch, "on", Ok("1")),
            (Kind::Switch, "off", Ok("0")),
            (Kind::Switch, "maybe", Err("on or off, not `maybe`")),
            (Kind::Number(1, 8), "8", Ok("8")),
            (Kind::Number(1, 8), "9", Err("a number from 1 to 8")),
            (Kind::Number(1, u64::MAX), "0", Err("a number from 1, not")),
            (Kind::Size, "4G", Ok("4294967296")),
            (Kind::Size, "512MiB", Ok("536870912")),
            (Kind::Size, "99999999T", Err("bytes")),
            (WORDS, "Fast", Ok("EXHAUSTIVE")),
            (WORDS, "medium", Err("fast or slow")),
            (Kind::Text, "", Err("a text")),
            (Kind::Json, "absent.json", Err("cannot be read")),
        ];
        for (kind, value, expected) in cases {
            let got = Setting::own("name", kind, "").native("provider", value).map_err(|error| error.to_string());
            match (got, expected) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{value}"),
                (Err(got), Err(part)) => assert!(got.contains(part) && got.contains("provider"), "{got}"),
                (got, expected) => panic!("{value}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_file_adds_settings() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("more.json");
        std::fs::write(&path, r#"{"num_streams": 2, "use_tf32": true, "device_type": "GPU"}"#).unwrap();
        let mut native = Native::default();
        native.set("num_streams", "1");
        add_file(path.to_str().unwrap(), &mut native).unwrap();
        let all: Vec<_> = ["num_streams", "use_tf32", "device_type"].map(|key| native.get(key)).into();
        assert_eq!(all, [Some("2"), Some("1"), Some("GPU")]);
        std::fs::write(&path, "[1]").unwrap();
        assert!(add_file(path.to_str().unwrap(), &mut native).unwrap_err().to_string().contains("no JSON object"));
    }
}
