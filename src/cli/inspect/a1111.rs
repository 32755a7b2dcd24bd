//! The text that AUTOMATIC1111's web interface writes, and many programs after it: the prompt, the negative prompt, and a
//! last line of settings.

use edrun_modalities::info::Text;

use super::Origin;

/// Samplers for which the web interface has a step list of its own where none is chosen (webui's `sd_samplers_kdiffusion`).
const AUTOMATIC: &[(&str, &str)] = &[
    ("dpmpp-2m", "karras"),
    ("dpmpp-sde", "karras"),
    ("dpmpp-2m-sde", "exponential"),
    ("dpmpp-2m-sde-heun", "exponential"),
    ("dpmpp-2s-a", "karras"),
    ("dpmpp-3m-sde", "exponential"),
    ("dpm2", "karras"),
    ("dpm2-a", "karras"),
    ("restart", "karras"),
];

/// Settings that other settings repeat or that change no picture.
const IDLE: [&str; 5] = ["Model hash", "VAE hash", "VAE", "Hashes", "Version"];

pub(super) fn read(texts: &[Text]) -> Option<Origin> {
    let text = texts.iter().find(|t| t.key == "parameters").map(|t| t.text.trim())?;
    // Some programs write JSON under the same name.
    if text.is_empty() || text.starts_with('{') {
        return None;
    }
    let (words, settings) = match text.rfind("\nSteps: ").or(text.starts_with("Steps: ").then_some(0)) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let (prompt, negative) = match words.rfind("\nNegative prompt:").or(words.starts_with("Negative").then_some(0)) {
        Some(at) => (words.get(..at)?, words.get(at..)?.trim_start().strip_prefix("Negative prompt:")),
        None => (words, None),
    };
    let settings = pairs(settings);
    let mut origin = Origin::picture(program(&settings));
    origin.flag("prompt", prompt.trim());
    if let Some(negative) = negative {
        origin.flag("negative_prompt", negative.trim());
    }
    settings.iter().for_each(|(key, value)| origin.setting(key, value));
    origin.finish(&settings);
    Some(origin)
}

fn find<'a>(settings: &'a [(String, String)], name: &str) -> Option<&'a str> {
    settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn program(settings: &[(String, String)]) -> String {
    match find(settings, "Version") {
        Some(version) if version.starts_with("edrun") => version.to_owned(),
        Some(version) => format!("a program of AUTOMATIC1111's kind, version {version}"),
        None => "a program of AUTOMATIC1111's kind".into(),
    }
}

/// `Key: value, Key: "quoted, value"` as pairs.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = line.trim();
    while let Some((key, after)) = rest.split_once(':') {
        let after = after.trim_start();
        let mut quoted = serde_json::Deserializer::from_str(after).into_iter::<String>();
        let (value, end) = match (after.starts_with('"'), quoted.next()) {
            (true, Some(Ok(value))) => (value, quoted.byte_offset()),
            _ => {
                let end = after.find(',').unwrap_or(after.len());
                (after.get(..end).unwrap_or_default().trim().to_owned(), end)
            }
        };
        pairs.push((key.trim().to_owned(), value));
        rest = after.get(end..).unwrap_or_default().trim_start_matches([',', ' ', '\n']);
    }
    pairs
}

impl Origin {
    fn setting(&mut self, key: &str, value: &str) {
        match key {
            "Steps" => self.number("steps", value),
            "CFG scale" => self.number("guidance_scale", value),
            "Seed" => self.number("seed", value),
            "Variation seed" => self.number("variation_seed", value),
            "Variation seed strength" => self.number("variation_strength", value),
            "Denoising strength" => self.number("strength", value),
            "Eta" => self.number("eta", value),
            "Clip skip" => self.number("clip_skip", value),
            "Model" => self.flag("model", value),
            "Size" => self.size(value),
            "Sampler" => self.named_sampler(value),
            "Schedule type" if value == "Automatic" => {}
            "Schedule type" if value == "Uniform" => drop(self.schedule("normal")),
            "Schedule type" if !self.schedule(value) => self.notes.push(format!("edrun has no step list {value:?}")),
            "Schedule type" | "RNG" => {}
            _ if IDLE.contains(&key) => {}
            _ => self.notes.push(format!("without a flag for it: {key} {value}")),
        }
    }

    fn size(&mut self, value: &str) {
        if let Some((width, height)) = value.split_once('x') {
            self.number("width", width);
            self.number("height", height);
        }
    }

