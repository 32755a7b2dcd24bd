//! Providers that come as libraries of their own (`--ep-library NAME=PATH`).

use super::{ProviderChoice, provider_error};
use crate::error::{Result, one_line};
use crate::runtime::Runtime;
use ort::device::Device;
use ort::environment::Environment;
use ort::session::builder::SessionBuilder;
use std::path::{Path, PathBuf};

/// A provider library that was added to ONNX Runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// The name it is asked for by.
    pub name: String,
    /// Its library.
    pub path: PathBuf,
    /// ONNX Runtime's names of the providers it brings; empty where it found no device it serves.
    pub providers: Vec<String>,
}

impl Plugin {
    /// Reads `NAME=PATH`.
    ///
    /// # Errors
    /// `Provider` for anything else, and for a file that is not there.
    pub fn parse(text: &str) -> Result<(String, PathBuf)> {
        let (name, path) = text.split_once('=').unwrap_or_default();
        let is_name = !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || "-_.".contains(letter));
        if !is_name || path.is_empty() {
            return Err(provider_error(format!("--ep-library {text} is not understood; write it as NAME=PATH")));
        }
        let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
        match path.is_file() {
            true => Ok((name.to_owned(), path)),
            false => Err(provider_error(format!("--ep-library {name}: there is no file {}", path.display()))),
        }
    }

    /// Adds a library to the environment and finds out what it brings.
    pub(crate) fn load(environment: &Environment, name: &str, path: &Path) -> Result<Self> {
        let before = environment.devices().count();
        environment.register_ep_library(name, path).map_err(|cause| {
            let (path, cause) = (path.display(), one_line(&cause));
            provider_error(format!("ONNX Runtime cannot use the provider library {name} at {path}: {cause}"))
        })?;
        let new = environment.devices().skip(before);
        let mut providers: Vec<_> = new.filter_map(|device| device.ep().ok().map(str::to_owned)).collect();
        providers.dedup();
        Ok(Self { name: name.to_owned(), path: path.to_owned(), providers })
    }

    /// Whether it serves a device of this machine, and the one asked for.
    pub(super) fn check(&self, runtime: &Runtime, choice: &ProviderChoice) -> Result<()> {
        let count = self.devices(runtime.environment()).len();
        match choice.device {
            _ if count == 0 => Err(provider_error(format!(
                "provider `{}` at {} serves no device of this machine: check its drivers, or leave it out",
                self.name,
                self.path.display()
            ))),
            Some(number) if number as usize >= count => Err(provider_error(format!(
                "provider `{}` has no device {number}; it has {count}, counted from 0",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    /// Hands its devices, or the one asked for, to a session.
    pub(super) fn register(
        &self,
        runtime: &Runtime,
        builder: SessionBuilder,
        choice: &ProviderChoice,
        options: &[(String, String)],
    ) -> Result<SessionBuilder> {
        // ONNX Runtime takes an empty list for the processor's.
        self.check(runtime, choice)?;
        let (first, count) = choice.device.map_or((0, usize::MAX), |number| (number as usize, 1));
        let devices = self.devices(runtime.environment()).into_iter().skip(first).take(count);
        let named = |provider: &String| {
            let provider = provider.clone();
            options.iter().map(move |(key, value)| (format!("{provider}.{key}"), value.clone()))
        };
        let options: Vec<_> = self.providers.iter().flat_map(named).collect();
        builder.with_devices(devices, Some(&options)).map_err(|cause| {
            let (path, cause) = (self.path.display(), one_line(&cause));
            provider_error(format!("{path} could not start provider {choice}: {cause}"))
        })
    }

    fn devices<'e>(&self, environment: &'e Environment) -> Vec<Device<'e>> {
        let is_ours = |device: &Device<'_>| device.ep().is_ok_and(|name| self.providers.iter().any(|own| own == name));
        environment.devices().filter(is_ours).collect()
    }
}
