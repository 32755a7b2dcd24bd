//! What a model makes, as the pipeline sees it: how large it is, and how latents become it.
//!
//! A modality is one file here that implements [`Medium`], and a line of each of its families in
//! [`recipe`](crate::recipe).

#[cfg(feature = "audio")]
mod growing;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "audio")]
mod mel;
#[cfg(feature = "mesh")]
mod mesh;
#[cfg(feature = "image")]
mod projection;
#[cfg(feature = "audio")]
mod sound;
#[cfg(feature = "audio")]
mod span;
#[cfg(feature = "audio")]
mod speech;
#[cfg(feature = "video")]
mod video;
mod writing;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
#[cfg(feature = "audio")]
pub use edrun_modalities::audio::Waveform;
#[cfg(feature = "audio")]
use edrun_modalities::audio::{self as sounds, Shape, Spectrogram};
use edrun_modalities::files::check_place;
#[cfg(feature = "image")]
pub use edrun_modalities::image::Picture;
#[cfg(feature = "image")]
use edrun_modalities::image::check_extension;
#[cfg(feature = "mesh")]
use edrun_modalities::mesh::{self as meshes, Mesh, Turntable};
#[cfg(feature = "audio")]
use edrun_modalities::speech::Speaker;
#[cfg(feature = "audio")]
pub use edrun_modalities::speech::SpeechWanted;
#[cfg(feature = "video")]
use edrun_modalities::video::{self as clips, Clip, Sheet};
use edrun_modalities::{Info, Posterior};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::Value as Json;

use crate::sampling::Latent;
use crate::sampling::windows::Window;

#[cfg(feature = "audio")]
pub use growing::Growing;
#[cfg(feature = "image")]
pub(crate) use image::read as image;
#[cfg(feature = "audio")]
pub(crate) use mel::read as mel;
#[cfg(feature = "mesh")]
pub(crate) use mesh::read as mesh;
#[cfg(feature = "mesh")]
pub use mesh::{MeshExtent, MeshWanted};
#[cfg(feature = "audio")]
pub(crate) use sound::read as sound;
#[cfg(feature = "audio")]
pub use span::{Span, spans};
#[cfg(feature = "audio")]
pub(crate) use speech::{supertonic, zipvoice};
#[cfg(feature = "video")]
pub use video::{ClipExtent, ClipWanted, FinishWanted, Habits};
#[cfg(feature = "video")]
pub(crate) use video::{animatediff, ltx, own as clip, wan, wan_from_frames};
pub use writing::Writing;

/// What stands for pictures in a build without them: there is none.
#[cfg(not(feature = "image"))]
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    none: std::convert::Infallible,
}

/// A kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modality {
    /// Pictures.
    #[cfg(feature = "image")]
    Image,
    /// Meshes.
    #[cfg(feature = "mesh")]
    Mesh,
    /// Sound.
    #[cfg(feature = "audio")]
    Sound,
    /// Clips: pictures that move.
    #[cfg(feature = "video")]
    Clip,
}

