//! The front door: a model folder is opened, asks go in, media come out.
//!
//! [`Pipeline`] holds a model of any modality with its progress callback and its switch, and fails with a typed
//! [`Error`]. What it is made of, for those who need more than it offers, is [`pipeline`].
//!
//! ```
//! # #[cfg(all(feature = "models", feature = "image"))]
//! # fn main() -> Result<(), edrun::Error> {
//! use edrun::{Ask, Pipeline};
//!
//! edrun::silence_telemetry();
//! let mut emoji = Pipeline::built_in("emoji-fast")?;
//! let ask = Ask { prompt: "red apple".into(), seed: 7, ..Ask::default() };
//! let picture = emoji.image(&ask)?;
//! assert_eq!((picture.width, picture.height), (64, 64));
//! # Ok(())
//! # }
//! # #[cfg(not(all(feature = "models", feature = "image")))]
//! # fn main() {}
//! ```

mod error;
mod event;
mod json;
mod switch;

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
#[cfg(feature = "models")]
use edrun_onnx::BuiltIn;
use edrun_onnx::runtime::{self, Wanted};
use edrun_onnx::{Cancel, Folder, provider};

#[cfg(feature = "text")]
use crate::pipeline::text::{Text, TextAsk, TextPipeline, TextProgress};
use crate::pipeline::{self, Ask, Made, Outcome, Settings};
#[cfg(feature = "text")]
use crate::recipe::Family;

pub use error::{Error, ErrorKind};
pub use event::Event;
pub use json::{Content, Generated, Output, settings_from_json};
pub use switch::Switch;

/// The result of what a [`Pipeline`] does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A model, opened: a folder that makes pictures, sound, meshes, clips or text.
///
/// Graphs are loaded at the first ask that needs them and stay loaded until the pipeline is dropped, unless its
/// [`Settings`] say otherwise. A pipeline serves one ask at a time and may move between threads; a [`Switch`] stops it
/// from any of them.
pub struct Pipeline {
    model: Model,
    switch: Switch,
    watch: Option<Box<Watch>>,
}

