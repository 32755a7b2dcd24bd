//! Pictures to the latent of a clip that begins, and may end, with them.

use super::ClipFacts;
use super::memory::Memory;
use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use crate::image::Picture;
use anyhow::{Context, Result, bail};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, Axis, concatenate};

const COMPONENT: &str = "vae_encoder";
const SAMPLE: &[&str] = &["sample", "images"];
const PARAMETERS: &[&str] = &["latent_parameters", "latent_sample"];

/// The graph that turns frames into latents, those of one latent frame a call.
pub struct Encoder {
    graph: Graph,
    sample: usize,
    latent: usize,
    memory: Memory,
    facts: ClipFacts,
}

/// The frames that are given of a clip; between them there is nothing.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// The first frame.
    pub first: &'a Picture,
    /// The last one.
    pub last: Option<&'a Picture>,
}

impl Encoder {
    /// Opens `vae_encoder` in `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When the graph is missing, damaged, or none that remembers (`past.N`).
    pub fn open(folder: &Folder, facts: ClipFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let config = folder.json(&format!("{COMPONENT}/config.json"))?;
        let memory = Memory::of(&graph, COMPONENT, config.as_ref())?.with_context(|| {
            format!("the graph of {COMPONENT} takes no past.0, so it cannot encode a clip step by step: export it with onnx/export/wan")
        })?;
        let (sample, latent) = (input(&graph, COMPONENT, SAMPLE)?, output(&graph, COMPONENT, PARAMETERS)?);
        Ok(Self { graph, sample, latent, memory, facts })
    }

    /// The means of the latent `[channels, frames, height, width]` of a clip with so many frames, in the encoder's own units.
    ///
    /// # Errors
    /// When the pictures do not divide into latents or the graph fails.
    pub fn encode(
        &mut self,
        ends: Ends<'_>,
        frames: usize,
        codec: &LatentCodec,
        cancel: &Cancel,
    ) -> Result<ArrayD<f32>> {
        let Picture { width, height, .. } = *ends.first;
        self.memory.clear(&mut self.graph, COMPONENT, height / codec.factor, width / codec.factor)?;
        let (last, ratio) = (self.facts.latents(frames) - 1, self.facts.ratio);
        let shape = [1, 3, ratio, height, width];
        let mut steps = Vec::new();
        for step in 0..=last {
            let at_end = match (step, ends.last) {
                (0, _) => Some(ends.first),
                (step, picture) if step == last => picture,
                _ => None,
            };
            self.graph.set_f32(self.sample, &shape, &block(at_end, ratio, height * width))?;
            self.graph.run(cancel)?;
            steps.push(self.mean(codec)?);
            self.memory.carry(&mut self.graph)?;
        }
        let views: Vec<_> = steps.iter().map(|step| step.view()).collect();
        Ok(concatenate(Axis(1), &views)?)
    }

    /// The means `[channels, 1, height, width]`, the first half of what the graph gives.
    fn mean(&self, codec: &LatentCodec) -> Result<ArrayD<f32>> {
        let latent = self.graph.output_f32(self.latent)?;
        let [1, given, 1, _, _] = *latent.shape() else {
            bail!(
                "{COMPONENT} gave a latent of shape {:?} instead of one latent frame: export its graph again",
                latent.shape()
            )
        };
        if given != codec.channels && given != 2 * codec.channels {
            bail!("{COMPONENT} gave {given} channels where latents have {}: export its graph again", codec.channels);
        }
        finite(COMPONENT, &latent.iter().copied().collect::<Vec<_>>())?;
        let latent = latent.index_axis_move(Axis(0), 0);
        Ok(latent.slice_axis(Axis(0), (..codec.channels).into()).to_owned())
    }
}

/// Frames `[3, frames, height, width]` of which the last is a picture; all others are zeros, which is grey.
fn block(at_end: Option<&Picture>, frames: usize, size: usize) -> Vec<f32> {
    let mut values = vec![0.0; 3 * frames * size];
    let Some(picture) = at_end else { return values };
    let planes = picture.to_planes();
    for (colour, plane) in values.chunks_mut(frames * size).zip(planes.chunks(size.max(1))) {
        let start = colour.len() - plane.len();
        colour.get_mut(start..).into_iter().for_each(|last| last.copy_from_slice(plane));
    }
    values
}
