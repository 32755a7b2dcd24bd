//! One frame to its latent, by graphs that encode frames for themselves.

use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use crate::image::Picture;
use anyhow::{Result, bail};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, Axis};

const COMPONENT: &str = "vae_encoder";
const SAMPLE: &[&str] = &["sample", "images"];
const LATENT: &[&str] = &["latent_parameters", "latent_sample", "latent"];

/// The graph that turns frames into latents.
pub struct FrameEncoder {
    graph: Graph,
    sample: usize,
    latent: usize,
    /// Whether it takes clips, of which a frame is the shortest.
    clips: bool,
}

impl FrameEncoder {
    /// Opens `vae_encoder` in `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When the graph is missing, damaged or takes no pictures.
    pub fn open(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let (sample, latent) = (input(&graph, COMPONENT, SAMPLE)?, output(&graph, COMPONENT, LATENT)?);
        let clips = graph.inputs().get(sample).is_some_and(|port| port.shape.len() == 5);
        Ok(Self { graph, sample, latent, clips })
    }

    /// The means `[channels, height, width]` of the latent of a frame, in the encoder's own units.
    ///
    /// # Errors
    /// When the graph fails, or gives something else.
    pub fn encode(&mut self, frame: &Picture, codec: &LatentCodec, cancel: &Cancel) -> Result<ArrayD<f32>> {
        let (height, width) = (frame.height, frame.width);
        let shape: &[usize] = if self.clips { &[1, 3, 1, height, width] } else { &[1, 3, height, width] };
        self.graph.set_f32(self.sample, shape, &frame.to_planes())?;
        self.graph.run(cancel)?;
        let mut latent = self.graph.output_f32(self.latent)?;
        finite(COMPONENT, &latent.iter().copied().collect::<Vec<_>>())?;
        if let [1, _, 1, _, _] = latent.shape() {
            latent = latent.index_axis_move(Axis(2), 0);
        }
        match *latent.shape() {
            // Variances may follow the means.
            [1, given, _, _] if [codec.channels, 2 * codec.channels].contains(&given) => {
                let means = latent.index_axis_move(Axis(0), 0);
                Ok(means.slice_axis(Axis(0), (..codec.channels).into()).to_owned())
            }
            _ => bail!(
                "{COMPONENT} gave {:?} instead of the latent of one frame: export its graph again",
                latent.shape()
            ),
        }
    }
}