/// Who is told how a run goes on.
type Watch = dyn FnMut(&Event<'_>) -> ControlFlow<()> + Send;

/// What came of an ask for texts.
#[cfg(feature = "text")]
#[derive(Debug, Default)]
pub struct TextOutcome {
    /// Texts that were finished, in order.
    pub texts: Vec<Text>,
    /// Texts that failed alone: index and reason.
    pub failures: Vec<(usize, anyhow::Error)>,
}

/// The two kinds of folders.
enum Model {
    /// Latents become media.
    Media(Box<pipeline::Pipeline>),
    /// Masks become words.
    #[cfg(feature = "text")]
    Text(Box<TextPipeline>),
}

impl Pipeline {
    /// Opens a model folder as `optimum-cli export onnx` and its like write them, on the processor, with every
    /// component kept in memory between asks. Reads its configuration and loads the ONNX Runtime library.
    ///
    /// # Errors
    /// `Model` for a folder that is missing or that this build does not run; `Runtime` without a usable library.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(folder, Settings { keep_loaded: true, ..Settings::default() })
    }

    /// As [`open`](Self::open), with providers, threads, batches, a cache of optimised graphs and previews as wanted.
    ///
    /// # Errors
    /// As for [`open`](Self::open); `Runtime` also for a provider that is named and cannot serve.
    pub fn open_with(folder: impl AsRef<Path>, settings: Settings) -> Result<Self> {
        let model = Model::open(folder.as_ref(), &settings).map_err(|cause| Error::new(ErrorKind::Model, cause))?;
        start(&settings).map_err(|cause| Error::new(ErrorKind::Runtime, cause.into()))?;
        Ok(Self { model, switch: Switch::default(), watch: None })
    }

    /// Opens a model that is built into the crate, by its name: see [`edrun_onnx::BUILT_IN`].
    ///
    /// # Errors
    /// `Model` for an unknown name, `Io` where its files cannot be written to the cache, and as for [`open`](Self::open).
    #[cfg(feature = "models")]
    pub fn built_in(name: &str) -> Result<Self> {
        let known = || edrun_onnx::BUILT_IN.iter().map(|model| model.name).collect::<Vec<_>>().join(", ");
        let model =
            BuiltIn::find(name).with_context(|| format!("no built-in model is called {name}: there are {}", known()));
        let folder = model.and_then(|model| Ok(model.folder()?));
        Self::open(folder.map_err(|cause| Error::new(ErrorKind::Model, cause))?)
    }

    /// The command that would make what it makes: `image`, `audio`, `3d`, `video` or `text`.
    pub fn modality(&self) -> &'static str {
        match &self.model {
            Model::Media(media) => media.modality().command(),
            #[cfg(feature = "text")]
            Model::Text(_) => "text",
        }
    }

    /// Tells `watch` how every later run goes on; [`ControlFlow::Break`] stops it as a [`Switch`] does.
    pub fn on_progress(&mut self, watch: impl FnMut(&Event<'_>) -> ControlFlow<()> + Send + 'static) -> &mut Self {
        self.watch = Some(Box::new(watch));
        self
    }

    /// A switch that stops this pipeline from any thread.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }

    /// Makes every result that is asked for, of whatever the model makes.
    ///
    /// # Errors
    /// `Ask` for what cannot be honoured, `Cancelled`, and whatever ends the whole run. A result that fails alone is
    /// listed in the [`Outcome`].
    pub fn make(&mut self, ask: &Ask) -> Result<Outcome> {
        let media = self.model.media().map_err(|cause| Error::exactly(ErrorKind::Ask, cause))?;
        media.plan(ask).map_err(|cause| Error::new(ErrorKind::Ask, cause))?;
        let (cancel, watch) = (self.switch.ready(), &mut self.watch);
        let made = media.make(ask, &cancel, &mut |progress| tell(watch, &cancel, Event::of(&progress)));
        self.ended(made)
    }

    /// Makes one picture.
    ///
    /// # Errors
    /// As for [`make`](Self::make), and `Ask` for a model that makes something else, or several pictures.
    #[cfg(feature = "image")]
    pub fn image(&mut self, ask: &Ask) -> Result<edrun_modalities::image::Picture> {
        use crate::media::{Media, Modality};
        let made = self.one(ask, Modality::Image)?;
        if let Media::Picture(picture) = made.media { Ok(picture) } else { Err(nothing()) }
    }

    /// Makes one sound.
    ///
    /// # Errors
    /// As for [`make`](Self::make), and `Ask` for a model that makes something else, or several sounds.
    #[cfg(feature = "audio")]
    pub fn audio(&mut self, ask: &Ask) -> Result<edrun_modalities::audio::Waveform> {
        use crate::media::{Media, Modality};
        let made = self.one(ask, Modality::Sound)?;
        if let Media::Sound(sound) = made.media { Ok(sound) } else { Err(nothing()) }
    }

    /// Makes one mesh.
    ///
    /// # Errors
    /// As for [`make`](Self::make), and `Ask` for a model that makes something else, or several meshes.
    #[cfg(feature = "mesh")]
    pub fn mesh(&mut self, ask: &Ask) -> Result<edrun_modalities::mesh::Mesh> {
        use crate::media::{Media, Modality};
        let made = self.one(ask, Modality::Mesh)?;
        if let Media::Mesh(mesh) = made.media { Ok(mesh) } else { Err(nothing()) }
    }

    /// Makes one clip, whose frames may be made only when they are shown.
    ///
    /// # Errors
    /// As for [`make`](Self::make), and `Ask` for a model that makes something else, or several clips.
    #[cfg(feature = "video")]
    pub fn video(&mut self, ask: &Ask) -> Result<edrun_modalities::video::Clip> {
        use crate::media::{Media, Modality};
        let made = self.one(ask, Modality::Clip)?;
        if let Media::Clip(clip) = made.media { Ok(clip) } else { Err(nothing()) }
    }

    /// Writes one text.
    ///
    /// # Errors
    /// As for [`texts`](Self::texts), and `Ask` for several.
    #[cfg(feature = "text")]
    pub fn text(&mut self, ask: &TextAsk) -> Result<Text> {
        alone(ask.count)?;
        let TextOutcome { mut texts, failures } = self.texts(ask)?;
        failures.into_iter().next().map_or(Ok(()), |(_, cause)| Err(Error::new(ErrorKind::Run, cause)))?;
        texts.pop().ok_or_else(nothing)
    }

    /// Writes every text that is asked for.
    ///
    /// # Errors
    /// `Ask` for what cannot be honoured or a model that makes something else, `Cancelled`, and whatever ends the whole run.
    /// A text that fails alone is listed in the [`TextOutcome`].
    #[cfg(feature = "text")]
    pub fn texts(&mut self, ask: &TextAsk) -> Result<TextOutcome> {
        let text = self.model.text().map_err(|cause| Error::exactly(ErrorKind::Ask, cause))?;
        let open = text.plan(ask).map_err(|cause| Error::new(ErrorKind::Ask, cause))?.document.open();
        let (cancel, watch) = (self.switch.ready(), &mut self.watch);
        let (mut texts, mut failures) = (Vec::new(), Vec::new());
        let ran = text.text(ask, &cancel, &mut |progress| match progress {
            TextProgress::Text(text) => {
                texts.push(text);
                Ok(())
            }
            TextProgress::Failed { index, error } => {
                failures.push((index, error));
                Ok(())
            }
            other => tell(watch, &cancel, Event::of_text(&other, open)),
        });
        self.ended(ran)?;
        texts.sort_by_key(|text: &Text| text.index);
        Ok(TextOutcome { texts, failures })
    }

    /// The one result of an ask, of the kind that is wanted.
    fn one(&mut self, ask: &Ask, wanted: crate::media::Modality) -> Result<Made> {
        if self.modality() != wanted.command() {
            let text = anyhow!("this model is for `{}`, but a {} was asked for", self.modality(), wanted.noun());
            return Err(Error::exactly(ErrorKind::Ask, text));
        }
        alone(ask.count)?;
        let Outcome { mut made, failures, .. } = self.make(ask)?;
        failures.into_iter().next().map_or(Ok(()), |(_, cause)| Err(Error::new(ErrorKind::Run, cause)))?;
        made.pop().ok_or_else(nothing)
    }

    /// What a run came to, and the switch back in its place.
    fn ended<T>(&self, ran: anyhow::Result<T>) -> Result<T> {
        let stopped = self.switch.take();
        ran.map_err(|cause| match stopped {
            true => Error::exactly(ErrorKind::Cancelled, cause),
            false => Error::new(ErrorKind::Run, cause),
        })
    }
}

