//! Latents to frames.
//!
//! [`Decoder`] is handed the latent of a whole clip and hands out a [`Clip`], whose frames it makes while they are shown.

mod facts;
mod steps;

use super::{Clip, Frames, Shape};
use crate::LatentCodec;
use crate::image::Picture;
use anyhow::Result;
use edrun_onnx::{Cancel, Folder, GraphOptions};
use ndarray::{ArrayD, ArrayViewD, Axis, Ix4, Slice};
use std::sync::{Arc, Mutex, PoisonError};
use steps::{Block, FrameDecoder};

pub use facts::ClipFacts;

const COMPONENT: &str = "vae_decoder";

/// The graph that turns latents into frames.
pub struct Decoder {
    steps: Arc<Mutex<FrameDecoder>>,
    facts: ClipFacts,
}

/// A clip that is not decoded yet.
struct Undecoded {
    steps: Arc<Mutex<FrameDecoder>>,
    /// `[channels, frames, height, width]`, as the graph takes it.
    latent: ArrayD<f32>,
    /// Noise that is left in it.
    time: f32,
    cancel: Cancel,
}

impl Decoder {
    /// Opens `vae_decoder` in `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When the graph is missing, damaged or gives no frames.
    pub fn open(folder: &Folder, facts: ClipFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let steps = FrameDecoder::open(folder, facts, options, cancel)?;
        Ok(Self { steps: Arc::new(Mutex::new(steps)), facts })
    }

    /// The clip of one latent, `[channels, frames, height, width]` as the sampler leaves it. Its frames are made when it is
    /// shown, until `cancel` is thrown. `time` is how much noise is left in it, for decoders that take it out.
    ///
    /// # Errors
    /// When the latent has another shape, or values that are not finite.
    pub fn clip(
        &self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        fps: f64,
        time: f64,
        cancel: &Cancel,
    ) -> Result<Clip> {
        let latent = codec.for_graph(COMPONENT, latent, &["frames", "height", "width"])?;
        let at = |axis: usize| latent.shape().get(axis).copied().unwrap_or_default();
        let shape =
            Shape { width: at(3) * codec.factor, height: at(2) * codec.factor, frames: self.facts.frames(at(1)), fps };
        let frames = Undecoded { steps: Arc::clone(&self.steps), latent, time: time as f32, cancel: cancel.clone() };
        Ok(Clip::new(shape, Arc::new(frames)))
    }
}

impl Frames for Undecoded {
    fn play(&self, show: &mut dyn FnMut(Picture) -> Result<()>) -> Result<()> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let latent = self.latent.view().into_dimensionality::<Ix4>()?;
        steps.start(self.time)?;
        let (frames, mut at) = (latent.shape().get(1).copied().unwrap_or_default(), 0);
        while at < frames {
            let end = frames.min(at + steps.at_once().unwrap_or(frames));
            let block = steps.next(latent.slice_axis(Axis(1), Slice::from(at..end)), &self.cancel)?;
            block.pictures().try_for_each(|picture| show(picture?))?;
            at = end;
        }
        Ok(())
    }
}

impl Block {
    /// Its frames, one by one.
    fn pictures(&self) -> impl Iterator<Item = Result<Picture>> {
        let Self { frames, height, width, .. } = *self;
        (0..frames).map(move |frame| Picture::from_planes(width, height, &self.planes(frame)))
    }
}