impl Modality {
    /// The command that makes it.
    pub fn command(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "image",
            #[cfg(feature = "mesh")]
            Self::Mesh => "3d",
            #[cfg(feature = "audio")]
            Self::Sound => "audio",
            #[cfg(feature = "video")]
            Self::Clip => "video",
        }
    }

    /// What a report calls several.
    pub fn plural(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "images",
            #[cfg(feature = "mesh")]
            Self::Mesh => "meshes",
            #[cfg(feature = "audio")]
            Self::Sound => "sounds",
            #[cfg(feature = "video")]
            Self::Clip => "clips",
        }
    }

    /// The ending of files that have no other name.
    pub fn extension(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "png",
            #[cfg(feature = "mesh")]
            Self::Mesh => "glb",
            #[cfg(feature = "audio")]
            Self::Sound => "wav",
            #[cfg(feature = "video")]
            Self::Clip => "mp4",
        }
    }

    /// Refuses a file name whose ending names no format of it.
    ///
    /// # Errors
    /// Naming the endings that are known.
    pub fn check_extension(self, path: &Path) -> Result<()> {
        match self {
            #[cfg(feature = "image")]
            Self::Image => check_extension(path).map(drop),
            #[cfg(feature = "mesh")]
            Self::Mesh => meshes::check_extension(path).map(drop),
            #[cfg(feature = "audio")]
            Self::Sound => sounds::check_extension(path).map(drop),
            #[cfg(feature = "video")]
            Self::Clip => clips::check_file(path, None, None),
        }
    }

    /// Refuses a `path` that no file can be written to.
    ///
    /// # Errors
    /// Naming the folder and the remedy.
    pub fn check_place(self, path: &Path) -> Result<()> {
        match self {
            #[cfg(feature = "video")]
            Self::Clip => clips::check_place(path),
            _ => check_place(path),
        }
    }

    /// The file whose being there means that a result is there.
    pub fn first_file(self, path: &Path) -> PathBuf {
        match self {
            #[cfg(feature = "video")]
            Self::Clip => clips::first_file(path),
            _ => path.to_owned(),
        }
    }

    /// The flag that an encoder of such media serves, where there is one.
    pub fn start_flag(self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "image")]
            Self::Image => Some("init-image"),
            #[cfg(feature = "audio")]
            Self::Sound => Some("init-audio"),
            #[cfg(feature = "video")]
            Self::Clip => Some("first-frame"),
            #[cfg(feature = "mesh")]
            Self::Mesh => None,
        }
    }

    /// The flag that asks for a file that shows one at a glance; empty where there is none.
    pub fn look(self) -> &'static str {
        match self {
            #[cfg(feature = "mesh")]
            Self::Mesh => "turntable",
            #[cfg(feature = "audio")]
            Self::Sound => "spectrogram",
            #[cfg(feature = "video")]
            Self::Clip => "sheet",
            _ => "",
        }
    }

    /// Refuses a file name that cannot show one at a glance.
    ///
    /// # Errors
    /// Naming the endings that can.
    pub fn check_look(self, path: &Path) -> Result<()> {
        match self {
            #[cfg(feature = "mesh")]
            Self::Mesh => Turntable::check_extension(path),
            #[cfg(feature = "audio")]
            Self::Sound => check_extension(path).map(drop),
            #[cfg(feature = "video")]
            Self::Clip => check_extension(path).map(drop),
            #[cfg(feature = "image")]
            Self::Image => bail!("a {} cannot be seen at a glance", self.noun()),
        }
    }

    /// Refuses a file that cannot be written like this.
    ///
    /// # Errors
    /// Naming what can.
    pub fn check_file(self, path: &Path, writing: Writing, extent: Extent) -> Result<()> {
        match self {
            #[cfg(feature = "image")]
            Self::Image => check_extension(path)?.check_depth(writing.depth),
            #[cfg(feature = "mesh")]
            Self::Mesh => self.check_extension(path),
            #[cfg(feature = "audio")]
            Self::Sound => match extent {
                Extent::Sound { samples, sample_rate } => {
                    // How many channels there are, only the decoder knows.
                    let shape = Shape { sample_rate, channels: 1, samples: Some(samples), depth: writing.samples };
                    sounds::check_extension(path)?.check_shape(shape)
                }
                Extent::Speech { sample_rate } => {
                    let shape = Shape { sample_rate, channels: 1, samples: None, depth: writing.samples };
                    sounds::check_extension(path)?.check_shape(shape)
                }
                _ => sounds::check_extension(path)?.check_depth(writing.samples),
            },
            #[cfg(feature = "video")]
            Self::Clip => match extent {
                Extent::Clip(clip) => clips::check_file(path, Some(clip.shape()), writing.quality),
                _ => clips::check_file(path, None, writing.quality),
            },
        }
    }

    /// One of it, in a sentence.
    pub fn noun(self) -> &'static str {
        match self {
            #[cfg(feature = "image")]
            Self::Image => "picture",
            #[cfg(feature = "mesh")]
            Self::Mesh => "mesh",
            #[cfg(feature = "audio")]
            Self::Sound => "sound",
            #[cfg(feature = "video")]
            Self::Clip => "clip",
        }
    }
}

/// Something that was made.
#[derive(Clone, Debug)]
pub enum Media {
    /// A picture.
    #[cfg(feature = "image")]
    Picture(Picture),
    /// A mesh.
    #[cfg(feature = "mesh")]
    Mesh(Mesh),
    /// A sound.
    #[cfg(feature = "audio")]
    Sound(Waveform),
    /// A clip, whose frames may be made only while it is written.
    #[cfg(feature = "video")]
    Clip(Clip),
}

