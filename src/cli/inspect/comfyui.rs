//! The graph of nodes that ComfyUI writes as `prompt`. Settings are found by following links from the node that samples;
//! nodes of extensions count where their inputs have the usual names.

use std::collections::HashSet;

use edrun_modalities::info::Text;
use serde_json::{Map, Value as Json};

use super::Origin;

/// Inputs that hold a number, and the flag that sets the same.
const NUMBERS: &[(&str, &str)] = &[
    ("seed", "seed"),
    ("noise_seed", "seed"),
    ("steps", "steps"),
    ("cfg", "guidance_scale"),
    ("width", "width"),
    ("height", "height"),
    ("denoise", "strength"),
];

/// Inputs that name a model file.
const MODELS: [&str; 3] = ["ckpt_name", "unet_name", "model_name"];

/// Inputs that lead to the words of one branch.
const WORDS: [(&str, &str); 3] = [("positive", "prompt"), ("conditioning", "prompt"), ("negative", "negative_prompt")];

type Nodes = Map<String, Json>;

pub(super) fn read(texts: &[Text]) -> Option<Origin> {
    let text = texts.iter().find(|t| t.key == "prompt" && t.text.trim_start().starts_with('{'))?;
    let nodes: Nodes = serde_json::from_str(&text.text).ok()?;
    let sampler = nodes.keys().find(|id| class(&nodes, id).is_some_and(samples))?.clone();
    let mut origin = Origin::picture("ComfyUI");
    let mut walk = Walk { nodes: &nodes, seen: HashSet::new(), origin: &mut origin };
    walk.node(&sampler);
    let several = nodes.keys().filter(|id| class(&nodes, id).is_some_and(samples)).count();
    if several > 1 {
        origin.notes.push(format!("its graph samples {several} times; these are the settings of node {sampler}"));
    }
    // Its full strength is what a picture from nothing has.
    if origin.flags.get("strength").and_then(Json::as_f64) == Some(1.0) {
        origin.flags.remove("strength");
    }
    origin.notes.push("made by another program: the same settings, but hardly the same bytes".into());
    Some(origin)
}

fn class<'a>(nodes: &'a Nodes, id: &str) -> Option<&'a str> {
    nodes.get(id)?.get("class_type")?.as_str()
}

/// Whether nodes of a class sample: they are the ones that end in a latent and are named so.
fn samples(class: &str) -> bool {
    (class.contains("KSampler") && class != "KSamplerSelect") || class.starts_with("SamplerCustom")
}

struct Walk<'a> {
    nodes: &'a Nodes,
    seen: HashSet<String>,
    origin: &'a mut Origin,
}

impl Walk<'_> {
    /// Takes a node's own settings, then those of the nodes it is fed by.
    fn node(&mut self, id: &str) {
        if !self.seen.insert(id.to_owned()) {
            return;
        }
        let inputs = self.nodes.get(id).and_then(|node| node.get("inputs")?.as_object());
        let Some(inputs) = inputs else { return };
        for (name, value) in inputs.iter().filter(|(_, value)| !value.is_array()) {
            self.setting(name, value);
        }
        for (name, value) in inputs {
            let Some(source) = link(value) else { continue };
            match WORDS.iter().find(|(input, _)| input == name) {
                Some((_, flag)) => self.words(source, flag, &mut HashSet::new()),
                None => self.node(source),
            }
        }
    }

    fn setting(&mut self, name: &str, value: &Json) {
        let text = value.as_str().unwrap_or_default();
        match NUMBERS.iter().find(|(input, _)| *input == name) {
            Some((_, flag)) if value.is_number() => self.origin.flag(flag, value.clone()),
            _ if MODELS.contains(&name) => self.model(text),
            _ if name == "sampler_name" && !self.sampler(text) => {
                self.origin.notes.push(format!("edrun has no sampler {text:?}"));
            }
            _ if name == "scheduler" && !self.origin.schedule(text) => {
                self.origin.notes.push(format!("edrun has no step list {text:?}"));
            }
            _ if name == "lora_name" => self.origin.notes.push(format!("without a flag for it: {name} {text}")),
            _ => {}
        }
    }

    /// `dpmpp_2m_sde_gpu` differs from `dpmpp_2m_sde` in where its noise is drawn.
    fn sampler(&mut self, name: &str) -> bool {
        let plain = name.trim_end_matches("_gpu");
        if plain != name {
            self.origin.flag("rng", "philox");
        }
        self.origin.sampler(plain)
    }

    fn model(&mut self, file: &str) {
        let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
        self.origin.flag("model", name.rsplit_once('.').map_or(name, |(stem, _)| stem));
    }

    /// The words behind a link to conditioning, through whatever nodes it passes.
    fn words(&mut self, id: &str, flag: &str, seen: &mut HashSet<String>) {
        let inputs = self.nodes.get(id).and_then(|node| node.get("inputs")?.as_object());
        let Some(inputs) = inputs.filter(|_| seen.insert(id.to_owned())) else { return };
        for (name, value) in inputs {
            match (name.as_str(), link(value), value.as_str()) {
                ("text" | "text_g" | "string" | "value", _, Some(text)) => self.origin.flag(flag, text),
                ("clip" | "model" | "vae", Some(source), _) => self.node(source),
                // A node in between may carry both branches through.
                (input, Some(source), _) => {
                    let other = if flag == "prompt" { "negative" } else { "positive" };
                    if input != other {
                        self.words(source, flag, seen);
                    }
                }
                _ => {}
            }
        }
    }
}

