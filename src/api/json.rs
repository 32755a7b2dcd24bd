//! Asks of any modality as JSON, for callers in other languages; their keys are the flags of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use edrun_modalities::Info;
use edrun_onnx::runtime::{self, Wanted};
use edrun_onnx::{GraphCache, Providers};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::{Error, ErrorKind, Model, Pipeline};
use crate::media::{self, Mask, Media, Writing};
#[cfg(feature = "text")]
use crate::pipeline::text::{Prompt, Text, TextAsk};
use crate::pipeline::{Ask, Made, Plan, Settings};
use crate::sampling::steps::Custom;

/// One result of [`Pipeline::generate`].
#[derive(Debug)]
pub struct Output {
    /// Which of the ask's results, from 0.
    pub index: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// The result.
    pub content: Content,
    /// How it was made.
    info: Info,
    writing: Writing,
}

/// A result of any modality.
#[derive(Debug)]
#[non_exhaustive]
pub enum Content {
    /// A picture, a sound, a mesh.
    Media(Media),
    /// A text.
    #[cfg(feature = "text")]
    Text(Text),
}

/// What came of an ask.
#[derive(Debug, Default)]
pub struct Generated {
    /// Results that were finished, in order.
    pub outputs: Vec<Output>,
    /// Results that failed alone: index and reason.
    pub failures: Vec<(usize, String)>,
}

impl Output {
    /// Writes it in the format that the ending of `path` names, with how it was made in it; whole or not at all.
    ///
    /// # Errors
    /// `Ask` when the ending names no format of it, `Io` when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        match &self.content {
            Content::Media(media) => {
                let known = media.modality().check_extension(path);
                known.map_err(|cause| Error::exactly(ErrorKind::Ask, cause))?;
                media.save(path, None, &self.info, self.writing)
            }
            #[cfg(feature = "text")]
            Content::Text(text) => edrun_modalities::files::write_whole(path, text.text.as_bytes()),
        }
        .map_err(|cause| Error::new(ErrorKind::Io, cause))
    }
}

impl Pipeline {
    /// Makes what a JSON object asks for: `{"prompt": "a red cube", "seed": 7, "steps": 20}`.
    ///
    /// Keys are the flags of the command that makes the same, with underscores: `negative_prompt`, `guidance_scale`,
    /// `sampler`, `count`; for pictures `width`, `height`, `init_image`, `mask`; for sound `duration`, `init_audio`,
    /// `voice`, `loudness`; for meshes `resolution`, `faces`; for clips `frames`, `fps`, `quality`; for text `length`, `infill`, `suffix`, `temperature`. Only `prompt` must be there (for text,
    /// `infill` instead of it will do), and the seed is 0 unless it is given.
    ///
    /// # Errors
    /// `Ask` for JSON that is none, a key that the model has no use for, or a value out of range; else as for
    /// [`make`](Self::make).
    pub fn generate(&mut self, json: &str) -> Result<Generated, Error> {
        let refused = |cause| Error::new(ErrorKind::Ask, cause);
        let keys = Keys::read(json).map_err(refused)?;
        match &self.model {
            Model::Media(media) => {
                let mut record = keys.all.clone();
                let (ask, writing) = keys.ask(media.modality()).map_err(refused)?;
                let plan = media.plan(&ask).map_err(refused)?;
                if let Some(limit) = ask.size.memory {
                    media.check_memory(&[&plan], limit).map_err(refused)?;
                }
                let outcome = self.make(&ask)?;
                let output = |made: Made| Output {
                    info: info(&mut record, &plan, &made),
                    index: made.index,
                    seed: made.seed,
                    content: Content::Media(made.media),
                    writing,
                };
                let outputs = outcome.made.into_iter().map(output).collect();
                Ok(Generated { outputs, failures: told(outcome.failures) })
            }
            #[cfg(feature = "text")]
            Model::Text(_) => {
                let outcome = self.texts(&keys.text_ask().map_err(refused)?)?;
                let output = |text: Text| Output {
                    index: text.index,
                    seed: text.seed,
                    content: Content::Text(text),
                    info: Info::default(),
                    writing: Writing::default(),
                };
                Ok(Generated {
                    outputs: outcome.texts.into_iter().map(output).collect(),
                    failures: told(outcome.failures),
                })
            }
        }
    }
}