    /// Older versions append the step list to the sampler: `DPM++ 2M Karras`.
    fn named_sampler(&mut self, name: &str) {
        let known = match name.rsplit_once(' ') {
            _ if self.sampler(name) => true,
            Some((sampler, list)) => self.sampler(sampler) && self.schedule(list),
            None => false,
        };
        if !known {
            self.notes.push(format!("edrun has no sampler {name:?}"));
        }
    }

    fn finish(&mut self, settings: &[(String, String)]) {
        if find(settings, "Version").is_some_and(|version| version.starts_with("edrun")) {
            return;
        }
        let sampler = self.flags.get("sampler").and_then(|name| name.as_str()).unwrap_or_default();
        if let Some((_, list)) = AUTOMATIC.iter().find(|(name, _)| *name == sampler) {
            self.flag("schedule", *list);
        }
        // The web interface draws its noise on the GPU unless told otherwise.
        let rng =
            if find(settings, "RNG").is_some_and(|rng| rng.eq_ignore_ascii_case("cpu")) { "torch" } else { "philox" };
        self.flag("rng", rng);
        self.notes.push("made by another program: the same settings, but hardly the same bytes".into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    fn read_text(text: &str) -> Origin {
        read(&[Text { key: "parameters".into(), text: text.into() }]).unwrap()
    }

    #[test]
    fn settings_become_flags() {
        let origin = read_text(
            "a (red:1.2) cube,\nSteps: to heaven\nNegative prompt: blurry,\nbad\nSteps: 20, Sampler: DPM++ 2M SDE, \
             Schedule type: Karras, CFG scale: 7.5, Seed: 1234567890123, Size: 512x768, Model hash: abc, \
             Model: v1-5, Variation seed: 3, Variation seed strength: 0.25, Clip skip: 2, Lora hashes: \"a: 1, b: 2\", \
             RNG: CPU, Version: v1.10.1",
        );
        let want = json!({
            "prompt": "a (red:1.2) cube,\nSteps: to heaven", "negative_prompt": "blurry,\nbad", "steps": 20,
            "sampler": "dpmpp-2m-sde", "schedule": "karras", "guidance_scale": 7.5, "seed": 1234567890123_u64, "width": 512,
            "height": 768, "model": "v1-5", "variation_seed": 3, "variation_strength": 0.25, "clip_skip": 2, "rng": "torch",
        });
        assert_eq!(Json::Object(origin.flags), want);
        assert!(origin.by.contains("v1.10.1"));
        assert!(origin.notes.iter().any(|note| note.contains("Lora hashes a: 1, b: 2")), "{:?}", origin.notes);
    }

    #[test]
    fn step_lists_are_found_where_versions_put_them() {
        let cases = [
            ("Sampler: DPM++ 2M Karras", "dpmpp-2m", Some("karras")),
            ("Sampler: DPM++ 2M, Schedule type: Automatic", "dpmpp-2m", Some("karras")),
            ("Sampler: DPM++ 3M SDE", "dpmpp-3m-sde", Some("exponential")),
            ("Sampler: Euler a", "euler-a", None),
            ("Sampler: Euler, Schedule type: SGM Uniform", "euler", Some("sgm-uniform")),
            ("Sampler: DPM2 a, Schedule type: Uniform", "dpm2-a", Some("normal")),
            ("Sampler: UniPC", "unipc", None),
            ("Sampler: PLMS", "pndm", None),
        ];
        for (text, sampler, schedule) in cases {
            let origin = read_text(&format!("x\nSteps: 1, {text}"));
            assert_eq!(origin.flags["sampler"], sampler, "{text}");
            assert_eq!(origin.flags.get("schedule").and_then(Json::as_str), schedule, "{text}");
            assert_eq!(origin.flags["rng"], "philox");
        }
        assert!(read_text("x\nSteps: 1, Sampler: DPM adaptive").notes[0].contains("DPM adaptive"));
    }

    #[test]
    fn words_alone_are_a_prompt() {
        assert_eq!(read_text("just words").flags["prompt"], "just words");
        let origin = read_text("Negative prompt: bad\nSteps: 4");
        assert_eq!((&origin.flags["prompt"], &origin.flags["negative_prompt"]), (&json!(""), &json!("bad")));
        assert!(read(&[Text { key: "parameters".into(), text: "{\"prompt\": 1}".into() }]).is_none());
    }
}
