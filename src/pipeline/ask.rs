//! What can be asked of a pipeline, and how it runs.

use std::collections::BTreeMap;

use anyhow::Result;
use edrun_onnx::{Folder, GraphCache, GraphOptions, Ledger, Providers, Trace};

use super::frames::FramesGiven;
#[cfg(feature = "audio")]
use crate::media::SpeechWanted;
use crate::media::{Mask, Media, Picture, Wanted};
use crate::sampling::Latent;
use crate::sampling::steps::Custom;

/// How a pipeline loads and runs its graphs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What runs each component.
    pub providers: Providers,
    /// Whether a provider that cannot serve is left out instead of an error.
    pub fallback: bool,
    /// Threads of graph execution; one for each core when not given.
    pub threads: Option<usize>,
    /// Where optimised graphs are kept between starts, if anywhere.
    pub cache: Option<GraphCache>,
    /// Keeps every component in memory between asks.
    pub keep_loaded: bool,
    /// Requests that share one run of the denoiser; 0 counts as 1.
    pub batch: usize,
    /// Looks at results while they are sampled, if wanted.
    pub preview: Option<Preview>,
    /// Where it is written down what became of each component.
    pub ledger: Ledger,
    /// Where it is noted how long everything took; off by default.
    pub trace: Trace,
    /// Hands long results over part by part, as they are decoded; see [`Progress::Part`](super::Progress::Part).
    pub parts: bool,
}

/// How a run is looked at while it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preview {
    /// Steps from one look to the next; 0 counts as 1.
    pub every: usize,
    /// What turns the clean estimate into media.
    pub by: PreviewBy,
}

/// What turns a clean estimate into media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PreviewBy {
    /// The decoder itself: faithful, and as slow as decoding a result.
    #[default]
    Decoder,
    /// A linear map, fitted to the decoder when the run starts: coarse, and quick.
    Linear,
}

impl Settings {
    pub(super) fn graphs(&self) -> GraphOptions {
        GraphOptions {
            providers: self.providers.clone(),
            fallback: self.fallback,
            threads: self.threads,
            cache: self.cache.clone(),
            expected: Vec::new(),
            ledger: self.ledger.clone(),
            trace: self.trace.clone(),
        }
    }

    /// Checks that the components that providers were chosen for are in the folder.
    pub(super) fn check_components(&self, folder: &Folder) -> Result<()> {
        Ok(self.providers.check_components(&folder.components())?)
    }
}

/// A wish. What is `None` comes from the model folder.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What the result shows, sounds like or says.
    pub prompt: String,
    /// What the result shows, for models that are told by a picture and not by words.
    pub shown: Option<Picture>,
    /// What it should not show; the empty prompt when not given.
    pub negative_prompt: Option<String>,
    /// How large it is.
    pub size: Wanted,
    /// Sampling steps, at least 1.
    pub steps: Option<usize>,
    /// Guidance scale; 1 and below are no guidance.
    pub guidance_scale: Option<f64>,
    /// Guidance scale of the second denoiser, of models that have one; the first one's when not given.
    pub guidance_scale_2: Option<f64>,
    /// Share of the rescaled prediction, 0 to 1 (Lin et al. 2023).
    pub guidance_rescale: f64,
    /// Name of a sampling method.
    pub sampler: Option<String>,
    /// Name of a step list.
    pub schedule: Option<String>,
    /// The user's own step list; wins over `schedule` and fixes the number of steps.
    pub steps_list: Option<Custom>,
    /// Share of fresh noise a step, for methods that have it.
    pub eta: Option<f64>,
    /// Values for the method's own knobs, by name (see `edrun samplers`).
    pub sampler_options: BTreeMap<String, f64>,
    /// Name of a random number generator.
    pub rng: String,
    /// Seed of the first result; the next ones follow.
    pub seed: u64,
    /// Seed of a second noise that is mixed in, and its share from 0 to 1. With several results,
    /// this seed advances instead of the first.
    pub variation: Option<(u64, f64)>,
    /// Number of results.
    pub count: usize,
    /// Unit noise to start from instead of a draw: the shape of a latent, or with a leading axis of
    /// one per result.
    pub init_latents: Option<Latent>,
    /// What to start from; brought to the result's size.
    pub init: Option<Media>,
    /// How much of the run is left to what is given, above 0 and up to 1, where 1 keeps nothing of it;
    /// 0.8 when not given, 1 with a mask.
    pub strength: Option<f64>,
    /// What of it is made anew.
    pub mask: Option<Mask>,
    /// Frames that are given of a clip.
    pub frames: FramesGiven,
    /// Whose voice says the prompt and how, for models that speak.
    #[cfg(feature = "audio")]
    pub speech: SpeechWanted,
    /// How far the times of a model that speaks are moved: below 1 towards the noise, 1 not at all.
    #[cfg(feature = "audio")]
    pub t_shift: Option<f64>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            shown: None,
            negative_prompt: None,
            size: Wanted::default(),
            steps: None,
            guidance_scale: None,
            guidance_scale_2: None,
            guidance_rescale: 0.0,
            sampler: None,
            schedule: None,
            steps_list: None,
            eta: None,
            sampler_options: BTreeMap::new(),
            rng: "torch".into(),
            seed: 0,
            variation: None,
            count: 1,
            init_latents: None,
            init: None,
            strength: None,
            mask: None,
            frames: FramesGiven::default(),
            #[cfg(feature = "audio")]
            speech: SpeechWanted::default(),
            #[cfg(feature = "audio")]
            t_shift: None,
        }
    }
}
