//! Who can run a model folder, and what it says of it. One row for each kind of pipeline.

use anyhow::Result;
use edrun_modalities::image::Picture;
use edrun_modalities::speech::Speaker;
use edrun_onnx::Folder;

use crate::media::{Extent, Medium, Modality, Wanted};
use crate::pipeline::text::{Prompt, TextAsk, TextPipeline};
use crate::pipeline::{Ask, FramesGiven, Pipeline, Settings};
use crate::recipe::{Family, Recipe};

/// A kind of pipeline.
pub(super) struct Probe {
    /// Whether a folder is meant for it.
    pub(super) knows: fn(&Folder) -> bool,
    /// What it says of the folder; an error says why it cannot run it.
    pub(super) read: fn(&Folder) -> Result<Told>,
}

/// What a pipeline says of a folder that it can run.
pub(super) struct Told {
    /// Labels, and what they say.
    pub(super) facts: Vec<(&'static str, String)>,
    /// The subcommand that runs it.
    pub(super) command: &'static str,
    /// What becomes of the components.
    pub(super) uses: Uses,
}

/// Components that are used.
pub(super) enum Uses {
    All,
    /// These, and those that only some flags of the modality need.
    Only(Vec<&'static str>, Modality),
}

/// Every kind, the first that knows a folder counts.
pub(super) const PROBES: &[Probe] = &[
    Probe { knows: |folder| has(folder, "model_index.json") || Family::of_files(folder).is_some(), read: pipeline },
    Probe { knows: |folder| has(folder, "config.json"), read: text },
];

fn has(folder: &Folder, file: &str) -> bool {
    folder.subfolder(file).is_file()
}

impl Uses {
    /// What is to be said of a component beside those that every run needs.
    pub(super) fn beside(&self, component: &str) -> Option<String> {
        let Self::Only(used, modality) = self else { return None };
        if used.contains(&component) {
            return None;
        }
        let what = match (component, modality.start_flag()) {
            ("vae_encoder", Some(flag)) => format!("serves --{flag}"),
            ("image_encoder", _) => "sees the picture that a model goes on from".to_owned(),
            _ => "is not used".to_owned(),
        };
        Some(format!("{component} {what}"))
    }
}

fn pipeline(folder: &Folder) -> Result<Told> {
    let pipeline = Pipeline::open(folder.path(), Settings::default())?;
    let recipe = pipeline.recipe();
    if let Some(speaker) = recipe.medium.speaker() {
        return Ok(spoken(recipe, speaker));
    }
    let first = first_frame(&*recipe.medium)?;
    let command = if first.is_some() { "video --first-frame FILE" } else { pipeline.modality().command() };
    let plan = pipeline.plan(&Ask { frames: FramesGiven { first, last: None }, ..Ask::default() })?;
    let facts = vec![
        ("family", recipe.family.name.to_owned()),
        ("makes", recipe.medium.modality().plural().to_owned()),
        ("predicts", format!("{:?}", recipe.prediction).to_lowercase()),
        ("guided", recipe.guided.said().to_owned()),
        ("default", format!("{}, {} steps, guidance scale {}", plan.extent, plan.steps, plan.guidance_scale)),
    ];
    let memory = pipeline.memory(&[&plan]).map(|memory| ("memory", format!("about {} for that", memory.said())));
    let facts = facts.into_iter().chain(memory).collect();
    let used = recipe.others().chain(recipe.denoisers()).collect();
    Ok(Told { facts, command, uses: Uses::Only(used, pipeline.modality()) })
}

/// A model that speaks: what it makes has no size before it is told what to say.
fn spoken(recipe: &Recipe, speaker: &dyn Speaker) -> Told {
    let voices = match speaker.voices() {
        names if names.is_empty() => "of the sound that --voice names, whose words --voice-text tells".to_owned(),
        names => names.join(", "),
    };
    let facts = vec![
        ("family", recipe.family.name.to_owned()),
        ("makes", "speech".to_owned()),
        ("predicts", format!("{:?}", recipe.prediction).to_lowercase()),
        ("guided", recipe.guided.said().to_owned()),
        ("voices", voices),
        ("default", format!("{} steps, {} Hz", recipe.defaults.steps, speaker.sample_rate())),
    ];
    let used = recipe.others().chain(recipe.denoisers()).collect();
    Told { facts, command: recipe.medium.modality().command(), uses: Uses::Only(used, recipe.medium.modality()) }
}

/// What a model that goes on from a picture can be asked with: a picture of the size of its clips.
fn first_frame(medium: &dyn Medium) -> Result<Option<Picture>> {
    if medium.input_channels() == medium.channels() {
        return Ok(None);
    }
    match medium.measure(&Wanted::default(), None)?.0 {
        Extent::Clip(clip) => {
            let grey = vec![0.5; clip.width * clip.height * 3];
            Picture::new(clip.width, clip.height, grey).map(Some)
        }
        _ => Ok(None),
    }
}

fn text(folder: &Folder) -> Result<Told> {
    let pipeline = TextPipeline::open(folder.path(), Settings::default())?;
    let prompt = Prompt::Around { prefix: String::new(), suffix: String::new() };
    let plan = pipeline.plan(&TextAsk { prompt, ..TextAsk::default() })?;
    let facts = vec![
        ("family", pipeline.recipe().family.name.to_owned()),
        ("makes", "texts".to_owned()),
        ("default", format!("{} tokens by {}", plan.document.open(), plan.sampling.method.name)),
    ];
    Ok(Told { facts, command: "text", uses: Uses::All })
}
