//! How something was made, as its file says it: the keys are flags, so that `edrun inspect` can turn the record of any
//! modality into the command that makes the file again.

use std::path::Path;

use edrun_modalities::Info;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::args::{One, RunningArgs};
use crate::pipeline::{Ask, Plan};

/// What stands in a record beside flags.
pub(super) const NO_FLAGS: [&str; 3] = ["edrun", "modality", "index"];

/// What is needed to say how something was made.
pub(super) struct Record<'a, T> {
    pub(super) ask: &'a Ask,
    pub(super) plan: &'a Plan,
    /// What was typed.
    pub(super) one: &'a T,
    pub(super) running: &'a RunningArgs,
    /// What the model is called.
    pub(super) model: &'a str,
}

/// Flags by name.
struct Flags(Map<String, Json>);

impl<T: One> Record<'_, T> {
    /// The text and JSON that the file of one of the results carries.
    pub(super) fn info(&self, index: usize) -> Info {
        Info { parameters: self.parameters(index), json: self.json(index).to_string() }
    }

    /// The form that AUTOMATIC1111's web UI writes and many tools read.
    fn parameters(&self, index: usize) -> String {
        let Self { ask, plan, .. } = self;
        let negative =
            ask.negative_prompt.as_ref().map(|text| format!("\nNegative prompt: {text}")).unwrap_or_default();
        let schedule = ask.schedule.as_ref().map(|name| format!(", Schedule type: {name}")).unwrap_or_default();
        format!(
            "{}{negative}\nSteps: {}, Sampler: {}{schedule}, CFG scale: {}, Seed: {}, Size: {}, Model: {}, Version: edrun {}",
            ask.prompt,
            plan.steps,
            plan.method.name,
            plan.guidance_scale,
            plan.seed(index),
            plan.extent,
            self.model,
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// The flags that make the result again.
    pub(super) fn json(&self, index: usize) -> Json {
        let Self { ask, plan, running, .. } = self;
        let mut flags = Flags::typed(self.one);
        flags.set("edrun", env!("CARGO_PKG_VERSION"));
        flags.set("modality", T::MODALITY.command());
        flags.set("prompt", &ask.prompt);
        flags.set("steps", plan.steps);
        flags.set("guidance_scale", plan.guidance_scale);
        flags.set("sampler", plan.method.name);
        flags.set("strength", plan.strength());
        let model = running.model.as_deref().unwrap_or(Path::new(self.model));
        flags.set("model", homely(json!(model), std::env::home_dir().as_deref()));
        flags.set("ep", &running.library.ep);
        flags.set("ep_library", Some(&running.library.ep_library).filter(|given| !given.is_empty()));
        flags.set("threads", running.threads);
        // A look at the result, which changes nothing in it.
        flags.set(T::MODALITY.look(), Json::Null);
        for (name, value) in plan.extent.flags() {
            flags.set(name, value);
        }
        if ask.init_latents.is_some() && plan.count > 1 {
            // Latents that were given for all results of a run cannot be told apart by a seed.
            flags.set("seed", ask.seed);
            flags.set("index", index);
        } else {
            flags.set("seed", plan.seed(index));
            flags.set("variation_seed", plan.variation(index).map(|(seed, _)| seed));
            flags.set("count", Json::Null);
        }
        Json::Object(flags.0)
    }
}

impl Flags {
    /// What was typed, as it stands.
    fn typed(one: &impl Serialize) -> Self {
        let Ok(Json::Object(typed)) = serde_json::to_value(one) else { return Self(Map::new()) };
        let home = std::env::home_dir();
        let typed = typed.into_iter().filter(|(_, value)| !value.is_null());
        Self(typed.map(|(key, value)| (key, homely(value, home.as_deref()))).collect())
    }

    /// Says what was decided about a flag, whatever was typed; null leaves it out.
    fn set(&mut self, key: &str, value: impl Serialize) {
        match serde_json::to_value(value) {
            Ok(value) if !value.is_null() => drop(self.0.insert(key.into(), value)),
            _ => drop(self.0.remove(key)),
        }
    }
}

/// Paths below the home folder without the user's name: files are passed around.
fn homely(value: Json, home: Option<&Path>) -> Json {
    let Json::String(text) = &value else { return value };
    match home.and_then(|home| Path::new(text).strip_prefix(home).ok()) {
        Some(rest) => json!(Path::new("~").join(rest)),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_never_names_the_user() {
        let home = Path::new("/home/alice");
        let cases = [
            (json!("/home/alice/models/sd"), json!("~/models/sd")),
            (json!("/home/alicia/sd"), json!("/home/alicia/sd")),
            (json!("models/sd"), json!("models/sd")),
            (json!(7), json!(7)),
        ];
        for (typed, kept) in cases {
            assert_eq!(homely(typed, Some(home)), kept);
        }
    }
}