fn told(failures: Vec<(usize, anyhow::Error)>) -> Vec<(usize, String)> {
    failures.into_iter().map(|(index, why)| (index, format!("{why:#}"))).collect()
}

/// What a file says of how it was made: the ask, and what was decided about what it left open.
fn info(keys: &mut Map<String, Json>, plan: &Plan, made: &Made) -> Info {
    let decided = [
        ("edrun", env!("CARGO_PKG_VERSION").into()),
        ("modality", made.media.modality().command().into()),
        ("steps", plan.steps.into()),
        ("guidance_scale", plan.guidance_scale.into()),
        ("sampler", plan.method.name.into()),
        ("seed", made.seed.into()),
    ];
    keys.remove("count");
    keys.extend(decided.into_iter().chain(made.extent.flags()).map(|(key, value)| (key.to_owned(), value)));
    Info { json: Json::Object(keys.clone()).to_string(), ..Info::default() }
}

/// [`Settings`] from a JSON object, and the library they name loaded.
///
/// Keys are flags: `ep` (a text such as `cuda:0,cpu`, or a list of them), `ep_fallback`, `threads`, `batch`, `cache_models`
/// (off unless it is true), `keep_loaded` (on unless it is false), `ort_lib` (a library's file) and `runtime` (its name in
/// `edrun runtime list`).
///
/// # Errors
/// `Ask` for an unknown key or a value that is none, `Runtime` for a provider or a library that is not known.
pub fn settings_from_json(json: &str) -> Result<Settings, Error> {
    let refused = |cause| Error::new(ErrorKind::Ask, cause);
    let mut keys = Keys::read(json).map_err(refused)?;
    let settings = keys.settings().map_err(refused)?;
    let wanted = keys.library(&settings).map_err(refused)?;
    keys.finish().map_err(refused)?;
    if wanted.library.is_some() || wanted.name.is_some() {
        runtime::init(&wanted).map_err(|cause| Error::new(ErrorKind::Runtime, cause.into()))?;
    }
    Ok(settings)
}

/// A JSON object whose keys are taken one by one, so that none is left unread.
struct Keys {
    all: Map<String, Json>,
    known: Vec<&'static str>,
}

impl Keys {
    fn read(json: &str) -> Result<Self> {
        let value = serde_json::from_str(json).context("the ask is no JSON")?;
        let Json::Object(all) = value else {
            bail!("the ask must be a JSON object, such as {{\"prompt\": \"a cat\"}}")
        };
        Ok(Self { all, known: Vec::new() })
    }

    /// The value of a key; `None` where it is not there, or null.
    fn take<T: DeserializeOwned>(&mut self, key: &'static str) -> Result<Option<T>> {
        self.known.push(key);
        match self.all.remove(key) {
            None | Some(Json::Null) => Ok(None),
            Some(value) => {
                let shown = value.to_string();
                serde_json::from_value(value).map(Some).with_context(|| format!("the key {key} of the ask is {shown}"))
            }
        }
    }

    /// Refuses what was not taken.
    fn finish(self) -> Result<()> {
        match self.all.keys().next() {
            Some(key) => {
                bail!("the ask has a key {key}, which means nothing here; known are {}", self.known.join(", "))
            }
            None => Ok(()),
        }
    }