impl Model {
    /// A pipeline's folder has an index, or files that tell it; a language model's is one model.
    fn open(folder: &Path, settings: &Settings) -> anyhow::Result<Self> {
        #[cfg(feature = "text")]
        {
            let files = Folder::open(folder)?;
            if files.json("model_index.json")?.is_none() && Family::of_files(&files).is_none() {
                return Ok(Self::Text(Box::new(TextPipeline::open(folder, settings.clone())?)));
            }
        }
        Ok(Self::Media(Box::new(pipeline::Pipeline::open(folder, settings.clone())?)))
    }

    fn media(&mut self) -> anyhow::Result<&mut pipeline::Pipeline> {
        match self {
            Self::Media(media) => Ok(media),
            #[cfg(feature = "text")]
            Self::Text(_) => bail!("this model writes text; ask it for text"),
        }
    }

    #[cfg(feature = "text")]
    fn text(&mut self) -> anyhow::Result<&mut TextPipeline> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Media(media) => bail!("this model makes a {}, not text", media.modality().noun()),
        }
    }
}

/// Loads the library that suits the providers, unless one is loaded, and asks it for them.
fn start(settings: &Settings) -> edrun_onnx::Result<()> {
    let library = runtime::init(&Wanted { providers: settings.providers.names(), ..Wanted::default() })?;
    if settings.fallback { Ok(()) } else { provider::check(library, &settings.providers) }
}

/// Passes on what a run tells, and stops it where someone wants that.
fn tell(watch: &mut Option<Box<Watch>>, cancel: &Cancel, event: Option<Event<'_>>) -> anyhow::Result<()> {
    if let (Some(watch), Some(event)) = (watch, event)
        && watch(&event).is_break()
    {
        cancel.cancel();
    }
    if cancel.is_cancelled() { bail!("stopped on request") } else { Ok(()) }
}

fn alone(count: usize) -> Result<()> {
    match count {
        1 => Ok(()),
        count => Err(Error::exactly(ErrorKind::Ask, anyhow!("this gives one result, but the ask is for {count}"))),
    }
}

fn nothing() -> Error {
    Error::exactly(ErrorKind::Run, anyhow!("the run came to its end without a result"))
}
