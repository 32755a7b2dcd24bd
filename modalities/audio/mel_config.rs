//! Folders without a vocoder's graph: `vocoder/config.json` says that phases are to be found, and what the spectrograms are.

use super::{MelFacts, MelFilters};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::Folder;
use serde_json::Value as Json;

const CONFIG: &str = "vocoder/config.json";
const CLASS: &str = "GriffinLim";

/// What mel spectrograms are, and how a model has their values.
#[derive(Debug, Clone, PartialEq)]
pub struct MelConfig {
    /// The spectrograms.
    pub facts: MelFacts,
    /// The base of the logarithms that the values are.
    pub base: f32,
}

/// Whether a folder says that phases are to be found by Griffin-Lim.
///
/// # Errors
/// When its configuration is not JSON.
pub fn griffin_lim_asked(folder: &Folder) -> Result<bool> {
    Ok(asked(folder)?.is_some())
}

/// The configuration that says so.
fn asked(folder: &Folder) -> Result<Option<Json>> {
    let names = |config: &Json| config.get("_class_name").and_then(Json::as_str) == Some(CLASS);
    Ok(folder.json(CONFIG)?.filter(names))
}

impl MelConfig {
    /// What a folder says of its spectrograms, where phases are to be found; `None` where a graph makes them sound.
    ///
    /// # Errors
    /// Naming a key that is missing or cannot be honoured.
    pub fn read(folder: &Folder) -> Result<Option<Self>> {
        let Some(config) = asked(folder)? else { return Ok(None) };
        let needed = |names: &[&str]| {
            whole(&config, names)?
                .with_context(|| format!("{CONFIG} does not state the {}; write it there", names.join(" or ")))
        };
        let sample_rate = needed(&["sampling_rate"])?;
        let size = needed(&["n_fft"])?;
        let frequency = |names: [&str; 2], usual: f64| match find(&config, &names) {
            None => Ok(usual),
            Some((key, value)) => {
                value.as_f64().with_context(|| format!("the key {key} of {CONFIG} is {value}, no frequency"))
            }
        };
        let top = sample_rate as f64 / 2.0;
        let facts = MelFacts {
            sample_rate: sample_rate as u32,
            bands: needed(&["num_mel_bins", "model_in_dim"])?,
            size,
            hop: needed(&["hop_length"])?,
            window: whole(&config, &["win_length"])?.unwrap_or(size),
            range: [frequency(["fmin", "frequency_min"], 0.0)?, frequency(["fmax", "frequency_max"], top)?],
            filters: match said(&config, "mel_scale", "slaney")? {
                "slaney" => MelFilters::Slaney,
                "htk" => MelFilters::Htk,
                other => bail!("the key mel_scale of {CONFIG} is {other:?}, but must be slaney or htk"),
            },
        };
        let base = match said(&config, "log_mel", "log")? {
            "log" => std::f32::consts::E,
            "log10" => 10.0,
            other => bail!("the key log_mel of {CONFIG} is {other:?}, but must be log or log10"),
        };
        super::Mels::new(&facts).with_context(|| format!("what {CONFIG} says is not possible"))?;
        Ok(Some(Self { facts, base }))
    }

    /// Magnitudes of values as the model has them.
    pub fn magnitudes(&self, values: &[f32]) -> Vec<f32> {
        values.iter().map(|value| self.base.powf(*value)).collect()
    }
}

/// The first key that is there.
fn find<'a>(config: &'a Json, names: &[&'a str]) -> Option<(&'a str, &'a Json)> {
    names.iter().find_map(|name| Some((*name, config.get(name)?))).filter(|(_, value)| !value.is_null())
}

fn whole(config: &Json, names: &[&str]) -> Result<Option<usize>> {
    let Some((key, value)) = find(config, names) else { return Ok(None) };
    let number = value.as_u64().filter(|number| (1..1 << 20).contains(number));
    ensure!(number.is_some(), "the key {key} of {CONFIG} is {value}, but must be a whole number above 0");
    Ok(number.map(|number| number as usize))
}

fn said<'a>(config: &'a Json, key: &str, usual: &'a str) -> Result<&'a str> {
    match config.get(key) {
        None | Some(Json::Null) => Ok(usual),
        Some(value) => {
            value.as_str().with_context(|| format!("the key {key} of {CONFIG} is {value}, but must be a name"))
        }
    }
}