    fn settings(&mut self) -> Result<Settings> {
        let ep = match self.take::<Json>("ep")? {
            None => Vec::new(),
            Some(Json::String(text)) => vec![text],
            Some(list) => {
                serde_json::from_value::<Vec<String>>(list).context("the key ep is a text or a list of texts")?
            }
        };
        Ok(Settings {
            providers: Providers::parse(&ep, &[])?,
            fallback: self.take("ep_fallback")?.unwrap_or(false),
            threads: self.take::<std::num::NonZeroUsize>("threads")?.map(Into::into),
            batch: self.take("batch")?.unwrap_or(1),
            cache: self.take::<bool>("cache_models")?.unwrap_or(false).then(GraphCache::default),
            keep_loaded: self.take("keep_loaded")?.unwrap_or(true),
            ..Settings::default()
        })
    }

    fn library(&mut self, settings: &Settings) -> Result<Wanted> {
        Ok(Wanted {
            library: self.take("ort_lib")?,
            name: self.take("runtime")?,
            providers: settings.providers.names(),
        })
    }

    /// An ask for media, and how it is to be saved.
    fn ask(mut self, modality: media::Modality) -> Result<(Ask, Writing)> {
        let usual = Ask::default();
        let (sigmas, timesteps) = (self.take("sigmas")?, self.take("timesteps")?);
        if sigmas.is_some() && timesteps.is_some() {
            bail!("sigmas and timesteps both list the steps; leave one of them out");
        }
        let variation = match (self.take("variation_seed")?, self.take("variation_strength")?) {
            (Some(seed), Some(share)) => Some((seed, share)),
            (None, None) => None,
            _ => bail!("variation_seed and variation_strength come together"),
        };
        let mut ask = Ask {
            prompt: self.prompt()?,
            negative_prompt: self.take("negative_prompt")?,
            steps: self.take("steps")?,
            guidance_scale: self.take("guidance_scale")?,
            guidance_rescale: self.take("guidance_rescale")?.unwrap_or(0.0),
            sampler: self.take("sampler")?,
            schedule: self.take("schedule")?,
            steps_list: sigmas.map(Custom::Sigmas).or(timesteps.map(Custom::Timesteps)),
            eta: self.take("eta")?,
            sampler_options: self.take("sampler_options")?.unwrap_or_default(),
            rng: self.take("rng")?.unwrap_or(usual.rng),
            seed: self.take("seed")?.unwrap_or(usual.seed),
            variation,
            count: self.take("count")?.unwrap_or(usual.count),
            ..Ask::default()
        };
        ask.size.memory = self.take("max_memory")?;
        self.own(&mut ask, modality)?;
        let writing = self.writing(modality)?;
        self.finish()?;
        Ok((ask, writing))
    }

    /// What is asked for in words; a mesh may be made of a picture instead.
    fn prompt(&mut self) -> Result<String> {
        let prompt = self.take("prompt")?;
        if prompt.is_none() && !self.all.contains_key("image") {
            bail!("the ask has no prompt");
        }
        Ok(prompt.unwrap_or_default())
    }

    /// The sound in the file that a key names.
    #[cfg(feature = "audio")]
    fn sound(&mut self, key: &'static str) -> Result<Option<media::Waveform>> {
        self.take::<std::path::PathBuf>(key)?.map(|path| media::Waveform::open(&path)).transpose()
    }

    /// The picture in the file that a key names.
    #[cfg(feature = "image")]
    fn picture(&mut self, key: &'static str) -> Result<Option<media::Picture>> {
        self.take::<std::path::PathBuf>(key)?.map(|path| media::Picture::open(&path)).transpose()
    }

