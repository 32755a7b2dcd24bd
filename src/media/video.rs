//! Clips.

mod kept;
mod shown;

use std::fmt;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use edrun_modalities::LatentCodec;
use edrun_modalities::image::Picture;
use edrun_modalities::video::{ClipFacts, DecodeOptions, Decoder, Shape};
use edrun_onnx::{Cancel, Dim, Folder, GraphOptions, Outline};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Decode, Encode, Extent, Kept, Mask, Media, Medium, Modality, Show, Wanted, whole};
use crate::sampling::Latent;
use crate::sampling::windows::Window;
use shown::Showing;

/// What is wanted of a clip beside its width and height; what is `None` the model decides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClipWanted {
    /// Number of frames.
    pub frames: Option<usize>,
    /// Frames a second.
    pub fps: Option<f64>,
    /// What is left to the decoder.
    pub finish: FinishWanted,
}

/// How much noise a decoder is left to take out (LTX-Video); what is `None` is none, or as much as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FinishWanted {
    /// How much it is told, from 0 to 1.
    pub timestep: Option<f64>,
    /// How much there is, from 0 to 1.
    pub noise: Option<f64>,
}

/// How large a clip will be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipExtent {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Number of frames.
    pub frames: usize,
    /// Frames a second.
    pub fps: f64,
    memory: u64,
    /// Noise that the decoder takes out, as it is told and as it is.
    pub finish: Option<(f64, f64)>,
}

impl ClipExtent {
    /// The flags that ask for it.
    pub(super) fn flags(self) -> Vec<(&'static str, Json)> {
        let Self { width, height, frames, fps, finish, .. } = self;
        let mut flags =
            vec![("width", json!(width)), ("height", json!(height)), ("frames", json!(frames)), ("fps", json!(fps))];
        if let Some((timestep, noise)) = finish {
            flags.extend([("decode_timestep", json!(timestep)), ("decode_noise_scale", json!(noise))]);
        }
        flags
    }

    /// As writers of files take it.
    pub(super) fn shape(self) -> Shape {
        let Self { width, height, frames, fps, .. } = self;
        Shape { width, height, frames, fps }
    }
}

impl fmt::Display for ClipExtent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}, Frames: {}, FPS: {}", self.width, self.height, self.frames, self.fps)
    }
}

/// What a family's clips are like when neither a flag nor the folder says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Habits {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Number of frames.
    pub frames: usize,
    /// Frames a second.
    pub fps: f64,
}

/// The habits that a folder's `edrun.json` states in its key `clip`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    width: Option<usize>,
    height: Option<usize>,
    frames: Option<usize>,
    fps: Option<f64>,
    /// Latent frames that the network sees at once.
    window: Option<usize>,
}

/// Sizes and scales of clips and their latents.
#[derive(Clone, Debug)]
struct Clips {
    codec: LatentCodec,
    facts: ClipFacts,
    habits: Habits,
    /// What latent frames, height and width must be multiples of.
    step: [usize; 3],
    /// Latent frames, height and width that the network was exported for, where they are fixed.
    fixed: [Option<usize>; 3],
    /// Latent frames that the network sees at once.
    window: Option<usize>,
    /// The fewest latent frames that the decoder takes.
    least_frames: usize,
    /// Bytes that decoding takes at least; 0 where that is not known.
    least_memory: u64,
    /// What the network is told beside a text.
    told: Told,
    /// Whether there is a graph that encodes frames.
    encodes: bool,
    /// Whether the decoder takes out noise that is left in a latent.
    takes_noise: bool,
}

/// What a family's network is told beside a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// Where in time and space the places of a latent lie.
    Places,
    /// The frames that are given, behind the latent; `sees` if what an image encoder sees of them as well.
    Frames { sees: bool },
}

/// The graph of the decoder, and what its latents mean.
struct Decoding {
    decoder: Decoder,
    codec: LatentCodec,
}

const DECODER: &str = "vae_decoder/config.json";

/// Bytes that decoding may take when nothing is said: 2 GB.
const MEMORY: u64 = 2_000_000_000;

/// What is said of media of another kind.
const FOREIGN: &str = "this model makes clips from words only";

/// The longest clip, in frames: above it a typing error is likelier than a wish.
const MOST_FRAMES: usize = 100_000;

/// The largest side, in pixels.
const MAX_SIDE: usize = 16_384;

/// The most frames a second.
const FASTEST: f64 = 240.0;

