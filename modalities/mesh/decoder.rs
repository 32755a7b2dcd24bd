//! Latents to fields.
//!
//! A folder has `vae_decoder`, which turns a latent into the values of a grid or into whatever describes the object, and where
//! it describes it, `field`, which answers for points.

mod facts;
mod queried;

pub use facts::{FieldFacts, Up};

use super::{Field, Grid, Region, Vec3};
use crate::LatentCodec;
use crate::graphs::{finite, input};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, ArrayViewD};
use queried::Queried;

const COMPONENT: &str = "vae_decoder";
const FIELD: &str = "field";
const LATENT: &[&str] = &["latent_sample", "latent", "latents"];

/// The graphs that turn latents into fields.
pub struct FieldDecoder {
    /// `None` where the field takes the latent as it is.
    decoder: Option<Graph>,
    field: Option<Graph>,
    facts: FieldFacts,
}

impl FieldDecoder {
    /// Opens the graphs of `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When a graph is missing, damaged or foreign.
    pub fn open(folder: &Folder, facts: FieldFacts, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let load = |component: &str| -> Result<Option<Graph>> {
            if !folder.has(component) {
                return Ok(None);
            }
            Ok(Some(Graph::load_cancellable(&folder.graph(component)?, options, cancel)?))
        };
        let (decoder, field) = (load(COMPONENT)?, load(FIELD)?);
        if decoder.is_none() && field.is_none() {
            folder.graph(COMPONENT)?;
        }
        Ok(Self { decoder, field, facts })
    }

    /// The field of one `latent`, as the sampler leaves it. It lives as long as nothing else is decoded.
    ///
    /// # Errors
    /// When a graph fails, or gives values that are not finite or of another shape than its configuration states.
    pub fn field<'d>(
        &'d mut self,
        latent: ArrayViewD<'_, f32>,
        codec: &LatentCodec,
        cancel: &Cancel,
    ) -> Result<Box<dyn Field + 'd>> {
        let latent = codec.to_decoder(latent);
        finite("the sampler", latent.as_slice().unwrap_or_default())?;
        let described = match &mut self.decoder {
            Some(graph) => described(graph, &latent, cancel)?,
            None => vec![(LATENT[0].to_owned(), latent)],
        };
        match &mut self.field {
            Some(graph) => Ok(Box::new(Queried::new(graph, &described, &self.facts, cancel.clone())?)),
            None => Ok(Box::new(grid(described, &self.facts)?)),
        }
    }
}

/// Every output of the decoder, by name.
fn described(graph: &mut Graph, latent: &ArrayD<f32>, cancel: &Cancel) -> Result<Vec<(String, ArrayD<f32>)>> {
    let port = input(graph, COMPONENT, LATENT)?;
    let shape = [&[1], latent.shape()].concat();
    graph.set_f32(port, &shape, latent.as_slice().unwrap_or_default())?;
    graph.run(cancel)?;
    let names: Vec<String> = graph.outputs().iter().map(|port| port.name.clone()).collect();
    names.into_iter().enumerate().map(|(i, name)| Ok((name, graph.output_f32(i)?))).collect()
}

/// A decoder that gives the values at the points of a grid: distances, and colours where there are four channels.
fn grid(described: Vec<(String, ArrayD<f32>)>, facts: &FieldFacts) -> Result<Grid> {
    let Some((name, values)) = described.into_iter().next() else {
        bail!("{COMPONENT} has no output: export it again")
    };
    let shape = values.shape().to_vec();
    let [1, channels @ (1 | 4), side, y, z] = shape[..] else { bail!("{}", wrong(&name, &shape)) };
    ensure!(side == y && side == z && side > 1, "{}", wrong(&name, &shape));
    let values: Vec<f32> = values.into_iter().collect();
    finite(COMPONENT, &values)?;
    let (distances, colours) = values.split_at(side.pow(3));
    let distances = distances.iter().map(|&value| facts.distance(value)).collect();
    let colours = (channels == 4).then(|| facts.colours(colours));
    Grid::new(facts.region(), side, distances, colours)
}

fn wrong(name: &str, shape: &[usize]) -> String {
    format!(
        "{COMPONENT} gave {name} of shape {shape:?} instead of [1, 1 or 4, side, side, side], and there is no {FIELD} graph to \
         make sense of it: export it again"
    )
}

impl FieldFacts {
    fn region(&self) -> Region {
        Region::around(self.half_size)
    }

    /// A value of the decoder as a distance, negative inside.
    fn distance(&self, value: f32) -> f32 {
        if self.inside_is_positive() { self.level - value } else { value - self.level }
    }

    /// Planes of red, green and blue as colours, 0..=1.
    fn colours(&self, planes: &[f32]) -> Vec<Vec3> {
        let size = planes.len() / 3;
        let channel = |i: usize| planes.get(i).map_or(0.0, |&value| self.colour(value));
        (0..size).map(|i| Vec3::new(channel(i), channel(size + i), channel(2 * size + i))).collect()
    }

    fn colour(&self, value: f32) -> f32 {
        let [low, high] = self.colour_range;
        (value - low) / (high - low)
    }
}
