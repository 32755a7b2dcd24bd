//! Flags of every request, whatever its modality.

use std::str::FromStr;

use anyhow::{Error, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

/// What every request has.
#[derive(Args, Clone, Debug, Deserialize, Serialize)]
pub struct RequestArgs {
    /// How many to make, with seeds SEED, SEED+1, ...
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, help_heading = "Seeds")]
    pub count: usize,
    /// Seed of the first one [default: random]
    #[arg(long, value_parser = seed, allow_negative_numbers = true, help_heading = "Seeds")]
    pub seed: Option<u64>,
    /// Sampling steps [default: the model family's; for text, one a token]
    #[arg(long, value_name = "N", help_heading = "Sampling")]
    pub steps: Option<usize>,
    /// How closely the prompt is followed; 1 is no guidance [default: the model family's; for
    /// text, 1]
    #[arg(long, alias = "cfg-scale", value_name = "SCALE", allow_negative_numbers = true, help_heading = "Sampling")]
    pub guidance_scale: Option<f64>,
    /// Sampling method, see `edrun samplers` [default: the model's]
    #[arg(long, alias = "solver", value_name = "NAME", help_heading = "Sampling")]
    pub sampler: Option<String>,
    /// A number the sampler can be tuned by, see `edrun samplers` (repeatable)
    #[arg(long = "sampler-option", value_name = "NAME=VALUE", help_heading = "Sampling")]
    #[serde(with = "options")]
    pub sampler_options: Vec<SamplerOption>,
    /// Random number generator: torch (PyTorch's on the CPU), philox (PyTorch's on CUDA), numpy
    /// (RandomState) or numpy-generator
    #[arg(long, value_name = "NAME", default_value = "torch", help_heading = "Sampling")]
    pub rng: String,
}

/// Other programs take -1 for a random seed.
fn seed(text: &str) -> std::result::Result<u64, String> {
    text.parse().map_err(|_| match text.starts_with('-') {
        true => "seeds are 0 or more; leave it out for a random one".into(),
        false => format!("a seed is a whole number up to {}", u64::MAX),
    })
}

/// A number that a sampler can be tuned by.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerOption {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
}

impl FromStr for SamplerOption {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.split_once('=').and_then(|(name, value)| Some((name.trim(), value.trim().parse().ok()?)));
        match parts {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value }),
            _ => bail!("write it as NAME=VALUE with a number, such as order=3"),
        }
    }
}

/// Options as data: an object of numbers by name.
mod options {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::SamplerOption;

    pub(super) fn serialize<S: Serializer>(options: &[SamplerOption], to: S) -> Result<S::Ok, S::Error> {
        options.iter().map(|o| (&o.name, o.value)).collect::<BTreeMap<_, _>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<SamplerOption>, D::Error> {
        let named = BTreeMap::<String, f64>::deserialize(from)?;
        Ok(named.into_iter().map(|(name, value)| SamplerOption { name, value }).collect())
    }
}
