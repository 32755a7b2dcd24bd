//! ZipVoice (Zhu et al. 2025, arXiv 2506.13053): goes on in the voice of a sound whose words are given.
//!
//! Graphs, constants and host loop as in k2-fsa/ZipVoice `zipvoice/bin/infer_zipvoice_onnx.py` and k2-fsa/sherpa-onnx
//! `offline-tts-zipvoice-*`. The text encoder lays the tokens of both texts over the frames that they last: as many for a
//! token as the given sound has, divided by the speed. Latents are mel spectrograms, frames first.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions, Outline};
use ndarray::{ArrayD, ArrayViewD, Axis, Slice};

use super::lexicon::Lexicon;
use super::{LONGEST, Line, Reader, Script, Sound, Speaker, SpeechWanted, Splitting, Told, Voice, pieces};
use crate::audio::{Mel, MelFacts, MelFilters, Mels, Vocos, Waveform, griffin_lim_asked};
use crate::graphs::{finite, input, output};

const TEXT: &str = "text_encoder";
const DENOISER: &str = "fm_decoder";
const VOCODER: &str = "vocoder";
const TOKENS: &str = "tokens.txt";
const LEXICON: &str = "lexicon.txt";

/// What logarithms of bands are multiplied with.
const SCALE: f32 = 0.1;

/// What is added to bands so that they have logarithms.
const FLOOR: f32 = 1e-10;

/// How loud a given voice is made, as a root mean square; louder ones stay as they are.
const LOUDNESS: f32 = 0.1;

/// The longest sound that a voice is taken from, in seconds; a few are best.
const LONGEST_VOICE: f64 = 60.0;

const SPLITTING: Splitting = Splitting { enough: 30, most: 200 };

/// A ZipVoice model.
#[derive(Debug)]
pub struct ZipVoice {
    facts: MelFacts,
    lexicon: Lexicon,
    /// Whether phases are found instead of made by a graph.
    griffin_lim: bool,
}

struct Reading {
    graph: Graph,
    bands: usize,
    hop: usize,
    sample_rate: u32,
}

/// What makes sound of spectrograms.
enum Vocoder {
    Graph(Box<Vocos>),
    GriffinLim(Mels, MelFacts),
}

impl ZipVoice {
    /// Whether a folder holds one.
    pub fn is_in(folder: &Folder) -> bool {
        folder.beside_graphs(TOKENS).is_some() && (folder.has(DENOISER) || folder.has(TEXT))
    }

    /// Reads a folder's tables and what its graphs say of themselves. Loads no graph.
    ///
    /// # Errors
    /// When a file is missing or damaged, by name.
    pub fn open(folder: &Folder) -> Result<Self> {
        let outline = |component| Ok::<_, anyhow::Error>(Outline::read(&folder.graph(component)?)?.metadata);
        let (decoder, encoder) = (outline(DENOISER)?, outline(TEXT)?);
        let number = |key: &str, usual: usize| match decoder.get(key) {
            None => Ok(usual),
            Some(text) => text.trim().parse::<usize>().ok().filter(|n| (1..1 << 20).contains(n)).with_context(|| {
                format!("the entry {key} of the graph of {DENOISER} is {text:?}, but must be a whole number above 0")
            }),
        };
        let sample_rate = number("sample_rate", 24_000)? as u32;
        let size = number("n_fft", 1024)?;
        let facts = MelFacts {
            sample_rate,
            bands: number("feat_dim", 100)?,
            size,
            hop: number("hop_length", 256)?,
            window: number("window_length", size)?,
            range: [0.0, f64::from(sample_rate) / 2.0],
            filters: MelFilters::Htk,
        };
        Mels::new(&facts).context("what the graph says of its spectrograms")?;
        let tokens = folder.beside_graphs(TOKENS).with_context(|| format!("{TOKENS} is missing; download it again"))?;
        let sounds = encoder.get("use_espeak").is_none_or(|uses| uses.trim() != "0");
        let lexicon = Lexicon::open(&tokens, folder.beside_graphs(LEXICON).as_deref(), sounds)?;
        let griffin_lim = griffin_lim_asked(folder)?;
        ensure!(
            griffin_lim || folder.has(VOCODER),
            "{} has no vocoder: put vocos_24khz.onnx of sherpa-onnx's vocoder-models beside the other graphs, or have phases \
             found, which sounds worse, by writing {{\"_class_name\": \"GriffinLim\"}} to {VOCODER}/config.json",
            folder.path().display()
        );
        Ok(Self { facts, lexicon, griffin_lim })
    }

