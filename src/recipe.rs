//! What a model folder says of itself: family, schedule, prediction, sizes, defaults.
//!
//! Facts are data: nothing here is guessed from a model's name, and what a folder leaves out is
//! filled with the reference's own defaults.

mod habits;
mod scheduler;
#[cfg(feature = "text")]
mod text;
mod told;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
#[cfg(feature = "audio")]
use edrun_modalities::speech::{Supertonic, ZipVoice};
use edrun_onnx::Folder;
use serde::Deserialize;
use serde_json::Value as Json;

use crate::media::{self, Medium, Modality, whole};
use crate::sampling::Prediction;
use crate::sampling::config::{Source, Value};
use crate::sampling::solver::Method;

pub use habits::{FlowHabit, Guided, PromptHabit};
#[cfg(feature = "audio")]
use scheduler::rising_flow;
pub use scheduler::{corrected, source_from_json};
#[cfg(feature = "text")]
pub use text::{TEXT_FAMILIES, TextDefaults, TextFamily, TextPrediction, TextRecipe};
pub use told::Told;

/// A kind of pipeline: which graphs it has and how they are called.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// What users call it.
    pub name: &'static str,
    /// Values of `_class_name` in `model_index.json`.
    pub classes: &'static [&'static str],
    /// Whether a folder without such an index holds one, by its other files.
    pub found_by: fn(&Folder) -> bool,
    /// The component that denoises.
    pub denoiser: &'static str,
    /// Every other component that a run needs.
    pub others: &'static [&'static str],
    /// Steps when none are asked for.
    pub steps: usize,
    /// Guidance scale when none is asked for.
    pub guidance_scale: f64,
    /// Whether the reference pipeline corrects outdated scheduler files.
    pub corrects_scheduler: bool,
    /// Whether a late start spreads all steps over what is left of the run, as in the reference pipeline.
    pub keeps_steps: bool,
    /// How its prompts are read.
    pub prompt: PromptHabit,
    /// How the steps of its flow are spread.
    pub flow: FlowHabit,
    /// What its denoiser is told of a prompt.
    pub told: Told,
    /// How a guidance scale reaches its denoiser.
    pub guided: Guided,
    /// The scheduler's configuration, where its folders have none.
    pub scheduler: Option<fn() -> Source>,
    medium: fn(&Folder) -> Result<Arc<dyn Medium>>,
}

/// A family without habits of its own.
const BASE: Family = Family {
    name: "",
    classes: &[],
    found_by: |_| false,
    denoiser: "transformer",
    others: &["text_encoder", "vae_decoder"],
    steps: 25,
    guidance_scale: 3.0,
    corrects_scheduler: false,
    keeps_steps: false,
    prompt: PromptHabit::CLIP,
    flow: FlowHabit::OWN,
    told: Told::Words,
    guided: Guided::Twice,
    scheduler: None,
    medium: |_| bail!("a family must say what it makes"),
};

impl Family {
    /// Whether words say what to make; otherwise a picture does.
    pub fn reads(&self) -> bool {
        self.others.contains(&"text_encoder")
    }
}

