//! What can be asked of a pipeline, and how it runs.

use std::collections::BTreeMap;

use edrun_modalities::image::Picture;
use edrun_onnx::{GraphCache, GraphOptions, ProviderChoice};

use crate::sampling::Latent;
use crate::sampling::steps::Custom;

/// How a pipeline loads and runs its graphs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Execution providers in order of preference; empty for the processor.
    pub providers: Vec<ProviderChoice>,
    /// Threads of graph execution; one for each core when not given.
    pub threads: Option<usize>,
    /// Where optimised graphs are kept between starts, if anywhere.
    pub cache: Option<GraphCache>,
    /// Keeps every component in memory between asks.
    pub keep_loaded: bool,
    /// Pictures that share one run of the denoiser; 0 counts as 1.
    pub batch: usize,
}

impl Settings {
    pub(super) fn graphs(&self) -> GraphOptions {
        let default = GraphOptions::default();
        let providers = if self.providers.is_empty() { default.providers } else { self.providers.clone() };
        GraphOptions { providers, threads: self.threads, cache: self.cache.clone() }
    }
}

/// A wish for pictures. What is `None` comes from the model folder.
#[derive(Clone, Debug)]
pub struct ImageAsk {
    /// What the picture shows.
    pub prompt: String,
    /// What it should not show; the empty prompt when not given.
    pub negative_prompt: Option<String>,
    /// Pixels; a multiple of 8.
    pub width: Option<usize>,
    /// Pixels; a multiple of 8.
    pub height: Option<usize>,
    /// Sampling steps, at least 1.
    pub steps: Option<usize>,
    /// Guidance scale; 1 and below are no guidance.
    pub guidance_scale: Option<f64>,
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
    /// Seed of the first picture; the next ones follow.
    pub seed: u64,
    /// Seed of a second noise that is mixed in, and its share from 0 to 1. With several pictures,
    /// this seed advances instead of the first.
    pub variation: Option<(u64, f64)>,
    /// Number of pictures.
    pub count: usize,
    /// Unit noise to start from instead of a draw: `[channels, height, width]` in latent size, or
    /// with a leading axis of one per picture.
    pub init_latents: Option<Latent>,
    /// A picture to start from; resized to the picture's size.
    pub init_image: Option<Picture>,
    /// How much of the run is left to the picture given, above 0 and up to 1, where 1 keeps nothing of it;
    /// 0.8 when not given, 1 with a mask.
    pub strength: Option<f64>,
    /// Where the picture given is made anew (white) and where it is kept (black); resized to the picture's size.
    pub mask: Option<Picture>,
}

impl Default for ImageAsk {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            width: None,
            height: None,
            steps: None,
            guidance_scale: None,
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
            init_image: None,
            strength: None,
            mask: None,
        }
    }
}
