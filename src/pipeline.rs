//! From an ask to media: the only place where all rooms meet.
//!
//! Components live one after another. The text encoder is gone before the denoiser is loaded, and
//! the denoiser before the decoder, unless [`Settings::keep_loaded`] says otherwise: a run needs the
//! memory of its largest component, not of their sum.

mod ask;
mod events;
mod fit;
mod frames;
mod given;
mod memory;
mod pieces;
mod plan;
mod preview;
mod prompts;
mod run;
#[cfg(feature = "image")]
mod shown;
#[cfg(feature = "audio")]
mod speech;
#[cfg(feature = "text")]
pub mod text;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use edrun_modalities::prompt::TextEncoder;
#[cfg(feature = "audio")]
use edrun_modalities::speech::Reader;
use edrun_onnx::{Cancel, Dim, Folder, Graph, Loaded, Outline};

use crate::media::{Decode, Modality};
use crate::network;
use crate::recipe::Recipe;

pub use ask::{Ask, Preview, PreviewBy, Settings};
pub use events::{Made, Outcome, Progress, Tell, Times};
pub use fit::{FITS, Fit};
pub use frames::FramesGiven;
pub use memory::{Memory, Part};
use pieces::Pieces;
pub use plan::Plan;

/// A model folder, ready to be asked.
pub struct Pipeline {
    folder: Folder,
    recipe: Recipe,
    settings: Settings,
    text_encoder: Option<TextEncoder>,
    /// What reads the lines of a model that speaks.
    #[cfg(feature = "audio")]
    reader: Option<Box<dyn Reader>>,
    pieces: Pieces,
    /// By their places, where they were kept.
    denoisers: BTreeMap<usize, Graph>,
    decoder: Option<Box<dyn Decode>>,
    /// The axes of the denoiser's states behind rows and channels, as its graph declares them; none where it cannot be read.
    sizes: OnceLock<Vec<Dim>>,
}

impl Pipeline {
    /// Opens a model folder. Reads its configuration; loads no graph yet.
    ///
    /// # Errors
    /// When the folder is missing or is no pipeline that edrun knows.
    pub fn open(folder: &Path, settings: Settings) -> Result<Self> {
        let folder = Folder::open(folder)?;
        settings.check_components(&folder)?;
        let recipe =
            Recipe::read(&folder).with_context(|| format!("the model {} cannot be used", folder.path().display()))?;
        let sizes = OnceLock::new();
        Ok(Self {
            folder,
            recipe,
            settings,
            text_encoder: None,
            #[cfg(feature = "audio")]
            reader: None,
            pieces: Pieces::default(),
            denoisers: BTreeMap::new(),
            decoder: None,
            sizes,
        })
    }

    /// The model folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it makes.
    pub fn modality(&self) -> Modality {
        self.recipe.medium.modality()
    }

    /// What the folder says of itself.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Which providers run the components that were loaded so far.
    pub fn loaded(&self) -> Vec<Loaded> {
        self.settings.ledger.loaded()
    }

    /// Has `tell` told now and then, from another thread, of a graph that takes long to load.
    pub fn listen(&self, tell: impl Fn(&str) + Send + Sync + 'static) {
        self.settings.ledger.listen(tell);
    }

    /// Tells what is worth knowing of graphs that were just loaded.
    fn tell_news(&self, tell: &mut Tell<'_>) -> Result<()> {
        self.settings.ledger.news().iter().try_for_each(|note| tell(Progress::Note(note)))
    }

    /// Checks an ask and fills in what it leaves open, without loading anything.
    ///
    /// # Errors
    /// For anything that cannot be honoured, naming it.
    pub fn plan(&self, ask: &Ask) -> Result<Plan> {
        for component in self.recipe.others().chain(self.recipe.denoisers()) {
            self.check_graph(component)?;
        }
        if self.modality().command() == "audio" && ask.init.is_some() {
            self.folder.graph("vae_encoder").context("this model cannot start from something given")?;
        }
        let plan = Plan::new(&self.recipe, ask)?;
        self.check_size(&plan)?;
        Ok(plan)
    }

    /// Graphs that lie side by side are not exported one by one.
    fn check_graph(&self, component: &str) -> Result<()> {
        let family = self.recipe.family;
        if family.classes.is_empty() && !self.folder.has(component) {
            bail!(
                "{} has no graph {component}.onnx, which {} needs; download the model again",
                self.folder.path().display(),
                family.name
            );
        }
        self.folder.graph(component)?;
        Ok(())
    }

    /// Refuses a size that a graph of fixed shapes does not take, which it would say only when it runs.
    fn check_size(&self, plan: &Plan) -> Result<()> {
        let own = self.sizes.get_or_init(|| self.sizes().unwrap_or_default());
        let seen = self.seen_at_once(&plan.latent_shape);
        let wanted = seen.get(1..).unwrap_or_default();
        let differs = |(own, wanted): (&Dim, &usize)| matches!(own, Dim::Fixed(own) if own != wanted);
        if own.len() != wanted.len() || !own.iter().zip(wanted).any(differs) {
            return Ok(());
        }
        let own: Vec<_> = own.iter().map(ToString::to_string).collect();
        bail!(
            "{} is no size of this model: its {} takes latents of {} only; leave out {}",
            plan.extent,
            self.recipe.family.denoiser,
            own.join("x"),
            self.modality().size_flags()
        )
    }

    fn sizes(&self) -> Result<Vec<Dim>> {
        let outline = Outline::read(&self.folder.graph(self.recipe.family.denoiser)?)?;
        let states = outline.inputs.iter().find(|port| network::SAMPLE.contains(&port.name.as_str()));
        Ok(states.and_then(|port| port.shape.get(2..)).unwrap_or_default().to_vec())
    }

    /// Makes the results of one ask and returns them.
    ///
    /// # Errors
    /// When the ask cannot be honoured, a component fails, or the run is cancelled. A result that
    /// fails alone is listed in the outcome.
    pub fn make(&mut self, ask: &Ask, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Outcome> {
        self.plan(ask)?;
        let mut outcome = Outcome::default();
        outcome.times = self.run(std::slice::from_ref(ask), cancel, &mut |progress| match progress {
            Progress::Made(made) => {
                tell(Progress::Kept(&made))?;
                outcome.made.push(*made);
                Ok(())
            }
            Progress::Failed { index, error, .. } => {
                outcome.failures.push((index, error));
                Ok(())
            }
            other => tell(other),
        })?;
        outcome.made.sort_by_key(|made| made.index);
        Ok(outcome)
    }
}