/// Every family that runs.
pub const FAMILIES: &[Family] = &[
    #[cfg(feature = "image")]
    Family {
        name: "Stable Diffusion",
        classes: &[
            "StableDiffusionPipeline",
            "ORTStableDiffusionPipeline",
            "OnnxStableDiffusionPipeline",
            "StableDiffusionOnnxPipeline",
            "OVStableDiffusionPipeline",
        ],
        denoiser: "unet",
        steps: 50,
        guidance_scale: 7.5,
        corrects_scheduler: true,
        medium: media::image,
        ..BASE
    },
    #[cfg(feature = "image")]
    Family {
        name: "Latent Consistency Model",
        classes: &[
            "LatentConsistencyModelPipeline",
            "ORTLatentConsistencyModelPipeline",
            "OVLatentConsistencyModelPipeline",
        ],
        denoiser: "unet",
        steps: 4,
        guidance_scale: 8.5,
        keeps_steps: true,
        medium: media::image,
        ..BASE
    },
    #[cfg(feature = "mesh")]
    Family { name: "latent fields", classes: &["FieldDiffusionPipeline"], medium: media::mesh, ..BASE },
    #[cfg(feature = "audio")]
    Family { name: "edrun sound", classes: &["EdrunSoundPipeline"], medium: media::sound, ..BASE },
    #[cfg(feature = "video")]
    Family { name: "edrun clips", classes: &["EdrunVideoPipeline"], medium: media::clip, ..BASE },
    #[cfg(feature = "video")]
    Family {
        name: "Wan",
        classes: &["WanPipeline"],
        steps: 50,
        guidance_scale: 5.0,
        prompt: PromptHabit::WAN,
        medium: media::wan,
        ..BASE
    },
    #[cfg(feature = "video")]
    Family {
        name: "Wan from a picture",
        classes: &["WanImageToVideoPipeline"],
        others: &["text_encoder", "vae_encoder", "vae_decoder"],
        steps: 50,
        guidance_scale: 5.0,
        prompt: PromptHabit::WAN,
        medium: media::wan_from_frames,
        ..BASE
    },
    #[cfg(feature = "video")]
    Family {
        name: "LTX-Video",
        classes: &["LTXPipeline"],
        steps: 50,
        prompt: PromptHabit { tokens: Some(128), ..PromptHabit::CLIP },
        flow: FlowHabit { even: true, by_places: true },
        medium: media::ltx,
        ..BASE
    },
    #[cfg(feature = "video")]
    Family {
        name: "AnimateDiff",
        classes: &["AnimateDiffPipeline"],
        denoiser: "unet",
        steps: 50,
        guidance_scale: 7.5,
        medium: media::animatediff,
        ..BASE
    },
    #[cfg(feature = "audio")]
    Family {
        name: "Stable Audio",
        classes: &["StableAudioPipeline"],
        others: &["text_encoder", "projection_model", "vae_decoder"],
        steps: 100,
        guidance_scale: 7.0,
        prompt: PromptHabit::MASKED,
        told: Told::Seconds,
        medium: media::sound,
        ..BASE
    },
    #[cfg(feature = "audio")]
    Family {
        name: "AudioLDM",
        classes: &["AudioLDMPipeline"],
        denoiser: "unet",
        others: &["text_encoder", "vae_decoder", "vocoder"],
        steps: 10,
        guidance_scale: 2.5,
        prompt: PromptHabit::WHOLE,
        told: Told::Class,
        medium: media::mel,
        ..BASE
    },
    #[cfg(feature = "audio")]
    Family {
        name: "Supertonic",
        found_by: Supertonic::is_in,
        denoiser: "vector_estimator",
        others: &["duration_predictor", "text_encoder", "vocoder"],
        steps: 5,
        guidance_scale: 1.0,
        flow: FlowHabit::EVEN,
        told: Told::Speech,
        guided: Guided::Never,
        scheduler: Some(|| rising_flow(1.0)),
        medium: media::supertonic,
        ..BASE
    },
    #[cfg(feature = "audio")]
    Family {
        name: "ZipVoice",
        found_by: ZipVoice::is_in,
        denoiser: "fm_decoder",
        others: &["text_encoder", "vocoder"],
        steps: 16,
        guidance_scale: 1.0,
        flow: FlowHabit::EVEN,
        told: Told::Speech,
        guided: Guided::Scale,
        // Its authors' t_shift of 0.5.
        scheduler: Some(|| rising_flow(2.0)),
        medium: media::zipvoice,
        ..BASE
    },
    #[cfg(feature = "mesh")]
    Family {
        name: "Shap-E",
        classes: &["ShapEPipeline"],
        denoiser: "prior",
        others: &["text_encoder", "vae_decoder", "field"],
        guidance_scale: 4.0,
        medium: media::mesh,
        ..BASE
    },
    #[cfg(feature = "mesh")]
    Family {
        name: "Shap-E from pictures",
        classes: &["ShapEImg2ImgPipeline"],
        denoiser: "prior",
        others: &["image_encoder", "vae_decoder", "field"],
        guidance_scale: 4.0,
        medium: media::mesh,
        ..BASE
    },
];