/// Reads the facts of clips that the network in the component `denoiser` makes.
fn read(folder: &Folder, denoiser: &str, habits: Habits) -> Result<Clips> {
    let file = format!("{denoiser}/config.json");
    let config = folder.json(&file)?;
    let (decoder, vae) = (folder.json(DECODER)?, folder.json("vae/config.json")?);
    let codec = LatentCodec::from_configs(decoder.as_ref(), vae.as_ref(), 1.0)?;
    let facts = ClipFacts::from_configs(decoder.as_ref(), vae.as_ref())?;
    let takes_noise =
        decoder.as_ref().and_then(|config| config.get("timestep_conditioning")) == Some(&Json::Bool(true));
    let stated = Stated::read(folder)?;
    let number = |key| whole(config.as_ref(), &file, key);
    let side = |key, habit| Ok::<_, anyhow::Error>(number(key)?.map_or(habit, |latents| latents * codec.factor));
    let habits = Habits {
        width: stated.width.map_or_else(|| side("sample_width", habits.width), Ok)?,
        height: stated.height.map_or_else(|| side("sample_height", habits.height), Ok)?,
        frames: stated.frames.or(number("sample_frames")?).unwrap_or(habits.frames),
        fps: stated.fps.unwrap_or(habits.fps),
    };
    let step = step(config.as_ref(), &file)?;
    let fixed = fixed(folder, denoiser);
    // AnimateDiff has so many positions.
    let window = stated.window.or(fixed[0]).or(number("motion_max_seq_length")?);
    let least_frames = self::fixed(folder, "vae_decoder")[0].unwrap_or(1);
    ensure!(
        stated.window.is_none_or(|window| window.is_multiple_of(step[0])),
        "the key window in edrun.json must be a multiple of {}: this model's network takes so many latent frames together",
        step[0]
    );
    // What is wrong with a decoder is told when it is loaded.
    let least_memory = Decoder::least_memory(folder, facts, &codec).unwrap_or_default();
    let (told, encodes) = (Told::Nothing, folder.has("vae_encoder"));
    Ok(Clips { codec, facts, habits, step, fixed, window, least_frames, least_memory, told, takes_noise, encodes })
}

/// The family of this repository's own recipe.
pub(crate) fn own(folder: &Folder) -> Result<Arc<dyn Medium>> {
    Ok(Arc::new(read(folder, "transformer", Habits { width: 64, height: 64, frames: 16, fps: 8.0 })?))
}

const WAN: Habits = Habits { width: 832, height: 480, frames: 81, fps: 16.0 };

/// Wan from words.
pub(crate) fn wan(folder: &Folder) -> Result<Arc<dyn Medium>> {
    Ok(Arc::new(read(folder, "transformer", WAN)?))
}

/// Wan from a picture: the first one of its transformers says whether it is told what an image encoder sees.
pub(crate) fn wan_from_frames(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let sees =
        whole(folder.json("transformer/config.json")?.as_ref(), "transformer/config.json", "image_dim")?.is_some();
    Ok(Arc::new(Clips { told: Told::Frames { sees }, ..read(folder, "transformer", WAN)? }))
}

/// LTX-Video.
pub(crate) fn ltx(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let habits = Habits { width: 704, height: 512, frames: 161, fps: 25.0 };
    Ok(Arc::new(Clips { told: Told::Places, ..read(folder, "transformer", habits)? }))
}

/// AnimateDiff.
pub(crate) fn animatediff(folder: &Folder) -> Result<Arc<dyn Medium>> {
    Ok(Arc::new(read(folder, "unet", Habits { width: 512, height: 512, frames: 16, fps: 8.0 })?))
}

impl Stated {
    fn read(folder: &Folder) -> Result<Self> {
        let stated = folder.json("edrun.json")?.and_then(|own| own.get("clip").cloned());
        let stated: Self = match stated {
            Some(own) => serde_json::from_value(own).context(
                "the key clip of edrun.json is not understood; it may hold frames, fps, width, height and window",
            )?,
            None => Self::default(),
        };
        ensure!(
            stated.window != Some(0),
            "the key window in edrun.json is 0, but a network sees at least 1 latent frame"
        );
        if let Some(fps) = stated.fps {
            check_fps("the key fps in edrun.json", fps)?;
        }
        Ok(stated)
    }
}

