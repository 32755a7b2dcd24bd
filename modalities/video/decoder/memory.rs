//! Memory that decoding takes.

use super::steps::FrameDecoder;
use super::tiling::{LEAST_SIDE, Time};
use super::{COMPONENT, ClipFacts};
use anyhow::Result;
use edrun_onnx::{Folder, Outline};

/// Tensors of the widest layer that are in memory at once: its input, its output, what is made for a convolution, and some that
/// the runtime has not given back yet.
const LIVE: u64 = 9;

/// A runtime keeps memory for larger blocks than it needs: the more so, the more comes and goes with what is remembered.
/// Measured on Wan's decoder at full width, 72 kB a pixel of a tile: 2.2 times as much as is there at once.
const SLACK: [u64; 2] = [9, 4];

/// What the process takes beside a decoder.
const REST: u64 = 256 << 20;

/// What a decoder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footprint {
    /// Before it decodes anything.
    pub(super) idle: u64,
    facts: ClipFacts,
    factor: usize,
}

impl Footprint {
    pub(super) fn of(folder: &Folder, facts: ClipFacts, factor: usize) -> Result<Self> {
        let weights = Outline::total_bytes(&folder.graph(COMPONENT)?)?;
        Ok(Self { idle: weights + REST, facts, factor })
    }

    /// The least that a clip can be decoded in.
    pub(super) fn least(&self) -> u64 {
        self.idle + self.work(1, LEAST_SIDE, LEAST_SIDE)
    }

    /// Bytes of a call for so many latent frames, rows and columns.
    pub(super) fn call(&self, steps: &FrameDecoder, [frames, height, width]: [usize; 3]) -> u64 {
        let made = match steps.time() {
            Time::One if steps.remembers() => self.facts.ratio,
            Time::One => 1,
            Time::Any | Time::Exactly(_) => self.facts.frames(frames),
        };
        // What is remembered goes in and comes out.
        let states = 2 * size_of::<f32>() as u64 * steps.remembered(height, width);
        let [more, than] = if steps.remembers() { SLACK } else { [1, 1] };
        (states + self.work(made, height, width)) * more / than
    }

    fn work(&self, frames: usize, height: usize, width: usize) -> u64 {
        let pixels = (frames * height * width * self.factor * self.factor) as u64;
        pixels * size_of::<f32>() as u64 * (LIVE * self.facts.width as u64 + 2 * 3)
    }
}
