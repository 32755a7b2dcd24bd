//! From an ask to media: the only place where all rooms meet.
//!
//! Components live one after another. The text encoder is gone before the denoiser is loaded, and
//! the denoiser before the decoder, unless [`Settings::keep_loaded`] says otherwise: a run needs the
//! memory of its largest component, not of their sum.

mod ask;
mod plan;
mod prompts;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use edrun_modalities::image::{Decoder, Picture};
use edrun_modalities::prompt::TextEncoder;
use edrun_onnx::{Cancel, Folder, Graph};

use crate::engine::{Engine, Event, Job};
use crate::network::Network;
use crate::recipe::Recipe;
use crate::sampling::guidance::ClassifierFree;
use crate::sampling::{Branch, Latent, Noise, RequestId};

pub use ask::{ImageAsk, Settings};
pub use plan::Plan;

/// A model folder, ready to be asked.
pub struct Pipeline {
    folder: Folder,
    recipe: Recipe,
    settings: Settings,
    text_encoder: Option<TextEncoder>,
    denoiser: Option<Graph>,
    decoder: Option<Decoder>,
}

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum Progress<'a> {
    /// A stage begins.
    Stage(&'static str),
    /// Part of a prompt was cut off because the text encoder reads no further.
    Cut {
        /// The text that has no effect.
        text: &'a str,
    },
    /// A picture's sampling went on.
    Step {
        /// Which picture, from 0.
        index: usize,
        /// Steps done.
        done: usize,
        /// Steps in all.
        total: usize,
    },
    /// A picture is ready.
    Image(&'a Image),
    /// Something worth knowing that did not stop the run.
    Note(&'a str),
}

/// Receives progress. An error stops the run.
pub type Tell<'t> = dyn FnMut(Progress<'_>) -> Result<()> + 't;

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Image {
    /// Which of the ask's pictures, from 0.
    pub index: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// The picture.
    pub picture: Picture,
    /// Its latents before decoding, `[channels, height, width]`.
    pub latents: Latent,
}

/// What came of an ask.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Pictures that were finished, in order.
    pub images: Vec<Image>,
    /// Pictures that failed alone: index and reason.
    pub failures: Vec<(usize, anyhow::Error)>,
    /// Where the time went.
    pub times: Times,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Times {
    /// Loading graphs.
    pub load: Duration,
    /// Encoding prompts.
    pub encode: Duration,
    /// The denoising loop, graph included.
    pub sample: Duration,
    /// The denoiser's graph alone.
    pub graph: Duration,
    /// Runs of the denoiser's graph.
    pub graph_runs: usize,
    /// Decoding latents.
    pub decode: Duration,
}

type Guided = ClassifierFree<Network>;

impl Pipeline {
    /// Opens a model folder. Reads its configuration; loads no graph yet.
    ///
    /// # Errors
    /// When the folder is missing or is no pipeline that edrun knows.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self> {
        let folder = Folder::open(folder)?;
        let recipe =
            Recipe::read(&folder).with_context(|| format!("the model {} cannot be used", folder.path().display()))?;
        Ok(Self { folder, recipe, settings, text_encoder: None, denoiser: None, decoder: None })
    }

    /// What the folder says of itself.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Checks an ask and fills in what it leaves open, without loading anything.
    ///
    /// # Errors
    /// For anything that cannot be honoured, naming it.
    pub fn plan(&self, ask: &ImageAsk) -> Result<Plan> {
        for component in ["text_encoder", "unet", "vae_decoder"] {
            self.folder.graph(component)?;
        }
        Plan::new(&self.recipe, ask)
    }

    /// Makes pictures.
    ///
    /// # Errors
    /// When the ask cannot be honoured, a component fails, or the run is cancelled. A picture that
    /// fails alone is listed in the outcome.
    pub fn image(&mut self, ask: &ImageAsk, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Outcome> {
        let plan = self.plan(ask)?;
        let mut outcome = Outcome::default();
        let conditions = self.encode(ask, &plan, cancel, tell, &mut outcome.times)?;
        let latents = self.sample(ask, &plan, &conditions, cancel, tell, &mut outcome)?;
        self.decode(&plan, latents, cancel, tell, &mut outcome)?;
        outcome.images.sort_by_key(|image| image.index);
        Ok(outcome)
    }

    fn sample(
        &mut self,
        ask: &ImageAsk,
        plan: &Plan,
        conditions: &prompts::Conditions,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        outcome: &mut Outcome,
    ) -> Result<Vec<(usize, Latent)>> {
        tell(Progress::Stage("loading the denoiser"))?;
        let start = Instant::now();
        let graph = self.denoiser(cancel)?;
        if let Some(note) = graph.cache_note() {
            tell(Progress::Note(note))?;
        }
        let network = Network::new(graph, self.recipe.prediction, cancel.clone())?;
        if network.takes_guidance() == self.recipe.classifier_free() {
            bail!(
                "the key time_cond_proj_dim of unet/config.json does not agree with the inputs of the unet graph; export the model again"
            );
        }
        outcome.times.load += start.elapsed();
        tell(Progress::Stage("sampling"))?;
        let start = Instant::now();
        let mut engine = Engine::new(ClassifierFree::new(network, self.recipe.prediction));
        let latents = self.run(&mut engine, ask, plan, conditions, tell, outcome);
        let network = engine.into_denoiser().into_inner();
        (outcome.times.graph, outcome.times.graph_runs) = network.graph_time();
        outcome.times.sample = start.elapsed();
        self.denoiser = self.settings.keep_loaded.then(|| network.into_graph());
        latents
    }

    /// Runs the ask's pictures through the engine, at most a batch at a time.
    fn run(
        &self,
        engine: &mut Engine<Guided>,
        ask: &ImageAsk,
        plan: &Plan,
        conditions: &prompts::Conditions,
        tell: &mut Tell<'_>,
        outcome: &mut Outcome,
    ) -> Result<Vec<(usize, Latent)>> {
        let mut waiting = 0..plan.count;
        let mut latents = Vec::new();
        loop {
            while engine.running() < plan.batch
                && let Some(index) = waiting.next()
            {
                admit(engine, ask, plan, conditions, index)?;
            }
            if engine.running() == 0 {
                return Ok(latents);
            }
            let mut told = Ok(());
            engine.turn(|event| match event {
                Event::Step { request, done, .. } if told.is_ok() => {
                    told = tell(Progress::Step { index: request.0 as usize, done, total: plan.steps });
                }
                Event::Step { .. } => {}
                Event::Ended { request, latent: Ok(latent) } => latents.push((request.0 as usize, latent)),
                Event::Ended { request, latent: Err(error) } => {
                    outcome.failures.push((request.0 as usize, error.context("the unet failed")));
                }
            })?;
            told?;
        }
    }

    fn decode(
        &mut self,
        plan: &Plan,
        latents: Vec<(usize, Latent)>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        outcome: &mut Outcome,
    ) -> Result<()> {
        if latents.is_empty() {
            return Ok(());
        }
        tell(Progress::Stage("decoding"))?;
        let start = Instant::now();
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => Decoder::open_cancellable(&self.folder, &self.settings.graphs(), cancel)?,
        };
        outcome.times.load += start.elapsed();
        for (index, latents) in latents {
            let start = Instant::now();
            let picture = decoder.decode(latents.view(), &self.recipe.codec, cancel);
            outcome.times.decode += start.elapsed();
            match picture {
                Ok(picture) => {
                    let image = Image { index, seed: plan.seed(index), picture, latents };
                    tell(Progress::Image(&image))?;
                    outcome.images.push(image);
                }
                Err(error) if cancel.is_cancelled() => return Err(error),
                Err(error) => outcome.failures.push((index, error)),
            }
        }
        self.decoder = self.settings.keep_loaded.then_some(decoder);
        Ok(())
    }

    fn denoiser(&mut self, cancel: &Cancel) -> Result<Graph> {
        match self.denoiser.take() {
            Some(graph) => Ok(graph),
            None => Ok(Graph::load_cancellable(&self.folder.graph("unet")?, &self.settings.graphs(), cancel)?),
        }
    }
}

/// Hands one picture to the engine: its noise, its method, its conditioning.
fn admit(
    engine: &mut Engine<Guided>,
    ask: &ImageAsk,
    plan: &Plan,
    conditions: &prompts::Conditions,
    index: usize,
) -> Result<()> {
    let request = RequestId(index as u64);
    let sampler = plan.sampler()?;
    let mut noise = Noise::start(&ask.rng, plan.seed(index))?;
    let mut x = match plan.init_latents(index) {
        Some(latents) => latents,
        None => noise.normal(&plan.latent_shape),
    };
    x.mapv_inplace(|v| v * sampler.start_scale as f32);
    let guided = engine.denoiser_mut();
    guided.guide(request, plan.guidance);
    let network = guided.inner_mut();
    network.condition(request, Branch::Positive, Arc::clone(&conditions.positive));
    if let Some(negative) = &conditions.negative {
        network.condition(request, Branch::Negative, Arc::clone(negative));
    }
    engine.admit(Job { request, x, solver: sampler.solver, noise });
    Ok(())
}
