//! Speech: texts to what a denoiser is told of them, and finished latents to the sound of a voice.
//!
//! A model that speaks is a [`Speaker`], one file for each kind. It splits a text into [`Line`]s and checks that it can
//! say them ([`Speaker::script`], without a graph), and its [`Reader`] runs the graphs that decide how long a line lasts:
//! unlike the other media's, the size of a latent is known only then.
//!
//! No letter and no word is dropped because a model does not know it: it is named, with what to do about it. What the
//! models' own front ends leave out or replace (emoji, typographic quotes) is left out and replaced here as well.

mod characters;
mod lexicon;
mod pieces;
mod styles;
mod supertonic;
mod zipvoice;

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{ArrayD, ArrayViewD};

use crate::audio::Waveform;

pub use pieces::{Splitting, pieces};
pub use supertonic::Supertonic;
pub use zipvoice::ZipVoice;

/// How a text is to be said; what is `None` the model decides.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpeechWanted {
    /// Whose voice: a name that the model has, or a file.
    pub voice: Option<String>,
    /// What is said in that file, for models that go on from it.
    pub voice_text: Option<String>,
    /// How fast; 1 is the pace that the model was trained at, 2 is twice that.
    pub speed: Option<f64>,
    /// The language of the text as an ISO 639-1 code, for models of several.
    pub language: Option<String>,
}

impl SpeechWanted {
    /// The speed, above 0.
    fn speed_or(&self, usual: f64) -> Result<f32> {
        let speed = self.speed.unwrap_or(usual);
        anyhow::ensure!(
            (0.1..=10.0).contains(&speed),
            "--speed is {speed}, but must lie in 0.1..=10 (1 is the model's own pace)"
        );
        Ok(speed as f32)
    }
}

/// A text, ready to be said.
#[derive(Debug, Clone)]
pub struct Script {
    /// What is said in one go each, one after another.
    pub lines: Vec<Line>,
    /// Samples of silence between two lines.
    pub pause: usize,
    /// The axis of a line's latent along which time runs.
    pub time_axis: usize,
    speed: f32,
    voice: Arc<Voice>,
}

/// What is said in one go.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The text, as it was given.
    pub text: String,
    /// The shape that its latent will have, estimated from the text.
    pub estimate: Vec<usize>,
    ids: Vec<i64>,
}

/// A voice, as a model takes it.
#[derive(Debug)]
struct Voice {
    /// Tokens of what is said in a sound that the model goes on from.
    ids: Vec<i64>,
    /// Values by the names of the inputs that take them.
    values: Vec<(&'static str, ArrayD<f32>)>,
}

/// A line with everything decided that its text decides.
#[derive(Debug, Clone)]
pub struct Told {
    /// The shape of its latent.
    pub latent: Vec<usize>,
    /// Samples of its sound.
    pub samples: usize,
    /// What the denoiser is told, by the names of its inputs, without an axis for rows.
    pub inputs: Vec<(&'static str, ArrayD<f32>)>,
}

/// A model that speaks.
pub trait Speaker: fmt::Debug + Send + Sync {
    /// Samples a second.
    fn sample_rate(&self) -> u32;

    /// Numbers of a latent at one moment.
    fn channels(&self) -> usize;

    /// The voices it has by name.
    fn voices(&self) -> Vec<String> {
        Vec::new()
    }

    /// The text as lines, and the voice that says them.
    ///
    /// # Errors
    /// For an empty text, letters and words that it cannot say, and voices, speeds and languages that it does not have.
    fn script(&self, text: &str, wanted: &SpeechWanted) -> Result<Script>;

    /// Loads what reads lines.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    fn reader(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Reader>>;

    /// Loads what makes sound of latents.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    fn vocoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Sound>>;

    /// Whether it does without the graph of a component.
    fn does_without(&self, _component: &str) -> bool {
        false
    }
}

/// Reads lines.
pub trait Reader: Send {
    /// How long a line lasts, and what the denoiser is told of it.
    ///
    /// # Errors
    /// When a graph fails, or gives values that are not finite or of another shape.
    fn read(&mut self, line: &Line, script: &Script, cancel: &Cancel) -> Result<Told>;
}

/// Makes sound of finished latents.
pub trait Sound: Send {
    /// `samples` samples of a line's sound: one channel.
    ///
    /// # Errors
    /// When a graph fails, or gives values that are not finite or of another shape.
    fn sound(&mut self, latent: ArrayViewD<'_, f32>, samples: usize, cancel: &Cancel) -> Result<Waveform>;
}

/// The longest line, in seconds: what lasts longer is likelier a fault of the graph, and would fill the memory.
const LONGEST: f64 = 600.0;