impl Media {
    /// Writes it in the format that the ending of `path` names, with `info` in it; whole or not at all. A clip writes `look`
    /// in the same pass, as its frames may be made for this alone.
    ///
    /// # Errors
    /// When the ending is unknown or the file cannot be written.
    pub fn save(&self, path: &Path, look: Option<&Path>, info: &Info, writing: Writing) -> Result<()> {
        match *self {
            #[cfg(feature = "image")]
            Self::Picture(ref picture) => picture.save(path, info, writing.depth),
            #[cfg(feature = "mesh")]
            Self::Mesh(ref mesh) => mesh.save(path, info),
            #[cfg(feature = "audio")]
            Self::Sound(ref sound) => match writing.loudness {
                Some(lufs) => sounds::normalise(sound, lufs, writing.samples)?.save(path, info, writing.samples),
                None => sound.save(path, info, writing.samples),
            },
            #[cfg(feature = "video")]
            Self::Clip(ref clip) => {
                let mut writers = vec![clips::writer(path, clip.shape, info, writing.quality)?];
                if let Some(look) = look {
                    writers.push(Box::new(Sheet::start(look, clip.shape, info)?));
                }
                clip.save_to(writers)
            }
        }
    }

    /// Writes what it looks like at a glance, where [`save`](Self::save) has not done so: a mesh from all sides, the
    /// frequencies of a sound.
    ///
    /// # Errors
    /// When it cannot be looked at, the ending of `path` is unknown, the file cannot be written, or the run is cancelled.
    pub fn save_look(&self, path: &Path, info: &Info, cancel: &Cancel) -> Result<()> {
        match *self {
            #[cfg(feature = "image")]
            Self::Picture(_) => bail!("a picture has one side only"),
            #[cfg(feature = "audio")]
            Self::Sound(ref sound) => Spectrogram::of(sound)?.save(path, info, Writing::default().depth),
            #[cfg(feature = "mesh")]
            Self::Mesh(ref mesh) => Turntable::default().save(mesh, path, info, cancel),
            #[cfg(feature = "video")]
            Self::Clip(_) => Ok(()),
        }
    }

    /// Samples of each channel of a sound; none of other media.
    pub(crate) fn samples(&self) -> usize {
        match self {
            #[cfg(feature = "audio")]
            Self::Sound(sound) => sound.len(),
            _ => 0,
        }
    }

    /// A sound that goes on with another; other media stay as they are.
    pub(crate) fn joined(self, _more: Self) -> Self {
        match (self, _more) {
            #[cfg(feature = "audio")]
            (Self::Sound(mut sound), Self::Sound(more)) => {
                sound.extend(&more);
                Self::Sound(sound)
            }
            (own, _) => own,
        }
    }

    /// What a report says of it.
    pub fn facts(&self) -> Json {
        match self {
            #[cfg(feature = "mesh")]
            Self::Mesh(mesh) => mesh::facts(mesh),
            _ => Json::Null,
        }
    }

    /// Its kind.
    pub fn modality(&self) -> Modality {
        match *self {
            #[cfg(feature = "image")]
            Self::Picture(_) => Modality::Image,
            #[cfg(feature = "mesh")]
            Self::Mesh(_) => Modality::Mesh,
            #[cfg(feature = "audio")]
            Self::Sound(_) => Modality::Sound,
            #[cfg(feature = "video")]
            Self::Clip(_) => Modality::Clip,
        }
    }

    /// The picture, if it is one.
    #[cfg(feature = "image")]
    pub fn picture(&self) -> Option<&Picture> {
        match self {
            #[cfg(feature = "image")]
            Self::Picture(picture) => Some(picture),
            _ => None,
        }
    }

    /// The sound, if it is one.
    #[cfg(feature = "audio")]
    pub fn sound(&self) -> Option<&Waveform> {
        match self {
            #[cfg(feature = "audio")]
            Self::Sound(sound) => Some(sound),
            _ => None,
        }
    }

    /// The clip, if it is one.
    #[cfg(feature = "video")]
    pub fn clip(&self) -> Option<&Clip> {
        match self {
            #[cfg(feature = "video")]
            Self::Clip(clip) => Some(clip),
            _ => None,
        }
    }
}

/// What of something given is made anew.
#[derive(Clone, Debug)]
pub enum Mask {
    /// Anew where white, kept where black.
    #[cfg(feature = "image")]
    Picture(Picture),
    /// Anew in these spans of time, kept elsewhere.
    #[cfg(feature = "audio")]
    Spans(Vec<Span>),
}