/// What is done when nothing is asked for: the family's habit, unless the folder's `edrun.json` states better.
#[derive(Clone, Debug, PartialEq)]
pub struct Defaults {
    /// Sampling steps.
    pub steps: usize,
    /// Guidance scale.
    pub guidance_scale: f64,
    /// Name of a sampling method, where it is not the scheduler's own.
    pub sampler: Option<String>,
    /// Name of a step list, where it is not the scheduler's own.
    pub schedule: Option<String>,
}

/// What `edrun.json` may state.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    steps: Option<usize>,
    guidance_scale: Option<f64>,
    sampler: Option<String>,
    schedule: Option<String>,
    /// Sizes of clips, which their medium reads.
    clip: Option<Json>,
}

/// Everything that the folder fixes for a run.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The kind of pipeline.
    pub family: &'static Family,
    /// What is done when nothing is asked for.
    pub defaults: Defaults,
    /// `scheduler_config.json` as it stands.
    pub scheduler: Source,
    /// What the network predicts.
    pub prediction: Prediction,
    /// What it makes.
    pub medium: Arc<dyn Medium>,
    /// Groups of channels, each as many as a latent has, that the network gives beyond its prediction.
    pub extra_groups: usize,
    /// How a guidance scale reaches the network.
    pub guided: Guided,
    /// Networks that take over from the family's denoiser, one after another.
    pub experts: Vec<Expert>,
}

/// A network for the less noisy part of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expert {
    /// Its component.
    pub component: &'static str,
    /// It answers below this time.
    pub below: f64,
}

impl Recipe {
    /// Reads a folder's configuration files. Loads no graph.
    ///
    /// # Errors
    /// For missing or malformed files, unknown families and unknown scheduler keys, each by name.
    pub fn read(folder: &Folder) -> Result<Self> {
        let family = family(folder)?;
        let scheduler = family.scheduler.map_or_else(|| scheduler(folder), |own| Ok(own()))?;
        let prediction = Prediction::of(&scheduler)?;
        let config = format!("{}/config.json", family.denoiser);
        let (denoiser, medium) = (folder.json(&config)?, (family.medium)(folder)?);
        check_channels(denoiser.as_ref(), &config, prediction.input_len(medium.input_channels()))?;
        Ok(Self {
            family,
            defaults: Defaults::read(folder, family, medium.modality())?,
            prediction,
            extra_groups: extra_groups(denoiser.as_ref(), &config, medium.channels())?,
            medium,
            guided: whole(denoiser.as_ref(), &config, "time_cond_proj_dim")?.map_or(family.guided, Guided::Embedding),
            experts: experts(folder, &scheduler)?,
            scheduler,
        })
    }

    /// The configuration that a sampler sees: the file's, corrected where the reference corrects it.
    pub fn scheduler_for(&self, method: &Method) -> Source {
        if self.family.corrects_scheduler { corrected(&self.scheduler, method) } else { self.scheduler.clone() }
    }

    /// The components that denoise, the one for the noisiest levels first.
    pub fn denoisers(&self) -> impl Iterator<Item = &'static str> + use<> {
        [self.family.denoiser].into_iter().chain(self.experts.iter().map(|expert| expert.component).collect::<Vec<_>>())
    }

    /// Every component but the denoiser that a run needs.
    pub fn others(&self) -> impl Iterator<Item = &'static str> + use<'_> {
        self.family.others.iter().copied().filter(|component| !self.medium.does_without(component))
    }
}

