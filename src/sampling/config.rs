//! A scheduler's configuration as typed facts, with diffusers' rules for taking one over.
//!
//! A deployment's `scheduler_config.json` was written for one class; another sampler takes from it
//! the keys that its own class knows and keeps its own defaults for the rest. That is diffusers'
//! `from_config`, and the reason a changed sampler gives the picture a Python deployment gives.

mod known;

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// A configuration value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON null: not set.
    Null,
    /// A switch.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A name.
    Text(Cow<'static, str>),
    /// A table, such as `trained_betas`.
    Numbers(Vec<f64>),
}

impl Value {
    /// A text constant, for tables of defaults.
    pub const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// Keys with their defaults.
pub type Defaults = &'static [(&'static str, Value)];

/// A configuration as read from a file: the class it was written for, and its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// diffusers class name (`_class_name`).
    pub class: String,
    /// Everything else that is not private.
    pub keys: BTreeMap<String, Value>,
}

impl Source {
    /// Sets one key, as `from_config(config, key=value)` does.
    pub fn set(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), value);
    }
}

/// A sampler's own configuration: its defaults, overlaid with what a [`Source`] says of its keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    class: &'static str,
    values: BTreeMap<&'static str, Value>,
}

impl Config {
    /// Takes over `source` as the class `class` with `defaults` would.
    pub fn take_over(class: &'static str, defaults: &[Defaults], source: &Source) -> Self {
        let own = defaults.iter().flat_map(|group| group.iter());
        let pick = |key: &str, default: &Value| source.keys.get(key).unwrap_or(default).clone();
        Self { class, values: own.map(|(key, default)| (*key, pick(key, default))).collect() }
    }

    /// The value of a key, `Null` where the class has none.
    pub fn get(&self, key: &str) -> &Value {
        self.values.get(key).unwrap_or(&Value::Null)
    }

    /// A switch; a key that the class lacks is off.
    ///
    /// # Errors
    /// When the value is no boolean.
    pub fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            Value::Bool(value) => Ok(*value),
            Value::Null => Ok(false),
            other => self.wrong(key, other, "true or false"),
        }
    }

    /// A number.
    ///
    /// # Errors
    /// When the value is no number.
    pub fn number(&self, key: &str) -> Result<f64> {
        match self.optional_number(key)? {
            Some(value) => Ok(value),
            None => self.wrong(key, &Value::Null, "a number"),
        }
    }

    /// A number or null. Infinities may be written as text, as Python's JSON has them.
    ///
    /// # Errors
    /// When the value is neither.
    pub fn optional_number(&self, key: &str) -> Result<Option<f64>> {
        match self.get(key) {
            Value::Null => Ok(None),
            Value::Number(value) => Ok(Some(*value)),
            Value::Text(text) if text == "-Infinity" => Ok(Some(f64::NEG_INFINITY)),
            Value::Text(text) if text == "Infinity" => Ok(Some(f64::INFINITY)),
            other => self.wrong(key, other, "a number"),
        }
    }

    /// A whole number of at least `least`.
    ///
    /// # Errors
    /// When the value is something else.
    pub fn count(&self, key: &str, least: usize) -> Result<usize> {
        let value = self.number(key)?;
        if value.fract() != 0.0 || value < least as f64 || value > 1e9 {
            return self.wrong(key, self.get(key), &format!("a whole number of at least {least}"));
        }
        Ok(value as usize)
    }

    /// One of a fixed set of names.
    ///
    /// # Errors
    /// Naming the key, its value and the names that are known.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<T> {
        let value = self.get(key);
        let found = match value {
            Value::Text(text) => choices.iter().find(|(name, _)| name == text),
            _ => None,
        };
        match found {
            Some((_, choice)) => Ok(*choice),
            None => {
                let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
                self.wrong(key, value, &names.join(", "))
            }
        }
    }

    /// Refuses a key that is set to anything but `neutral`.
    ///
    /// # Errors
    /// Naming the key and why it cannot be honoured.
    pub fn require(&self, key: &str, neutral: &Value, why: &str) -> Result<()> {
        match self.get(key) {
            value if value == neutral || *value == Value::Null => Ok(()),
            value => bail!("the scheduler key {key} is {value:?}, which {} cannot honour: {why}", self.class),
        }
    }

    fn wrong<T>(&self, key: &str, value: &Value, expected: &str) -> Result<T> {
        bail!("the scheduler key {key} of {} is {value:?}; expected {expected}", self.class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults = &[
        ("num_train_timesteps", Value::Number(1000.0)),
        ("timestep_spacing", Value::text("linspace")),
        ("thresholding", Value::Bool(false)),
    ];

    fn source(keys: &[(&str, Value)]) -> Source {
        Source { class: "X".into(), keys: keys.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect() }
    }

    #[test]
    fn own_keys_are_taken_and_others_left() {
        let source = source(&[("timestep_spacing", Value::text("leading")), ("skip_prk_steps", Value::Bool(true))]);
        let config = Config::take_over("Y", &[DEFAULTS], &source);
        assert_eq!(config.get("timestep_spacing"), &Value::text("leading"));
        assert_eq!(config.get("skip_prk_steps"), &Value::Null);
        assert_eq!(config.count("num_train_timesteps", 1).unwrap(), 1000);
        source.check_known().unwrap();
    }

    #[test]
    fn unknown_keys_and_values_are_refused_by_name() {
        let unknown = source(&[("mystery", Value::Bool(true))]).check_known().unwrap_err().to_string();
        assert!(unknown.contains("mystery"), "{unknown}");
        let config = Config::take_over("Y", &[DEFAULTS], &source(&[("timestep_spacing", Value::text("spiral"))]));
        let error = config.choice("timestep_spacing", &[("leading", 1), ("linspace", 2)]).unwrap_err().to_string();
        assert!(
            error.contains("timestep_spacing") && error.contains("spiral") && error.contains("linspace"),
            "{error}"
        );
        assert!(
            Config::take_over("Y", &[DEFAULTS], &source(&[("thresholding", Value::Number(2.0))]))
                .flag("thresholding")
                .is_err()
        );
    }
}
