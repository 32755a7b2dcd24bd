//! Latents to pictures.

use super::Picture;
use crate::codec::LatentCodec;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::ArrayViewD;

const COMPONENT: &str = "vae_decoder";
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];
const SAMPLE: &[&str] = &["sample", "images", "image"];

/// The graph that turns latents into pixels.
pub struct Decoder {
    graph: Graph,
    latent: usize,
    sample: usize,
}

impl Decoder {
    /// Opens `vae_decoder` in `folder`.
    pub fn open(folder: &Folder, options: &GraphOptions) -> Result<Self> {
        Self::open_cancellable(folder, options, &Cancel::new())
    }

    /// As [`open`](Self::open), and another thread may stop it.
    pub fn open_cancellable(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let latent = input(&graph, COMPONENT, LATENT)?;
        let sample = output(&graph, COMPONENT, SAMPLE)?;
        Ok(Self { graph, latent, sample })
    }

    /// The picture of one `latent`, `[channels, height, width]` as the sampler leaves it.
    ///
    /// Values that are not finite are an error that names their source, never a black picture.
    pub fn decode(&mut self, latent: ArrayViewD<'_, f32>, codec: &LatentCodec, cancel: &Cancel) -> Result<Picture> {
        let scaled = codec.for_graph(COMPONENT, latent, &["height", "width"])?;
        let shape = [&[1], scaled.shape()].concat();
        self.graph.set_f32(self.latent, &shape, scaled.as_slice().unwrap_or_default())?;
        self.graph.run(cancel)?;
        self.picture()
    }

    fn picture(&self) -> Result<Picture> {
        let shape = self.graph.output_shape(self.sample)?.to_vec();
        let [1, 3, height, width] = shape[..] else {
            bail!(
                "{COMPONENT} gave a picture of shape {shape:?} instead of [1, 3, height, width]: export its graph again"
            )
        };
        let mut planes = vec![0.0; 3 * height * width];
        self.graph.read_f32(self.sample, 0, &mut planes)?;
        finite(COMPONENT, &planes)?;
        Picture::from_planes(width, height, &planes)
    }
}