/// How large something is wanted; what is `None` the model decides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Wanted {
    /// Pixels.
    pub width: Option<usize>,
    /// Pixels.
    pub height: Option<usize>,
    /// What is wanted of a mesh.
    #[cfg(feature = "mesh")]
    pub mesh: MeshWanted,
    /// Duration.
    pub seconds: Option<f64>,
    /// Bytes of memory that sampling and decoding may take, where that grows with the size or where either works in parts.
    pub memory: Option<u64>,
    /// What is wanted of a clip.
    #[cfg(feature = "video")]
    pub clip: ClipWanted,
}

/// How large something will be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Extent {
    /// A picture's.
    #[cfg(feature = "image")]
    Picture {
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
    },
    /// A mesh's.
    #[cfg(feature = "mesh")]
    Mesh(MeshExtent),
    /// A sound's.
    #[cfg(feature = "audio")]
    Sound {
        /// Samples of each channel.
        samples: usize,
        /// Samples a second.
        sample_rate: u32,
    },
    /// A sound's that lasts as long as its text takes to say, which the model decides while it runs.
    #[cfg(feature = "audio")]
    Speech {
        /// Samples a second.
        sample_rate: u32,
    },
    /// A clip's.
    #[cfg(feature = "video")]
    Clip(ClipExtent),
}

impl Extent {
    /// The samples of a sound, which are not known of speech; nothing of other media.
    pub(crate) fn samples(self) -> Option<Option<usize>> {
        match self {
            #[cfg(feature = "audio")]
            Self::Sound { samples, .. } => Some(Some(samples)),
            #[cfg(feature = "audio")]
            Self::Speech { .. } => Some(None),
            #[allow(unreachable_patterns, reason = "a build of sound alone")]
            _ => None,
        }
    }

    /// The same with so many samples, of sound.
    pub(crate) fn lasting(self, _samples: usize) -> Self {
        match self {
            #[cfg(feature = "audio")]
            Self::Sound { sample_rate, .. } | Self::Speech { sample_rate } => {
                Self::Sound { samples: _samples, sample_rate }
            }
            #[allow(unreachable_patterns, reason = "a build of sound alone")]
            other => other,
        }
    }

    /// The flags that ask for it.
    pub fn flags(self) -> Vec<(&'static str, Json)> {
        match self {
            #[cfg(feature = "image")]
            Self::Picture { width, height } => vec![("width", width.into()), ("height", height.into())],
            #[cfg(feature = "mesh")]
            Self::Mesh(mesh) => mesh.flags(),
            #[cfg(feature = "video")]
            Self::Clip(clip) => clip.flags(),
            #[cfg(feature = "audio")]
            Self::Sound { samples, sample_rate } => {
                vec![("duration", (samples as f64 / f64::from(sample_rate)).into())]
            }
            #[cfg(feature = "audio")]
            Self::Speech { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            #[cfg(feature = "image")]
            Self::Picture { width, height } => write!(f, "{width}x{height}"),
            #[cfg(feature = "mesh")]
            Self::Mesh(mesh) => write!(f, "{0}x{0}x{0}", mesh.resolution),
            #[cfg(feature = "video")]
            Self::Clip(clip) => clip.fmt(f),
            #[cfg(feature = "audio")]
            Self::Sound { samples, sample_rate } => {
                write!(f, "{:.2}s", samples as f64 / f64::from(sample_rate))
            }
            #[cfg(feature = "audio")]
            Self::Speech { .. } => f.write_str("as long as the text"),
        }
    }
}

/// What is given of a clip.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its latent, as the graph gives it.
    pub clean: Latent,
    /// 1 where it is made anew.
    pub mask: Latent,
}

/// What a model folder says of the things it makes.
pub trait Medium: fmt::Debug + Send + Sync {
    /// Their kind.
    fn modality(&self) -> Modality;

    /// Channels of a latent.
    fn channels(&self) -> usize;

    /// Channels that the network takes: those of a latent, and what it is told behind them.
    fn input_channels(&self) -> usize {
        self.channels()
    }

    /// The model that says texts, whose sound has a length only then.
    #[cfg(feature = "audio")]
    fn speaker(&self) -> Option<&dyn Speaker> {
        None
    }

    /// Whether it does without the graph of a component that its family has.
    fn does_without(&self, _component: &str) -> bool {
        false
    }

    /// The size that a result has where it shall look like a picture of these pixels.
    fn like(&self, width: usize, height: usize) -> (usize, usize) {
        (width, height)
    }

    /// What tells the network of frames that are given; `None` where it is told nothing.
    fn showing(&self, _folder: &Folder, _options: &GraphOptions) -> Option<Box<dyn Show>> {
        None
    }