impl Defaults {
    fn read(folder: &Folder, family: &Family, makes: Modality) -> Result<Self> {
        let own = folder.json("edrun.json")?.map(serde_json::from_value).transpose();
        let Stated { steps, guidance_scale, sampler, schedule, clip } = own
            .context("edrun.json is not understood; it may hold steps, guidance_scale, sampler, schedule and clip")?
            .unwrap_or_default();
        if clip.is_some() && makes.command() != "video" {
            bail!("edrun.json says what clips are like, but this model makes {}; take its key clip out", makes.plural())
        }
        Ok(Self {
            steps: steps.unwrap_or(family.steps),
            guidance_scale: guidance_scale.unwrap_or(family.guidance_scale),
            sampler,
            schedule,
        })
    }
}

impl Family {
    /// The family of a folder that has no `model_index.json`, by its other files.
    pub fn of_files(folder: &Folder) -> Option<&'static Self> {
        FAMILIES.iter().find(|family| (family.found_by)(folder))
    }
}

fn family(folder: &Folder) -> Result<&'static Family> {
    let Some(index) = folder.json("model_index.json")? else {
        if let Some(family) = Family::of_files(folder) {
            return Ok(family);
        }
        bail!(
            "{} has no model_index.json, so it is no pipeline folder; point --model at a folder written by \
             `optimum-cli export onnx`",
            folder.path().display()
        );
    };
    let class = index.get("_class_name").and_then(Json::as_str).unwrap_or_default();
    match FAMILIES.iter().find(|family| family.classes.contains(&class)) {
        Some(family) => Ok(family),
        None => {
            let known: Vec<_> = FAMILIES.iter().map(|f| f.name).collect();
            bail!(
                "model_index.json names the pipeline {class:?}, which edrun cannot run; it runs {}",
                known.join(" and ")
            )
        }
    }
}

/// Wan 2.2 names the share of the training times at which its second transformer takes over.
fn experts(folder: &Folder, scheduler: &Source) -> Result<Vec<Expert>> {
    let index = folder.json("model_index.json")?;
    let ratio = match index.as_ref().and_then(|index| index.get("boundary_ratio")) {
        None | Some(Json::Null) => return Ok(Vec::new()),
        Some(ratio) => ratio.as_f64().filter(|ratio| (0.0..=1.0).contains(ratio)),
    };
    let Some(ratio) = ratio else { bail!("the key boundary_ratio of model_index.json must be a number from 0 to 1") };
    let times = match scheduler.keys.get("num_train_timesteps") {
        Some(Value::Number(times)) => *times,
        _ => 1000.0,
    };
    Ok(vec![Expert { component: "transformer_2", below: ratio * times }])
}

/// The scheduler's file lies in its subfolder, or in the folder itself as older exports have it.
fn scheduler(folder: &Folder) -> Result<Source> {
    for place in ["scheduler/scheduler_config.json", "scheduler_config.json"] {
        if let Some(json) = folder.json(place)? {
            let source = source_from_json(&json).with_context(|| folder.subfolder(place).display().to_string())?;
            source.check_known()?;
            return Ok(source);
        }
    }
    bail!(
        "{} is missing, so the noise schedule is not known; copy it from the model that was exported",
        folder.subfolder("scheduler/scheduler_config.json").display()
    )
}

fn check_channels(denoiser: Option<&Json>, config: &str, latent: usize) -> Result<()> {
    match whole(denoiser, config, "in_channels")? {
        Some(channels) if channels != latent => bail!(
            "{config} has in_channels {channels}, but latents have {latent}; such a network (for inpainting or image \
             guidance) makes nothing from text alone"
        ),
        _ => Ok(()),
    }
}

/// A network that says more than its prediction has twice or three times the latent's channels as output.
fn extra_groups(denoiser: Option<&Json>, config: &str, latent: usize) -> Result<usize> {
    match whole(denoiser, config, "out_channels")? {
        None => Ok(0),
        Some(channels) if channels.is_multiple_of(latent) => Ok(channels / latent - 1),
        Some(channels) => bail!(
            "{config} has out_channels {channels}, but latents have {latent}; a network gives one number for each of \
             them, or that several times"
        ),
    }
}
