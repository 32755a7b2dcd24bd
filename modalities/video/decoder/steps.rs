//! Graphs that decode a clip, in the steps that they can.

use super::{COMPONENT, ClipFacts};
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::ArrayView4;

const LATENT: &[&str] = &["latent_sample", "latent", "latents"];
const SAMPLE: &[&str] = &["sample", "images", "image"];

/// A graph from latent frames to frames.
pub(super) struct FrameDecoder {
    graph: Graph,
    latent: usize,
    sample: usize,
    kind: Kind,
    facts: ClipFacts,
}

/// What a graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `[1, channels, height, width]`: one latent frame, which knows nothing of the others.
    Picture,
    /// `[1, channels, frames, height, width]`: many latent frames, or always so many.
    Clip(Option<usize>),
}

/// Frames that were decoded together, with values in -1..=1.
pub(super) struct Block {
    pub(super) frames: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// `[3, frames, height, width]`.
    pub(super) values: Vec<f32>,
}

impl Block {
    /// The planes `[3, height, width]` of one frame.
    pub(super) fn planes(&self, frame: usize) -> Vec<f32> {
        let size = self.height * self.width;
        let colours = self.values.chunks(self.frames * size).filter_map(|c| c.get(frame * size..(frame + 1) * size));
        colours.flatten().copied().collect()
    }
}

impl FrameDecoder {
    pub(super) fn open(folder: &Folder, facts: ClipFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let latent = input(&graph, COMPONENT, LATENT)?;
        let sample = output(&graph, COMPONENT, SAMPLE)?;
        let dims = graph.inputs().get(latent).map(|port| port.shape.clone()).unwrap_or_default();
        let kind = match dims[..] {
            [_, _, _, _] => Kind::Picture,
            [_, _, Dim::Fixed(frames), _, _] => Kind::Clip(Some(frames)),
            [_, _, _, _, _] => Kind::Clip(None),
            _ => bail!(
                "the graph of {COMPONENT} takes latents with {} axes instead of 4 or 5, so it makes no clips: export it again",
                dims.len()
            ),
        };
        ensure!(
            kind != Kind::Picture || facts.ratio == 1,
            "{COMPONENT} decodes frame by frame, but its config.json says that a latent frame stands for {}: export it again",
            facts.ratio
        );
        Ok(Self { graph, latent, sample, kind, facts })
    }

    /// Latent frames of a call; `None` where it must be all.
    pub(super) fn at_once(&self) -> Option<usize> {
        match self.kind {
            Kind::Picture => Some(1),
            Kind::Clip(_) => None,
        }
    }

    /// The next call begins a clip.
    pub(super) fn start(&mut self) -> Result<()> {
        Ok(())
    }

    /// The frames of the next latent frames, `[channels, frames, height, width]`.
    pub(super) fn next(&mut self, latents: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Block> {
        let &[channels, count, height, width] = latents.shape() else { bail!("a latent of a clip has four axes") };
        if let Kind::Clip(Some(fixed)) = self.kind {
            ensure!(
                fixed == count,
                "{COMPONENT} was exported for {} frames: ask for as many with --frames, or export it again",
                self.facts.frames(fixed)
            );
        }
        let shape: &[usize] = match self.kind {
            Kind::Picture => &[1, channels, height, width],
            Kind::Clip(_) => &[1, channels, count, height, width],
        };
        let values: Vec<f32> = latents.iter().copied().collect();
        self.graph.set_f32(self.latent, shape, &values)?;
        self.graph.run(cancel)?;
        self.block(self.facts.frames(count))
    }

    fn block(&self, frames: usize) -> Result<Block> {
        let shape = self.graph.output_shape(self.sample)?.to_vec();
        let (given, height, width) = match shape[..] {
            [1, 3, height, width] => (1, height, width),
            [1, 3, frames, height, width] => (frames, height, width),
            _ => bail!(
                "{COMPONENT} gave frames of shape {shape:?} instead of [1, 3, frames, height, width]: export its graph again"
            ),
        };
        ensure!(given == frames, "{COMPONENT} gave {given} frames where {frames} belong: export its graph again");
        let mut values = vec![0.0; 3 * frames * height * width];
        self.graph.read_f32(self.sample, 0, &mut values)?;
        finite(COMPONENT, &values)?;
        Ok(Block { frames, height, width, values })
    }
}