    /// The voice in a file: its frames and the tokens of what is said.
    fn voice(&self, wanted: &SpeechWanted) -> Result<Voice> {
        let Some(file) = &wanted.voice else {
            bail!(
                "this model speaks in the voice of a sound: give one of a few seconds with --voice, and what is said in it with --voice-text"
            )
        };
        let Some(text) = &wanted.voice_text else {
            bail!("this model is told what is said in {file}: give it with --voice-text")
        };
        let sound = Waveform::open(Path::new(file)).context("--voice")?;
        ensure!(
            sound.seconds() <= LONGEST_VOICE,
            "--voice {file} lasts {:.0} seconds, but up to {LONGEST_VOICE} are taken; a few are best",
            sound.seconds()
        );
        let mut samples = sound.mixed(1)?.resampled(self.facts.sample_rate)?.channels.remove(0);
        let power = samples.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / samples.len().max(1) as f64;
        let loudness = power.sqrt() as f32;
        ensure!(loudness > 0.0, "--voice {file} is silent");
        if loudness < LOUDNESS {
            samples.iter_mut().for_each(|v| *v *= LOUDNESS / loudness);
        }
        let mel = Mels::new(&self.facts)?.of_sound(&samples)?;
        let frames = mel.values.len() / mel.bands;
        let logarithms = mel.values.into_iter().map(|v| (v + FLOOR).ln() * SCALE).collect();
        let prompt = ArrayD::from_shape_vec(vec![frames, mel.bands], logarithms)?;
        let ids = self.lexicon.ids(text).context("--voice-text")?;
        Ok(Voice { ids, values: vec![("speech_condition", prompt)] })
    }
}

impl Speaker for ZipVoice {
    fn sample_rate(&self) -> u32 {
        self.facts.sample_rate
    }

    fn channels(&self) -> usize {
        self.facts.bands
    }

    fn script(&self, text: &str, wanted: &SpeechWanted) -> Result<Script> {
        ensure!(
            wanted.language.is_none(),
            "--language has no effect on this model, which takes sounds from its lexicon; leave it out"
        );
        let voice = self.voice(wanted)?;
        let speed = wanted.speed_or(1.0)?;
        let prompt = voice.values.first().map_or(0, |(_, prompt)| prompt.len_of(Axis(0)));
        let line = |text: String| -> Result<Line> {
            let ids = self.lexicon.ids(&text)?;
            let each = prompt as f64 / voice.ids.len() as f64 / f64::from(speed);
            let frames = (each * (voice.ids.len() + ids.len()) as f64).ceil() as usize;
            Ok(Line { text, estimate: vec![frames, self.facts.bands], ids })
        };
        let lines = pieces(text, SPLITTING).into_iter().map(line).collect::<Result<Vec<_>>>()?;
        ensure!(!lines.is_empty(), "there is nothing to say: the text is empty");
        Ok(Script { lines, pause: 0, time_axis: 0, speed, voice: voice.into() })
    }