    /// Whether frames that are given can be kept by a network that is told nothing of them.
    fn keeps_frames(&self) -> bool {
        false
    }

    /// The latent of the first and the last frame, where they are given, and what of it is made anew.
    ///
    /// # Errors
    /// When they cannot be kept, have another aspect, or a graph fails.
    fn keep(
        &self,
        _folder: &Folder,
        _options: &GraphOptions,
        _ends: [Option<&Picture>; 2],
        _shape: &[usize],
        _cancel: &Cancel,
    ) -> Result<Kept> {
        bail!("this model keeps no frames")
    }

    /// Where the places of a latent lie, `[3, places]`, for networks that are told. Every window of a longer one begins at 0, as the
    /// clips did that the network learned from.
    fn places(&self, _extent: Extent, _shape: &[usize]) -> Option<Latent> {
        None
    }

    /// Share of noise that is put into a finished latent for the decoder to take out.
    fn left_noise(&self, _extent: Extent) -> f64 {
        0.0
    }

    /// The extent and the shape of the latent of what is wanted; what is given to start from stands in
    /// for what is left open.
    ///
    /// # Errors
    /// For sizes that the model cannot make, naming the flag.
    fn measure(&self, wanted: &Wanted, init: Option<&Media>) -> Result<(Extent, Vec<usize>)>;

    /// The latent frames that its network sees at once, where there may be more.
    fn window(&self) -> Option<Window> {
        None
    }

    /// Bytes that decoding takes at least, where it works in tiles that are as small as they must be; the process included.
    fn least_memory(&self) -> Option<u64> {
        None
    }

    /// Loads what turns latents into media.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>>;

    /// Loads what turns media into latents.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    fn encoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Encode>>;

    /// A quick, coarse stand-in for the decoder, fitted to it; `None` where there is no such thing.
    ///
    /// # Errors
    /// When the decoder fails.
    fn linear_preview(&self, _decoder: &mut dyn Decode, _cancel: &Cancel) -> Result<Option<Box<dyn Decode>>> {
        Ok(None)
    }

    /// An encoded latent as the sampler works on it.
    fn scaled(&self, latent: Latent) -> Latent;

    /// A mask in the shape of a latent: 1 where it is made anew, 0 where it is kept.
    ///
    /// # Errors
    /// When the mask is of another modality or lies outside.
    fn mask(&self, mask: &Mask, extent: Extent, shape: &[usize]) -> Result<Latent>;
}

/// What a network is told of frames that are given.
pub struct Shown {
    /// Channels behind the latent's own.
    pub channels: Latent,
    /// States of an image encoder, for networks that take them.
    pub states: Option<Latent>,
}

/// Turns frames that are given into what a network is told of them.
pub trait Show: Send {
    /// Of a clip that begins, and may end, with a picture, which is brought to its size.
    ///
    /// # Errors
    /// When a graph is missing or fails.
    fn show(&mut self, first: &Picture, last: Option<&Picture>, extent: Extent, cancel: &Cancel) -> Result<Shown>;
}

/// Turns media into latents.
pub trait Encode: Send {
    /// The latent of something, brought to an extent, as the graph gives it.
    ///
    /// # Errors
    /// When it is of another modality, or a graph fails.
    fn encode(&mut self, media: &Media, extent: Extent, cancel: &Cancel) -> Result<Posterior>;
}

/// Turns latents into media.
pub trait Decode: Send {
    /// What a finished latent stands for.
    ///
    /// # Errors
    /// When a graph fails or gives values that are not finite.
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media>;

    /// As [`decode`](Self::decode), but what is long is handed over part by part, as soon as it is ready; what comes back is
    /// the last part.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and when `tell` fails.
    fn decode_parts(
        &mut self,
        latent: &Latent,
        extent: Extent,
        cancel: &Cancel,
        _tell: &mut Part<'_>,
    ) -> Result<Media> {
        self.decode(latent, extent, cancel)
    }
}

/// Receives something part by part.
pub type Part<'t> = dyn FnMut(&Media) -> Result<()> + 't;

/// A whole number above 0 in a configuration file.
pub(crate) fn whole(config: Option<&Json>, file: &str, key: &str) -> Result<Option<usize>> {
    match config.and_then(|config| config.get(key)) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_u64().filter(|n| (1..1 << 20).contains(n)) {
            Some(number) => Ok(Some(number as usize)),
            None => bail!("the key {key} of {file} is {value}, but must be a whole number above 0"),
        },
    }
}
