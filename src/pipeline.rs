//! From an ask to media: the only place where all rooms meet.
//!
//! Components live one after another. The text encoder is gone before the denoiser is loaded, and
//! the denoiser before the decoder, unless [`Settings::keep_loaded`] says otherwise: a run needs the
//! memory of its largest component, not of their sum.

mod ask;
mod events;
mod fit;
mod given;
mod plan;
mod preview;
mod prompts;
mod run;
mod shown;
pub mod text;

use std::path::Path;

use anyhow::{Context, Result};
use edrun_modalities::prompt::TextEncoder;
use edrun_onnx::{Cancel, Folder, Graph, Loaded};

use crate::media::{Decode, Modality};
use crate::recipe::Recipe;

pub use ask::{Ask, Preview, PreviewBy, Settings};
pub use events::{Made, Outcome, Progress, Tell, Times};
pub use fit::{FITS, Fit};
pub use plan::Plan;

/// A model folder, ready to be asked.
pub struct Pipeline {
    folder: Folder,
    recipe: Recipe,
    settings: Settings,
    text_encoder: Option<TextEncoder>,
    denoiser: Option<Graph>,
    decoder: Option<Box<dyn Decode>>,
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
        Ok(Self { folder, recipe, settings, text_encoder: None, denoiser: None, decoder: None })
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

    /// Tells what is worth knowing of graphs that were just loaded.
    fn tell_news(&self, tell: &mut Tell<'_>) -> Result<()> {
        self.settings.ledger.news().iter().try_for_each(|note| tell(Progress::Note(note)))
    }

    /// Checks an ask and fills in what it leaves open, without loading anything.
    ///
    /// # Errors
    /// For anything that cannot be honoured, naming it.
    pub fn plan(&self, ask: &Ask) -> Result<Plan> {
        let family = self.recipe.family;
        for component in family.others.iter().chain([&family.denoiser]) {
            self.folder.graph(component)?;
        }
        Plan::new(&self.recipe, ask)
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
