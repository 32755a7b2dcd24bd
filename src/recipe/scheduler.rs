//! `scheduler_config.json`: reading it, and the corrections that the reference pipelines make.

use anyhow::{Result, bail};
use serde_json::Value as Json;

use crate::sampling::config::{Source, Value};
use crate::sampling::solver::Method;

/// Reads a scheduler configuration. Keys beginning with an underscore are private; those listed in
/// `_use_default_values` were not in the original file and count as absent, as in `from_config`.
///
/// # Errors
/// When it is no object, or a value is itself an object.
pub fn source_from_json(json: &Json) -> Result<Source> {
    let Some(object) = json.as_object() else { bail!("a scheduler configuration must be a JSON object") };
    let class = object.get("_class_name").and_then(Json::as_str).unwrap_or_default().to_owned();
    let defaults: Vec<&str> = match object.get("_use_default_values").and_then(Json::as_array) {
        Some(names) => names.iter().filter_map(Json::as_str).collect(),
        None => Vec::new(),
    };
    let public = object.iter().filter(|(key, _)| !key.starts_with('_') && !defaults.contains(&key.as_str()));
    let keys = public.map(|(key, json)| Ok((key.clone(), value(key, json)?))).collect::<Result<_>>()?;
    Ok(Source { class, keys })
}

/// A flow whose network is told a time that rises from 0, noise, to 1, data: `shift` moves steps towards the noise.
#[cfg(feature = "audio")]
pub(super) fn rising_flow(shift: f64) -> Source {
    let keys = [
        ("num_train_timesteps", Value::Number(1.0)),
        ("invert_sigmas", Value::Bool(true)),
        ("shift", Value::Number(shift)),
    ];
    Source {
        class: "FlowMatchEulerDiscreteScheduler".into(),
        keys: keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

fn value(key: &str, json: &Json) -> Result<Value> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Value::Text(text.clone().into()),
        Json::Array(items) => match items.iter().map(Json::as_f64).collect() {
            Some(numbers) => Value::Numbers(numbers),
            None => bail!("the scheduler key {key} must be a list of numbers"),
        },
        Json::Object(_) => bail!("the scheduler key {key} is an object, which no scheduler knows"),
    })
}

/// What the Stable Diffusion pipelines set, whatever an outdated file says.
const CORRECTIONS: &[(&str, Value)] = &[("steps_offset", Value::Number(1.0)), ("clip_sample", Value::Bool(false))];

/// The configuration that `method` sees in a Stable Diffusion pipeline.
///
/// The pipelines correct their own scheduler. Another sampler takes over a corrected key only where
/// the file has it; keys that were defaults stay behind, as with every take-over.
pub fn corrected(file: &Source, method: &Method) -> Source {
    let own = method.own_class() == file.class;
    let mut source = file.clone();
    for (key, wanted) in CORRECTIONS {
        if file.keys.contains_key(*key) || (own && method.has_key(key)) {
            source.set(key, wanted.clone());
        }
    }
    source
}
