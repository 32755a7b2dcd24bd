//! Supertonic (Supertone 2025): code points in, a duration predictor, a text encoder, latents of several frames each.
//!
//! Graphs, sizes and host loop as in supertone-inc/supertonic `py/helper.py`; folders as Supertone has them (`onnx/` and
//! `voice_styles/`) and as sherpa-onnx has them (everything side by side, `voice.bin`).

use anyhow::{Context, Result, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, ArrayViewD, Axis};
use serde_json::Value as Json;

use super::characters::Characters;
use super::styles::{ARRAYS, voice, voices};
use super::{LONGEST, Line, Reader, Script, Sound, Speaker, SpeechWanted, Splitting, Told, pieces};
use crate::audio::Waveform;
use crate::graphs::{finite, input, output};

const FACTS: &str = "tts.json";
const DURATION: &str = "duration_predictor";
const TEXT: &str = "text_encoder";
const VOCODER: &str = "vocoder";

/// The pace of Supertone's own programs.
const SPEED: f64 = 1.05;

/// Seconds of silence between two lines.
const PAUSE: f64 = 0.3;

/// Languages that say more with fewer letters, of which a line has fewer.
const DENSE: [&str; 2] = ["ko", "ja"];

/// Seconds that a letter may take, for estimates.
const LETTER: f64 = 0.1;

/// A Supertonic model.
#[derive(Debug)]
pub struct Supertonic {
    folder: Folder,
    sample_rate: u32,
    /// Channels of a latent: those of a frame, as many times as a latent stands for frames.
    channels: usize,
    /// Samples that a latent stands for.
    samples: usize,
    /// Whether it speaks several languages, and is told which.
    multilingual: bool,
    characters: Characters,
}

struct Reading {
    duration: Graph,
    text: Graph,
    sample_rate: u32,
    channels: usize,
    samples: usize,
}

struct Wave {
    graph: Graph,
    latent: usize,
    wave: usize,
    sample_rate: u32,
}

impl Supertonic {
    /// Whether a folder holds one.
    pub fn is_in(folder: &Folder) -> bool {
        folder.beside_graphs(FACTS).is_some()
    }

    /// Reads a folder's configuration and its table of letters. Loads no graph.
    ///
    /// # Errors
    /// When a file is missing or damaged, by name.
    pub fn open(folder: &Folder) -> Result<Self> {
        let path = folder.beside_graphs(FACTS).with_context(|| format!("{FACTS} is missing; download it again"))?;
        let facts: Json = serde_json::from_slice(&std::fs::read(&path)?)
            .with_context(|| format!("{} is not JSON; download it again", path.display()))?;
        let number = |part: &str, key: &str| {
            let value = facts.get(part).and_then(|part| part.get(key)?.as_u64());
            value.filter(|value| (1..1 << 20).contains(value)).map(|value| value as usize).with_context(|| {
                format!("{} does not state {part}.{key} as a whole number above 0; download it again", path.display())
            })
        };
        let factor = number("ttl", "chunk_compress_factor")?;
        Ok(Self {
            folder: folder.clone(),
            sample_rate: number("ae", "sample_rate")? as u32,
            channels: number("ttl", "latent_dim")? * factor,
            samples: number("ae", "base_chunk_size")? * factor,
            multilingual: facts.get("split").and_then(Json::as_str).is_some_and(|split| split.contains("multilingual")),
            characters: Characters::open(folder)?,
        })
    }

    /// The language that the text is tagged with, if any.
    fn language<'a>(&self, wanted: &'a SpeechWanted) -> Result<Option<&'a str>> {
        let Some(language) = wanted.language.as_deref() else { return Ok(self.multilingual.then_some("en")) };
        ensure!(
            self.multilingual || language == "en",
            "--language {language:?} is not one of this model's, which speaks English only"
        );
        ensure!(
            language.len() == 2 && language.bytes().all(|letter| letter.is_ascii_lowercase()),
            "--language is {language:?}, but must be a code of two letters, such as en, ko or es"
        );
        Ok(self.multilingual.then_some(language))
    }
}

impl Speaker for Supertonic {
    fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn voices(&self) -> Vec<String> {
        voices(&self.folder).into_iter().map(|(name, ..)| name).collect()
    }

