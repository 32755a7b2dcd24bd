//! Latents to frames.
//!
//! [`Decoder`] is handed the latent of a whole clip and hands out a [`Clip`], whose frames it makes while they are shown.

mod canvas;
mod facts;
mod memory;
mod play;
mod steps;
mod tiles;
mod tiling;

use super::{Clip, Frames, Shape};
use crate::LatentCodec;
use crate::image::Picture;
use anyhow::Result;
use edrun_onnx::{Cancel, Folder, GraphOptions};
use memory::Footprint;
use ndarray::{ArrayD, ArrayViewD, Ix4};
use play::Play;
use std::sync::{Arc, Mutex, PoisonError};
use steps::FrameDecoder;
use tiling::{Needs, Tiling};

pub use facts::ClipFacts;

const COMPONENT: &str = "vae_decoder";

/// The graph that turns latents into frames.
pub struct Decoder {
    steps: Arc<Mutex<FrameDecoder>>,
    facts: ClipFacts,
    footprint: Footprint,
}

/// How a latent is decoded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecodeOptions {
    /// Frames a second.
    pub fps: f64,
    /// How much noise is left in the latent, for decoders that take it out.
    pub time: f64,
    /// Bytes that decoding may take, the decoder itself included: what would take more is decoded in tiles.
    pub memory: u64,
}

/// A clip that is not decoded yet.
struct Undecoded {
    steps: Arc<Mutex<FrameDecoder>>,
    /// `[channels, frames, height, width]`, as the graph takes it.
    latent: ArrayD<f32>,
    facts: ClipFacts,
    factor: usize,
    footprint: Footprint,
    memory: u64,
    /// Noise that is left in it.
    time: f32,
    cancel: Cancel,
}

impl Decoder {
    /// Opens `vae_decoder` in `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When the graph is missing, damaged or gives no frames.
    pub fn open(
        folder: &Folder,
        facts: ClipFacts,
        codec: &LatentCodec,
        options: &GraphOptions,
        cancel: &Cancel,
    ) -> Result<Self> {
        let steps = FrameDecoder::open(folder, facts, options, cancel)?;
        let footprint = Footprint::of(folder, facts, codec.factor)?;
        Ok(Self { steps: Arc::new(Mutex::new(steps)), facts, footprint })
    }

    /// Bytes that decoding takes at least.
    ///
    /// # Errors
    /// When the graph is missing or damaged.
    pub fn least_memory(folder: &Folder, facts: ClipFacts, codec: &LatentCodec) -> Result<u64> {
        Footprint::of(folder, facts, codec.factor).map(|footprint| footprint.least())
    }

    /// The clip of one latent, `[channels, frames, height, width]` as the sampler leaves it. Its frames are made when it is
    /// shown, until `cancel` is thrown.
    ///
    /// # Errors
    /// When the latent has another shape, or values that are not finite.
    pub fn clip(
        &self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        how: DecodeOptions,
        cancel: &Cancel,
    ) -> Result<Clip> {
        let latent = codec.for_graph(COMPONENT, latent, &["frames", "height", "width"])?;
        let at = |axis: usize| latent.shape().get(axis).copied().unwrap_or_default();
        let (width, height) = (at(3) * codec.factor, at(2) * codec.factor);
        let shape = Shape { width, height, frames: self.facts.frames(at(1)), fps: how.fps };
        let frames = Undecoded {
            steps: Arc::clone(&self.steps),
            latent,
            facts: self.facts,
            factor: codec.factor,
            footprint: self.footprint,
            memory: how.memory,
            time: how.time as f32,
            cancel: cancel.clone(),
        };
        Ok(Clip::new(shape, Arc::new(frames)))
    }
}

impl Frames for Undecoded {
    fn play(&self, show: &mut dyn FnMut(Picture) -> Result<()>) -> Result<()> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let latent = self.latent.view().into_dimensionality::<Ix4>()?;
        let (_, frames, height, width) = latent.dim();
        let needs = Needs { bytes: &|shape| self.footprint.call(&steps, shape), time: steps.time() };
        let tiling = Tiling::choose([frames, height, width], &needs, self.memory.saturating_sub(self.footprint.idle));
        let (facts, factor, time, cancel) = (self.facts, self.factor, self.time, &self.cancel);
        Play { steps: &mut steps, facts, factor, latent, tiling: &tiling, time, cancel }.run(show)
    }
}
