//! A provider with its settings, as asked for.

use super::setting;
use super::{Context, Native, Provider, nearest_first, provider_error};
use crate::error::Result;
use std::fmt;

/// A provider with its settings, as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderChoice {
    /// Its name in [`PROVIDERS`](super::PROVIDERS), or that of a plugin library.
    pub name: String,
    /// Which device, where the provider numbers them.
    pub device: Option<u32>,
    /// Settings of the provider, in the order given.
    pub options: Vec<(String, String)>,
}

impl ProviderChoice {
    /// A provider by its name, without settings.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), device: None, options: Vec::new() }
    }

    /// Its row in the registry; a plugin has none, unless it is named like one.
    pub(crate) fn row(&self) -> Option<&'static Provider> {
        Provider::known(&self.name)
    }

    /// Takes a device number, a switch or `key=value`.
    pub(super) fn add(&mut self, part: &str) -> Result<()> {
        let row = self.row();
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key.trim(), value.trim()),
            None if part.parse::<u32>().is_ok() => return self.set_device(part),
            None => (part, "on"),
        };
        if let Some(row) = row {
            let setting = row.setting(key).ok_or_else(|| unknown(row, part))?;
            if !part.contains('=') && !matches!(setting.kind, setting::Kind::Switch) {
                return Err(provider_error(format!("{}: write {key}={}", row.name, setting.kind.describe())));
            }
            setting.native(row.name, value)?;
        }
        if self.option(key).is_some() {
            return Err(provider_error(format!("{}: `{key}` is set twice", self.name)));
        }
        self.options.push((key.to_owned(), value.to_owned()));
        Ok(())
    }

    fn set_device(&mut self, number: &str) -> Result<()> {
        if self.row().is_some_and(|row| row.device_key.is_none()) {
            let named = self.row().and_then(|row| row.setting("device"));
            let hint = named.map(|_| format!(": write {}:device=NAME", self.name)).unwrap_or_default();
            return Err(provider_error(format!("{} has no numbered devices{hint}", self.name)));
        }
        if self.device.is_some() {
            return Err(provider_error(format!("{}: the device is set twice", self.name)));
        }
        self.device = number.parse().ok();
        Ok(())
    }

    /// Whether a part that follows a comma belongs to this provider.
    pub(super) fn takes(&self, part: &str) -> bool {
        let key = part.split('=').next().unwrap_or(part).trim();
        let setting = self.row().and_then(|row| row.setting(key));
        setting.is_some_and(|setting| part.contains('=') || matches!(setting.kind, setting::Kind::Switch))
    }

    /// The value of a setting, if it was given.
    pub fn option(&self, key: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The setting `threads`, if it was given.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.option("threads")?.parse().ok()
    }

    /// A setting that is on or off; what is neither was refused when it was read.
    pub(crate) fn switch(&self, key: &str) -> Option<bool> {
        setting::switch(self.option(key)?)
    }

    /// What was asked for, in ONNX Runtime's own names and values.
    pub(crate) fn native(&self, context: &Context<'_>) -> Result<Native> {
        let mut native = Native::default();
        let Some(row) = self.row() else {
            self.options.iter().for_each(|(key, value)| native.set(key, value));
            return Ok(native);
        };
        if let Some((key, device)) = row.device_key.zip(self.device) {
            native.set(key, device.to_string());
        }
        for (name, value) in &self.options {
            let Some(setting) = row.setting(name) else { return Err(unknown(row, name)) };
            let value = setting.native(row.name, value)?;
            setting.key.iter().for_each(|key| native.set(key, &value));
        }
        (row.complete)(self, context, &mut native)?;
        if let Some(file) = self.option("options") {
            setting::add_file(file, &mut native)?;
        }
        Ok(native)
    }
}

fn unknown(row: &Provider, part: &str) -> crate::error::Error {
    let key = part.split('=').next().unwrap_or(part);
    let names = row.settings.iter().map(|setting| setting.name);
    let known = nearest_first(key, names).join(", ");
    provider_error(format!("{} has no setting `{key}`; known are {known}", row.name))
}

impl fmt::Display for ProviderChoice {
    /// As it would be asked for.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(device) = self.device {
            write!(f, ":{device}")?;
        }
        self.options.iter().try_for_each(|(key, value)| match value.contains([',', ':', '"']) {
            true => write!(f, ":{key}=\"{value}\""),
            false => write!(f, ":{key}={value}"),
        })
    }
}