    fn script(&self, text: &str, wanted: &SpeechWanted) -> Result<Script> {
        ensure!(
            wanted.voice_text.is_none(),
            "--voice-text says what is said in a sound, but the voices of this model are style files; leave it out"
        );
        let language = self.language(wanted)?;
        let most = if language.is_some_and(|language| DENSE.contains(&language)) { 120 } else { 300 };
        let voice = voice(&self.folder, wanted.voice.as_deref())?;
        let speed = wanted.speed_or(SPEED)?;
        let line = |text: String| -> Result<Line> {
            let ids = self.characters.ids(&text, language)?;
            let samples = ids.len() as f64 * LETTER / f64::from(speed) * f64::from(self.sample_rate);
            let estimate = vec![self.channels, (samples as usize).div_ceil(self.samples)];
            Ok(Line { text, estimate, ids })
        };
        let lines = pieces(text, Splitting { enough: most, most }).into_iter().map(line).collect::<Result<Vec<_>>>()?;
        ensure!(!lines.is_empty(), "there is nothing to say: the text is empty");
        let pause = (PAUSE * f64::from(self.sample_rate)) as usize;
        Ok(Script { lines, pause, time_axis: 1, speed, voice: voice.into() })
    }

    fn reader(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Reader>> {
        let load = |component| Graph::load_cancellable(&folder.graph(component)?, options, cancel);
        let (duration, text) = (load(DURATION)?, load(TEXT)?);
        let Self { sample_rate, channels, samples, .. } = *self;
        Ok(Box::new(Reading { duration, text, sample_rate, channels, samples }))
    }

    fn vocoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Sound>> {
        let graph = Graph::load_cancellable(&folder.graph(VOCODER)?, options, cancel)?;
        let latent = input(&graph, VOCODER, &["latent"])?;
        let wave = output(&graph, VOCODER, &["wav_tts", "waveform", "audio"])?;
        Ok(Box::new(Wave { graph, latent, wave, sample_rate: self.sample_rate }))
    }
}

impl Reader for Reading {
    fn read(&mut self, line: &Line, script: &Script, cancel: &Cancel) -> Result<Told> {
        let [ttl, dp] = ARRAYS.map(|name| script.voice.values.iter().find(|(known, _)| *known == name));
        let (Some((_, ttl)), Some((_, dp))) = (ttl, dp) else { anyhow::bail!("the voice lacks one of its arrays") };
        let seconds = run(&mut self.duration, DURATION, line, ("style_dp", dp), "duration", cancel)?;
        let seconds = seconds.first().copied().unwrap_or(f32::NAN) / script.speed;
        ensure!(
            seconds > 0.0 && f64::from(seconds) <= LONGEST,
            "{DURATION} says that {:?} lasts {seconds} seconds, but a line lasts more than 0 and up to {LONGEST}",
            line.text
        );
        let samples = ((seconds * self.sample_rate as f32) as usize).max(1);
        let length = samples.div_ceil(self.samples);
        let text = run(&mut self.text, TEXT, line, ("style_ttl", ttl), "text_emb", cancel)?;
        ensure!(text.ndim() == 3, "{TEXT} gave {:?} instead of [1, width, letters]; download it again", text.shape());
        let ones = |length: usize| ArrayD::ones(vec![1, length]);
        let inputs = vec![
            ("text_emb", text.index_axis_move(Axis(0), 0)),
            ("style_ttl", ttl.clone()),
            ("latent_mask", ones(length)),
            ("text_mask", ones(line.ids.len())),
        ];
        Ok(Told { latent: vec![self.channels, length], samples, inputs })
    }
}

/// What one of the graphs that read a text in a voice makes of it.
fn run(
    graph: &mut Graph,
    component: &str,
    line: &Line,
    (style, values): (&str, &ArrayD<f32>),
    gives: &str,
    cancel: &Cancel,
) -> Result<ArrayD<f32>> {
    let [ids, style, mask] = [&["text_ids"][..], &[style], &["text_mask"]].map(|names| input(graph, component, names));
    let (letters, out) = (line.ids.len(), output(graph, component, &[gives])?);
    graph.set_i64(ids?, &[1, letters], &line.ids)?;
    graph.set_f32(mask?, &[1, 1, letters], &vec![1.0; letters])?;
    let shape = [&[1], values.shape()].concat();
    graph
        .set_f32(style?, &shape, values.as_slice().unwrap_or_default())
        .context("the voice belongs to another model")?;
    graph.run(cancel)?;
    let made = graph.output_f32(out)?;
    finite(component, made.as_slice().unwrap_or_default())?;
    Ok(made)
}

impl Sound for Wave {
    fn sound(&mut self, latent: ArrayViewD<'_, f32>, samples: usize, cancel: &Cancel) -> Result<Waveform> {
        let latent = latent.as_standard_layout();
        let shape = [&[1], latent.shape()].concat();
        self.graph.set_f32(self.latent, &shape, latent.as_slice().unwrap_or_default())?;
        self.graph.run(cancel)?;
        let wave = self.graph.output_f32(self.wave)?;
        let values = wave.as_slice().unwrap_or_default();
        ensure!(
            values.len() >= samples,
            "{VOCODER} gave {} samples instead of {samples}; download it again",
            values.len()
        );
        finite(VOCODER, values)?;
        Waveform::new(self.sample_rate, vec![values.get(..samples).unwrap_or_default().to_vec()])
    }
}