/// Latents are cut into patches; every block of a UNet but the last halves its input.
fn step(config: Option<&Json>, file: &str) -> Result<[usize; 3]> {
    let halves = config.and_then(|config| config.get("down_block_types")?.as_array()).map_or(1, Vec::len);
    let halved = 1 << (halves.clamp(1, 8) - 1);
    let patch = match config.and_then(|config| config.get("patch_size")) {
        Some(Json::Array(_)) => {
            let list: Option<[usize; 3]> =
                config.and_then(|config| serde_json::from_value(config.get("patch_size")?.clone()).ok());
            match list {
                Some([time, height, width]) if [time, height, width].iter().all(|n| (1..=64).contains(n)) => {
                    [time, height, width]
                }
                _ => bail!("the key patch_size of {file} must be a number or the lengths of time, height and width"),
            }
        }
        _ => {
            let (space, time) = (whole(config, file, "patch_size")?, whole(config, file, "patch_size_t")?);
            let space = space.unwrap_or(1);
            [time.unwrap_or(1), space, space]
        }
    };
    let [time, height, width] = patch;
    Ok([time, height * halved, width * halved])
}

/// The lengths that a network's graph was exported for. What cannot be read here is told when it is loaded.
fn fixed(folder: &Folder, denoiser: &str) -> [Option<usize>; 3] {
    let outline = folder.graph(denoiser).and_then(|path| Outline::read(&path));
    let inputs = outline.map(|outline| outline.inputs).unwrap_or_default();
    let latent = inputs.iter().find(|port| port.shape.len() == 5);
    let length = |axis: usize| match latent.and_then(|port| port.shape.get(axis)) {
        Some(Dim::Fixed(length)) => Some(*length),
        _ => None,
    };
    [length(2), length(3), length(4)]
}

impl Clips {
    /// As the reference has it, the noise that there is is the noise that the decoder is told unless said otherwise.
    fn finish(&self, wanted: FinishWanted) -> Result<Option<(f64, f64)>> {
        let FinishWanted { timestep, noise } = wanted;
        for (flag, value) in [("--decode-timestep", timestep), ("--decode-noise-scale", noise)] {
            let Some(value) = value else { continue };
            ensure!(
                self.takes_noise,
                "{flag} is for decoders that take out noise, which this model's does not; leave it out"
            );
            ensure!((0.0..=1.0).contains(&value), "{flag} is {value}, but must lie in 0..=1");
        }
        let told = timestep.unwrap_or(0.0);
        Ok((timestep.is_some() || noise.is_some()).then(|| (told, noise.unwrap_or(told))))
    }

    /// Pixels as latents; the flag's value must be a multiple, and what the network was exported for.
    fn side(&self, flag: &str, pixels: usize, step: usize, fixed: Option<usize>) -> Result<usize> {
        let factor = self.codec.factor;
        if let Some(only) = fixed.map(|latents| latents * factor)
            && only != pixels
        {
            bail!("{flag} is {pixels}, but this model was exported for {only} pixels; leave {flag} out");
        }
        let step = factor * step;
        if pixels == 0 || !pixels.is_multiple_of(step) {
            let below = (pixels / step * step).max(step);
            bail!("{flag} is {pixels}, but must be a multiple of {step}; nearest are {below} and {}", below + step);
        }
        ensure!(pixels <= MAX_SIDE, "{flag} is {pixels}, but clips end at {MAX_SIDE} pixels a side");
        Ok(pixels / factor)
    }

    /// Frames as latent frames.
    fn frames(&self, frames: usize) -> Result<usize> {
        let [step, ..] = self.step;
        let latents = self.facts.latents(frames.max(1)) / step * step;
        let least = self.least_frames.max(self.fixed[0].unwrap_or(1));
        if frames > 0 && self.facts.frames(least) > frames {
            bail!("--frames is {frames}, but this model was exported for {} or more", self.facts.frames(least));
        }
        if frames == 0 || self.facts.frames(latents) != frames {
            let (below, above) = (
                self.facts.frames(latents.max(step).max(least)),
                self.facts.frames(latents.max(step).max(least) + step),
            );
            let nearest = if frames < below { below.to_string() } else { format!("{below} and {above}") };
            bail!("--frames is {frames}, which this model cannot make; nearest are {nearest}");
        }
        ensure!(frames <= MOST_FRAMES, "--frames is {frames}, but clips end at {MOST_FRAMES} frames");
        Ok(latents)
    }
}

fn check_fps(what: &str, fps: f64) -> Result<()> {
    ensure!(fps > 0.0 && fps <= FASTEST, "{what} is {fps}, but must be above 0 and up to {FASTEST} frames a second");
    Ok(())
}

