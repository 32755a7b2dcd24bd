//! Arguments of a pipeline's call as texts of their own, or as one JSON object: what scripts around diffusers' pipelines
//! put into files. The pipelines themselves write nothing.

use edrun_modalities::info::Text;
use serde_json::{Map, Value as Json};

use super::Origin;

/// Where a whole object may stand.
const OBJECTS: [&str; 5] = ["parameters", "metadata", "Comment", "comment", "ImageDescription"];

/// Arguments of the pipelines, and the flags that set the same.
const NAMES: &[(&str, &str)] = &[
    ("prompt", "prompt"),
    ("negative_prompt", "negative_prompt"),
    ("num_inference_steps", "steps"),
    ("steps", "steps"),
    ("guidance_scale", "guidance_scale"),
    ("cfg_scale", "guidance_scale"),
    ("guidance_rescale", "guidance_rescale"),
    ("seed", "seed"),
    ("width", "width"),
    ("height", "height"),
    ("strength", "strength"),
    ("eta", "eta"),
    ("clip_skip", "clip_skip"),
    ("timesteps", "timesteps"),
    ("sigmas", "sigmas"),
    ("model", "model"),
    ("model_id", "model"),
];

/// Names that hold a sampler.
const SAMPLERS: [&str; 3] = ["scheduler", "sampler", "scheduler_class"];

pub(super) fn read(texts: &[Text]) -> Option<Origin> {
    let object =
        |t: &Text| serde_json::from_str::<Map<String, Json>>(&t.text).ok().filter(|o| o.contains_key("prompt"));
    let whole = texts.iter().filter(|t| OBJECTS.contains(&t.key.as_str())).find_map(object);
    let loose = || texts.iter().map(|t| (t.key.clone(), Json::String(t.text.clone()))).collect();
    let given: Map<String, Json> = whole.unwrap_or_else(loose);
    // ComfyUI's prompt is a graph.
    let prompt = given.get("prompt")?.as_str()?;
    if prompt.trim_start().starts_with('{') {
        return None;
    }
    let by = given.get("Software").and_then(Json::as_str).unwrap_or("a program that does not say its name");
    let mut origin = Origin::picture(by);
    given.iter().for_each(|(key, value)| origin.argument(key, value));
    origin.notes.push("made by another program: the same settings, but perhaps not the same bytes".into());
    Some(origin)
}

impl Origin {
    fn argument(&mut self, key: &str, value: &Json) {
        let flag = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, flag)| *flag);
        match (flag, value) {
            (Some(flag @ ("prompt" | "negative_prompt" | "model")), Json::String(text)) => {
                self.flag(flag, text.as_str())
            }
            (Some(flag), Json::String(text)) => self.number(flag, text),
            (Some(flag), value) => self.flag(flag, value.clone()),
            (None, Json::String(name)) if SAMPLERS.contains(&key) => {
                if !self.sampler(name) {
                    self.notes.push(format!("edrun has no sampler {name:?}"));
                }
            }
            (None, _) if key == "Software" => {}
            (None, value) => {
                let shown: String = value.to_string().chars().take(80).collect();
                self.notes.push(format!("without a flag for it: {key} {shown}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(key: &str, text: &str) -> Text {
        Text { key: key.into(), text: text.into() }
    }

    #[test]
    fn arguments_are_read_one_by_one_or_together() {
        let want = json!({
            "prompt": "a cube", "steps": 30, "guidance_scale": 7.5, "seed": 3, "sampler": "dpmpp-2m", "model": "org/sd",
        });
        let loose = [
            text("Software", "diffusers 0.39"),
            text("prompt", "a cube"),
            text("num_inference_steps", "30"),
            text("guidance_scale", "7.5"),
            text("seed", "3"),
            text("scheduler", "DPMSolverMultistepScheduler"),
            text("model_id", "org/sd"),
        ];
        let origin = read(&loose).unwrap();
        assert_eq!((origin.by.as_str(), &Json::Object(origin.flags)), ("diffusers 0.39", &want));
        let whole = json!({
            "prompt": "a cube", "num_inference_steps": 30, "guidance_scale": 7.5, "seed": 3, "model": "org/sd",
            "scheduler": "DPMSolverMultistepScheduler", "sparkle": [1],
        });
        let origin = read(&[text("metadata", &whole.to_string())]).unwrap();
        assert_eq!(Json::Object(origin.flags), want);
        assert!(origin.notes.iter().any(|note| note.contains("sparkle")), "{:?}", origin.notes);
    }

    #[test]
    fn what_has_no_prompt_says_nothing() {
        assert!(read(&[text("Software", "gimp")]).is_none());
        assert!(read(&[text("prompt", "{\"3\": {}}")]).is_none());
    }
}