    /// What only asks of one modality have.
    fn own(&mut self, ask: &mut Ask, modality: media::Modality) -> Result<()> {
        match modality {
            #[cfg(feature = "image")]
            media::Modality::Image => {
                ask.init = self.picture("init_image")?.map(Media::Picture);
                ask.mask = self.picture("mask")?.map(Mask::Picture);
                ask.strength = self.take("strength")?;
                (ask.size.width, ask.size.height) = (self.take("width")?, self.take("height")?);
            }
            #[cfg(feature = "audio")]
            media::Modality::Sound => {
                ask.size.seconds = self.take("duration")?;
                ask.init = self.sound("init_audio")?.map(Media::Sound);
                let spans = self.take::<String>("mask")?.map(|text| media::spans(&text));
                ask.mask = spans.transpose().context("the key mask")?.map(Mask::Spans);
                ask.strength = self.take("strength")?;
                ask.speech = media::SpeechWanted {
                    voice: self.take("voice")?,
                    voice_text: self.take("voice_text")?,
                    speed: self.take("speed")?,
                    language: self.take("language")?,
                };
                ask.t_shift = self.take("t_shift")?;
            }
            #[cfg(feature = "video")]
            media::Modality::Clip => {
                (ask.size.width, ask.size.height) = (self.take("width")?, self.take("height")?);
                let (timestep, noise) = (self.take("decode_timestep")?, self.take("decode_noise_scale")?);
                ask.size.clip = media::ClipWanted {
                    frames: self.take("frames")?,
                    fps: self.take("fps")?,
                    finish: media::FinishWanted { timestep, noise },
                };
                ask.frames.first = self.picture("first_frame")?;
                ask.frames.last = self.picture("last_frame")?;
                ask.guidance_scale_2 = self.take("guidance_scale_2")?;
            }
            #[cfg(feature = "mesh")]
            media::Modality::Mesh => {
                ask.size.mesh = media::MeshWanted {
                    resolution: self.take("resolution")?,
                    faces: self.take("faces")?,
                    sharp: self.take("sharp")?.unwrap_or(false),
                    min_part: self.take("min_part")?,
                };
                ask.shown = self.picture("image")?;
            }
        }
        Ok(())
    }

    /// How a file is to be written, beyond what its ending says.
    fn writing(&mut self, modality: media::Modality) -> Result<Writing> {
        match modality {
            #[cfg(feature = "image")]
            media::Modality::Image => self.take("bit_depth")?.map_or(Ok(Writing::default()), Writing::of_picture),
            #[cfg(feature = "audio")]
            media::Modality::Sound => {
                let bits = match self.take::<Json>("bit_depth")? {
                    None => "16".to_owned(),
                    Some(Json::String(name)) => name,
                    Some(number) => number.to_string(),
                };
                Writing::of_sound(&bits, self.take("loudness")?)
            }
            #[cfg(feature = "video")]
            media::Modality::Clip => Ok(Writing { quality: self.take("quality")?, ..Writing::default() }),
            #[cfg(feature = "mesh")]
            media::Modality::Mesh => Ok(Writing::default()),
        }
    }

    /// An ask for text.
    #[cfg(feature = "text")]
    fn text_ask(mut self) -> Result<TextAsk> {
        let usual = TextAsk::default();
        let prompt = match (self.take("prompt")?, self.take("infill")?, self.take::<String>("suffix")?) {
            (None, Some(text), None) => Prompt::Infill(text),
            (Some(prefix), None, suffix) => Prompt::Around { prefix, suffix: suffix.unwrap_or_default() },
            _ => bail!("the ask needs either a prompt, to which a suffix may come, or an infill"),
        };
        let ask = TextAsk {
            prompt,
            length: self.take("length")?,
            gap_tokens: self.take("gap_tokens")?.unwrap_or_default(),
            steps: self.take("steps")?,
            sampler: self.take("sampler")?,
            sampler_options: self.take::<BTreeMap<_, _>>("sampler_options")?.unwrap_or_default(),
            temperature: self.take("temperature")?,
            top_k: self.take("top_k")?,
            top_p: self.take("top_p")?,
            repetition_penalty: self.take("repetition_penalty")?,
            guidance_scale: self.take("guidance_scale")?,
            block_length: self.take("block_length")?,
            kv_cache: self.take("kv_cache")?,
            kv_refresh: self.take("kv_refresh")?,
            ignore_end: self.take("ignore_end")?.unwrap_or(false),
            rng: self.take("rng")?.unwrap_or(usual.rng),
            seed: self.take("seed")?.unwrap_or(usual.seed),
            count: self.take("count")?.unwrap_or(usual.count),
        };
        self.finish()?;
        Ok(ask)
    }
}