    fn reader(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Reader>> {
        let graph = Graph::load_cancellable(&folder.graph(TEXT)?, options, cancel)?;
        let MelFacts { bands, hop, sample_rate, .. } = self.facts;
        Ok(Box::new(Reading { graph, bands, hop, sample_rate }))
    }

    fn vocoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Sound>> {
        if self.griffin_lim {
            return Ok(Box::new(Vocoder::GriffinLim(Mels::new(&self.facts)?, self.facts.clone())));
        }
        let graph = Graph::load_cancellable(&folder.graph(VOCODER)?, options, cancel)?;
        Ok(Box::new(Vocoder::Graph(Box::new(Vocos::new(graph, self.facts.sample_rate)?))))
    }

    fn does_without(&self, component: &str) -> bool {
        self.griffin_lim && component == VOCODER
    }
}

impl Reader for Reading {
    fn read(&mut self, line: &Line, script: &Script, cancel: &Cancel) -> Result<Told> {
        let Some((name, prompt)) = script.voice.values.first() else { bail!("the voice has no frames") };
        let given = prompt.len_of(Axis(0));
        let graph = &mut self.graph;
        let [tokens, before, length, speed] =
            ["tokens", "prompt_tokens", "prompt_features_len", "speed"].map(|name| input(graph, TEXT, &[name]));
        let (length, speed, out) = (length?, speed?, output(graph, TEXT, &["text_condition"])?);
        let scalar = |graph: &Graph, port: usize| match graph.inputs().get(port).map_or(0, |port| port.shape.len()) {
            0 => vec![],
            _ => vec![1],
        };
        graph.set_i64(tokens?, &[1, line.ids.len()], &line.ids)?;
        graph.set_i64(before?, &[1, script.voice.ids.len()], &script.voice.ids)?;
        graph.set_i64(length, &scalar(graph, length), &[given as i64])?;
        graph.set_f32(speed, &scalar(graph, speed), &[script.speed])?;
        graph.run(cancel)?;
        let text = graph.output_f32(out)?;
        finite(TEXT, text.as_slice().unwrap_or_default())?;
        let [1, frames, _] = text.shape()[..] else {
            bail!("{TEXT} gave {:?} instead of [1, frames, bands]; it is of another model", text.shape())
        };
        let seconds = (frames.saturating_sub(given) * self.hop) as f64 / f64::from(self.sample_rate);
        ensure!(
            frames > given + 1 && seconds <= LONGEST,
            "{:?} would last {seconds:.1} seconds at the pace of --voice, but a line lasts more than 0 and up to {LONGEST}; give \
             --voice-text for what is said in the sound, or another --speed",
            line.text
        );
        let mut speech = ArrayD::zeros(vec![frames, self.bands]);
        speech.slice_axis_mut(Axis(0), Slice::from(..given)).assign(prompt);
        let samples = (frames - given - 1) * self.hop;
        let inputs = vec![("text_condition", text.index_axis_move(Axis(0), 0)), (*name, speech)];
        Ok(Told { latent: vec![frames, self.bands], samples, inputs })
    }
}

impl Vocoder {
    fn hop(&self) -> usize {
        match self {
            Self::Graph(vocos) => vocos.samples(2),
            Self::GriffinLim(mels, _) => mels.hop(),
        }
    }
}

impl Sound for Vocoder {
    fn sound(&mut self, latent: ArrayViewD<'_, f32>, samples: usize, cancel: &Cancel) -> Result<Waveform> {
        // The frames of the voice that was given come first.
        let frames = samples / self.hop().max(1) + 1;
        let [all, bands] = latent.shape()[..] else { bail!("a latent of {:?} is no spectrogram", latent.shape()) };
        ensure!(frames <= all, "a spectrogram of {all} frames has no {samples} samples");
        let own = latent.slice_axis(Axis(0), Slice::from(all - frames..)).mapv(|v| v / SCALE);
        match self {
            Self::Graph(vocos) => {
                let turned: Vec<f32> = own.t().iter().copied().collect();
                vocos.sound(bands, frames, &turned, cancel)
            }
            Self::GriffinLim(mels, facts) => {
                let mel = Mel { bands, values: own.iter().map(|v| v.exp()).collect() };
                Waveform::new(facts.sample_rate, vec![mels.sound(&mel, samples)?])
            }
        }
    }
}