impl Medium for Clips {
    fn modality(&self) -> Modality {
        Modality::Clip
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn measure(&self, wanted: &Wanted, _: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        let extent = ClipExtent {
            width: wanted.width.unwrap_or(self.habits.width),
            height: wanted.height.unwrap_or(self.habits.height),
            frames: wanted.clip.frames.unwrap_or(self.habits.frames),
            fps: wanted.clip.fps.unwrap_or(self.habits.fps),
            memory: wanted.memory.unwrap_or(MEMORY),
            finish: self.finish(wanted.clip.finish)?,
        };
        check_fps("--fps", extent.fps)?;
        if extent.memory < self.least_memory {
            let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
            bail!(
                "--max-memory is {}M, but decoding takes at least {}M with this model",
                megabytes(extent.memory),
                megabytes(self.least_memory)
            );
        }
        let ([_, steps @ ..], [_, fixed @ ..]) = (self.step, self.fixed);
        let shape = vec![
            self.codec.channels,
            self.frames(extent.frames)?,
            self.side("--height", extent.height, steps[0], fixed[0])?,
            self.side("--width", extent.width, steps[1], fixed[1])?,
        ];
        Ok((Extent::Clip(extent), shape))
    }

    fn input_channels(&self) -> usize {
        match self.told {
            Told::Frames { .. } => 2 * self.codec.channels + self.facts.ratio,
            Told::Nothing | Told::Places => self.codec.channels,
        }
    }

    fn like(&self, width: usize, height: usize) -> (usize, usize) {
        // As many pixels as by habit, cut to whole patches.
        let (area, aspect) = ((self.habits.width * self.habits.height) as f64, height as f64 / width.max(1) as f64);
        let side = |length: f64, step: usize| {
            let step = step * self.codec.factor;
            (length.round() as usize / step * step).max(step)
        };
        (side((area / aspect).sqrt(), self.step[2]), side((area * aspect).sqrt(), self.step[1]))
    }

    fn showing(&self, folder: &Folder, options: &GraphOptions) -> Option<Box<dyn Show>> {
        let Told::Frames { sees } = self.told else { return None };
        Some(Box::new(Showing::new(folder, options, self.facts, self.codec.clone(), sees)))
    }

    fn places(&self, extent: Extent, shape: &[usize]) -> Option<Latent> {
        let (Told::Places, Extent::Clip(extent), [_, frames, height, width]) = (self.told, extent, shape) else {
            return None;
        };
        let steps = [self.facts.ratio as f64 / extent.fps, self.codec.factor as f64, self.codec.factor as f64];
        Some(places([*frames, *height, *width], steps))
    }

    fn left_noise(&self, extent: Extent) -> f64 {
        match extent {
            Extent::Clip(ClipExtent { finish: Some((_, noise)), .. }) => noise,
            _ => 0.0,
        }
    }

    fn window(&self) -> Option<Window> {
        self.window.map(Window::of)
    }

    fn least_memory(&self) -> Option<u64> {
        Some(self.least_memory)
    }

    fn keeps_frames(&self) -> bool {
        self.encodes && self.told == Told::Nothing
    }

    fn keep(
        &self,
        folder: &Folder,
        options: &GraphOptions,
        ends: [Option<&Picture>; 2],
        shape: &[usize],
        cancel: &Cancel,
    ) -> Result<Kept> {
        kept::keep(folder, options, &self.codec, self.facts, ends, shape, cancel)
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = Decoder::open(folder, self.facts, &self.codec, options, cancel)?;
        Ok(Box::new(Decoding { decoder, codec: self.codec.clone() }))
    }

    fn encoder(&self, _: &Folder, _: &GraphOptions, _: &Cancel) -> Result<Box<dyn Encode>> {
        bail!("{FOREIGN}; there is nothing it could start from")
    }

    fn scaled(&self, latent: Latent) -> Latent {
        self.codec.to_scaled(latent.view())
    }

    fn mask(&self, _: &Mask, _: Extent, _: &[usize]) -> Result<Latent> {
        bail!("{FOREIGN}, so it takes no mask")
    }
}

/// Where the places of a latent lie, `[3, places]`: seconds, and pixels down and to the right.
fn places([frames, height, width]: [usize; 3], steps: [f64; 3]) -> Latent {
    Latent::from_shape_fn(vec![3, frames * height * width], |at| {
        let index = [at[1] / (height * width), at[1] / width % height, at[1] % width];
        (index[at[0]] as f64 * steps[at[0]]) as f32
    })
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media> {
        let Extent::Clip(extent) = extent else { bail!("this model makes clips only") };
        let time = extent.finish.map_or(0.0, |(told, _)| told);
        let how = DecodeOptions { fps: extent.fps, time, memory: extent.memory };
        self.decoder.clip(latent.view(), &self.codec, how, cancel).map(Media::Clip)
    }
}