/// A link is the source's id and the number of its output.
fn link(value: &Json) -> Option<&str> {
    match value.as_array()?.as_slice() {
        [Json::String(id), Json::Number(_)] => Some(id),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(graph: &Json) -> Origin {
        read(&[Text { key: "prompt".into(), text: graph.to_string() }]).unwrap()
    }

    #[test]
    fn the_usual_graph_is_followed() {
        let origin = of(&json!({
            "3": {"class_type": "KSampler", "inputs": {"seed": 156680208700286_u64, "steps": 20, "cfg": 8,
                "sampler_name": "dpmpp_2m_sde_gpu", "scheduler": "karras", "denoise": 1,
                "model": ["10", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}},
            "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15/v1-5-pruned.safetensors"}},
            "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 768, "batch_size": 1}},
            "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red cube", "clip": ["4", 1]}},
            "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
            "10": {"class_type": "LoraLoader", "inputs": {"lora_name": "x.safetensors", "model": ["4", 0]}},
        }));
        let want = json!({
            "seed": 156680208700286_u64, "steps": 20, "guidance_scale": 8, "sampler": "dpmpp-2m-sde", "schedule": "karras",
            "rng": "philox", "prompt": "a red cube", "negative_prompt": "watermark", "width": 512, "height": 768,
            "model": "v1-5-pruned",
        });
        assert_eq!(Json::Object(origin.flags), want);
        assert!(origin.notes.iter().any(|note| note.contains("x.safetensors")), "{:?}", origin.notes);
    }

    #[test]
    fn the_split_graph_is_followed() {
        let origin = of(&json!({
            "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"noise": ["2", 0], "guider": ["3", 0],
                "sampler": ["4", 0], "sigmas": ["5", 0], "latent_image": ["6", 0]}},
            "2": {"class_type": "RandomNoise", "inputs": {"noise_seed": 9}},
            "3": {"class_type": "CFGGuider", "inputs": {"cfg": 3.5, "model": ["8", 0], "positive": ["7", 0], "negative": ["7", 1]}},
            "4": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler_ancestral"}},
            "5": {"class_type": "BasicScheduler", "inputs": {"scheduler": "sgm_uniform", "steps": 12, "denoise": 0.5}},
            "6": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 32}},
            "7": {"class_type": "ControlNetApplyAdvanced", "inputs": {"positive": ["11", 0], "negative": ["12", 0]}},
            "8": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux.safetensors"}},
            "11": {"class_type": "CLIPTextEncode", "inputs": {"text": ["13", 0]}},
            "12": {"class_type": "CLIPTextEncode", "inputs": {"text": "bad"}},
            "13": {"class_type": "PrimitiveString", "inputs": {"value": "a cat"}},
        }));
        let want = json!({
            "seed": 9, "guidance_scale": 3.5, "sampler": "euler-a", "schedule": "sgm-uniform", "steps": 12, "strength": 0.5,
            "width": 64, "height": 32, "prompt": "a cat", "negative_prompt": "bad", "model": "flux",
        });
        assert_eq!(Json::Object(origin.flags), want);
    }

    #[test]
    fn graphs_that_go_in_circles_end() {
        let origin = of(&json!({
            "1": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "positive": ["2", 0], "seed": "no number"}},
            "2": {"class_type": "X", "inputs": {"a": ["2", 0], "b": ["1", 0]}},
        }));
        assert!(origin.flags.is_empty());
        assert!(read(&[Text { key: "prompt".into(), text: "{}".into() }]).is_none());
    }
}
