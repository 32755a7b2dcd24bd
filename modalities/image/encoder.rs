//! Pictures to latents.

use super::Picture;
use crate::Posterior;
use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, Axis};

const COMPONENT: &str = "vae_encoder";
const SAMPLE: &[&str] = &["sample", "images", "image"];
const PARAMETERS: &[&str] = &["latent_parameters"];
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];

/// The graph that turns pixels into latents.
pub struct Encoder {
    graph: Graph,
    sample: usize,
    latent: usize,
    stacked: bool,
}

impl Encoder {
    /// Opens `vae_encoder` in `folder`.
    pub fn open(folder: &Folder, options: &GraphOptions) -> Result<Self> {
        Self::open_cancellable(folder, options, &Cancel::new())
    }

    /// As [`open`](Self::open), and another thread may stop it.
    pub fn open_cancellable(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let sample = input(&graph, COMPONENT, SAMPLE)?;
        let stacked = graph.output_of(PARAMETERS).is_some();
        let latent = output(&graph, COMPONENT, &[PARAMETERS, LATENT].concat())?;
        Ok(Self { graph, sample, latent, stacked })
    }

    /// The latent distribution of `picture`, whose sides must be multiples of the codec's factor.
    pub fn encode(&mut self, picture: &Picture, codec: &LatentCodec, cancel: &Cancel) -> Result<Posterior> {
        let (width, height, factor) = (picture.width, picture.height, codec.factor);
        ensure!(
            width % factor == 0 && height % factor == 0,
            "a picture of {width}x{height} pixels does not divide into latents of {factor} pixels: resize it first"
        );
        self.graph.set_f32(self.sample, &[1, 3, height, width], &picture.to_planes())?;
        self.graph.run(cancel)?;
        let latent = self.graph.output_f32(self.latent)?;
        finite(COMPONENT, &latent.iter().copied().collect::<Vec<_>>())?;
        self.posterior(latent, codec)
    }

    fn posterior(&self, latent: ArrayD<f32>, codec: &LatentCodec) -> Result<Posterior> {
        let channels = codec.channels * if self.stacked { 2 } else { 1 };
        match latent.shape() {
            [1, given, _, _] if *given == channels => {}
            shape => bail!(
                "{COMPONENT} gave a latent of shape {shape:?} instead of [1, {channels}, height, width]: export its graph again"
            ),
        }
        let latent = latent.index_axis_move(Axis(0), 0);
        Ok(Posterior::of(latent, codec.channels, self.stacked))
    }
}
