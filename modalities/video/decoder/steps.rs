//! Graphs that decode a clip, in the steps that they can.

use super::super::memory::Memory;
use super::tiling::Time;
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
    /// Where it is told how much noise is left in the latent, if it takes that out as well; and how much it is.
    timestep: Option<usize>,
    time: f32,
    kind: Kind,
    facts: ClipFacts,
}

/// What a graph takes.
enum Kind {
    /// `[1, channels, height, width]`: one latent frame, which knows nothing of the others.
    Picture,
    /// `[1, channels, frames, height, width]`: many latent frames, or always so many.
    Clip(Option<usize>),
    /// `[1, channels, 1, height, width]`: one latent frame, and what is remembered of those before it.
    Memory {
        memory: Memory,
        /// Whether a call was made since the clip began.
        begun: bool,
    },
}

impl Kind {
    fn of_memory(memory: Memory) -> Self {
        Self::Memory { memory, begun: false }
    }
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
    /// One of its frames.
    pub(super) fn frame(&self, frame: usize) -> Self {
        let Self { frames, height, width, .. } = *self;
        let size = height * width;
        let colours = self.values.chunks((frames * size).max(1));
        let planes = colours.filter_map(|colour| colour.get(frame * size..(frame + 1) * size));
        Self { frames: 1, height, width, values: planes.flatten().copied().collect() }
    }
}

impl FrameDecoder {
    pub(super) fn open(folder: &Folder, facts: ClipFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let latent = input(&graph, COMPONENT, LATENT)?;
        let sample = output(&graph, COMPONENT, SAMPLE)?;
        let dims = graph.inputs().get(latent).map(|port| port.shape.clone()).unwrap_or_default();
        let config = folder.json(&format!("{COMPONENT}/config.json"))?;
        let memory = Memory::of(&graph, COMPONENT, config.as_ref())?;
        let kind = match dims[..] {
            [_, _, _, _] => Kind::Picture,
            [_, _, Dim::Fixed(frames), _, _] => memory.map_or(Kind::Clip(Some(frames)), Kind::of_memory),
            [_, _, _, _, _] => memory.map_or(Kind::Clip(None), Kind::of_memory),
            _ => bail!(
                "the graph of {COMPONENT} takes latents with {} axes instead of 4 or 5, so it makes no clips: export it again",
                dims.len()
            ),
        };
        ensure!(
            !matches!(kind, Kind::Picture) || facts.ratio == 1,
            "{COMPONENT} decodes frame by frame, but its config.json says that a latent frame stands for {}: export it again",
            facts.ratio
        );
        let timestep = graph.input("timestep");
        Ok(Self { graph, latent, sample, timestep, time: 0.0, kind, facts })
    }

    /// Latent frames of a call.
    pub(super) fn time(&self) -> Time {
        match self.kind {
            Kind::Picture | Kind::Memory { .. } => Time::One,
            Kind::Clip(None) => Time::Any,
            Kind::Clip(Some(frames)) => Time::Exactly(frames),
        }
    }

    /// Whether a call depends on those before it.
    pub(super) fn remembers(&self) -> bool {
        matches!(self.kind, Kind::Memory { .. })
    }

    /// Numbers that are remembered of a latent of this size.
    pub(super) fn remembered(&self, height: usize, width: usize) -> u64 {
        match &self.kind {
            Kind::Memory { memory, .. } => memory.numbers(&self.graph, height, width),
            _ => 0,
        }
    }

    /// The next call begins a clip, in whose latent so much noise is left.
    pub(super) fn start(&mut self, time: f32) -> Result<()> {
        self.time = time;
        if let Kind::Memory { begun, .. } = &mut self.kind {
            *begun = false;
        }
        Ok(())
    }

    /// The frames of the next latent frames, `[channels, frames, height, width]`.
    pub(super) fn next(&mut self, latents: ArrayView4<'_, f32>, cancel: &Cancel) -> Result<Block> {
        let &[channels, count, height, width] = latents.shape() else { bail!("a latent of a clip has four axes") };
        if let Kind::Clip(Some(fixed)) = self.kind {
            ensure!(
                fixed == count,
                "{COMPONENT} was exported for {} frames: ask for as many or more with --frames, or export it again",
                self.facts.frames(fixed)
            );
        }
        let shape: &[usize] = match self.kind {
            Kind::Picture => &[1, channels, height, width],
            Kind::Clip(_) | Kind::Memory { .. } => &[1, channels, count, height, width],
        };
        let values: Vec<f32> = latents.iter().copied().collect();
        self.graph.set_f32(self.latent, shape, &values)?;
        if let Some(port) = self.timestep {
            self.graph.set_f32(port, &[1], &[self.time])?;
        }
        let frames = self.recall(self.facts.frames(count), height, width)?;
        self.graph.run(cancel)?;
        let block = self.block(frames)?;
        if let Kind::Memory { memory, .. } = &self.kind {
            memory.carry(&mut self.graph)?;
        }
        Ok(block)
    }

    /// Sets what a graph with a memory knows of the latent frames before; how many frames the call will make.
    fn recall(&mut self, frames: usize, height: usize, width: usize) -> Result<usize> {
        let Kind::Memory { memory, begun } = &mut self.kind else { return Ok(frames) };
        if std::mem::replace(begun, true) {
            return Ok(self.facts.ratio);
        }
        memory.clear(&mut self.graph, COMPONENT, height, width)?;
        Ok(1)
    }

    /// The last `frames` frames that the graph gave, which must be all, unless it has a memory: the first latent frame stands
    /// for one.
    fn block(&self, frames: usize) -> Result<Block> {
        let shape = self.graph.output_shape(self.sample)?.to_vec();
        let (given, height, width) = match shape[..] {
            [1, 3, height, width] => (1, height, width),
            [1, 3, frames, height, width] => (frames, height, width),
            _ => bail!(
                "{COMPONENT} gave frames of shape {shape:?} instead of [1, 3, frames, height, width]: export its graph again"
            ),
        };
        let expected = if matches!(self.kind, Kind::Memory { .. }) { self.facts.ratio } else { frames };
        ensure!(given == expected, "{COMPONENT} gave {given} frames where {expected} belong: export it again");
        let (size, mut values) = (height * width, vec![0.0; 3 * frames * height * width]);
        for (colour, into) in values.chunks_mut((frames * size).max(1)).enumerate() {
            self.graph.read_f32(self.sample, (colour * given + given - frames) * size, into)?;
        }
        finite(COMPONENT, &values)?;
        Ok(Block { frames, height, width, values })
    }
}
