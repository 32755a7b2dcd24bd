//! Meshes.

use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use edrun_modalities::LatentCodec;
use edrun_modalities::mesh::{Extraction, FieldDecoder, FieldFacts, Mesh, Up, drop_parts, extract, simplify};
use edrun_onnx::{Cancel, Folder, GraphOptions};
use serde_json::{Value as Json, json};

use super::{Decode, Encode, Extent, Mask, Media, Medium, Modality, Wanted};
use crate::sampling::Latent;

/// What is wanted of a mesh; what is `None` has a default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeshWanted {
    /// Cells along each side of the grid that the surface is found on.
    pub resolution: Option<usize>,
    /// Triangles, at most.
    pub faces: Option<usize>,
    /// Whether edges and corners are kept sharp.
    pub sharp: bool,
    /// Share of the surface that a loose part must have to stay.
    pub min_part: Option<f32>,
}

/// How a mesh will be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeshExtent {
    /// Cells along each side of the grid that the surface is found on.
    pub resolution: usize,
    /// Triangles, at most.
    pub faces: Option<usize>,
    /// Whether edges and corners are kept sharp.
    pub sharp: bool,
    /// Share of the surface that a loose part must have to stay.
    pub min_part: f32,
    memory: u64,
}

impl MeshExtent {
    /// The flags that ask for it.
    pub(super) fn flags(self) -> Vec<(&'static str, Json)> {
        let Self { resolution, faces, sharp, min_part, .. } = self;
        vec![
            ("resolution", json!(resolution)),
            ("faces", json!(faces)),
            ("sharp", json!(sharp)),
            ("min_part", shortest(min_part)),
        ]
    }
}

/// A number as people write it: 0.01 and not all the digits of what is nearest to it.
fn shortest(value: f32) -> Json {
    value.to_string().parse::<f64>().map_or(Json::Null, Json::from)
}

/// The share of the surface below which a loose part is a crumb.
const CRUMB: f32 = 0.01;

/// The fewest triangles that enclose anything.
const FEWEST: usize = 4;

/// Fields, and their latents.
#[derive(Clone, Debug)]
struct Fields {
    codec: LatentCodec,
    latent_shape: Vec<usize>,
    facts: FieldFacts,
}

/// The graphs of the decoder, and what their latents mean.
struct Decoding {
    decoder: FieldDecoder,
    codec: LatentCodec,
    up: Up,
}

/// Reads the facts of fields.
pub(crate) fn read(folder: &Folder) -> Result<Arc<dyn Medium>> {
    let config = folder.json("vae_decoder/config.json")?;
    let shape = config.as_ref().and_then(|config| config.get("latent_shape"));
    let latent_shape = shape.and_then(|shape| serde_json::from_value::<Vec<usize>>(shape.clone()).ok());
    let latent_shape = latent_shape.filter(|shape| shape.len() > 1 && shape.iter().all(|n| (1..1 << 16).contains(n)));
    let latent_shape = latent_shape.context(
        "the key latent_shape of vae_decoder/config.json must be the lengths of a latent's axes, channels first",
    )?;
    let codec = LatentCodec::from_configs(config.as_ref(), None, 1.0)?;
    ensure!(
        latent_shape.first() == Some(&codec.channels),
        "vae_decoder/config.json has latent_channels {} and latent_shape {latent_shape:?}: the first length must be the channels",
        codec.channels
    );
    Ok(Arc::new(Fields { codec, latent_shape, facts: FieldFacts::read(folder)? }))
}

/// What a report says of a mesh.
pub(super) fn facts(mesh: &Mesh) -> Json {
    let topology = mesh.topology();
    json!({
        "vertices": mesh.positions.len(),
        "faces": mesh.triangles.len(),
        "parts": topology.parts,
        "watertight": topology.is_watertight(),
        "euler_characteristic": topology.euler_characteristic,
    })
}

impl MeshExtent {
    fn new(wanted: &MeshWanted, memory: Option<u64>) -> Result<Self> {
        let default = Extraction::default();
        let extent = Self {
            resolution: wanted.resolution.unwrap_or(default.cells),
            faces: wanted.faces,
            sharp: wanted.sharp,
            min_part: wanted.min_part.unwrap_or(CRUMB),
            memory: memory.unwrap_or(default.memory),
        };
        extent.extraction().check().context("--resolution cannot be honoured")?;
        if let Some(faces) = extent.faces.filter(|faces| *faces < FEWEST) {
            bail!("--faces is {faces}, but {FEWEST} triangles are the fewest that enclose anything");
        }
        if !(0.0..1.0).contains(&extent.min_part) {
            bail!("--min-part is {}, but must be 0 or more and below 1", extent.min_part);
        }
        Ok(extent)
    }

    fn extraction(&self) -> Extraction {
        Extraction { cells: self.resolution, sharp: self.sharp, memory: self.memory, ..Extraction::default() }
    }
}

impl Medium for Fields {
    fn modality(&self) -> Modality {
        Modality::Mesh
    }

    fn channels(&self) -> usize {
        self.codec.channels
    }

    fn measure(&self, wanted: &Wanted, _: Option<&Media>) -> Result<(Extent, Vec<usize>)> {
        Ok((Extent::Mesh(MeshExtent::new(&wanted.mesh, wanted.memory)?), self.latent_shape.clone()))
    }

    fn decoder(&self, folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Box<dyn Decode>> {
        let decoder = FieldDecoder::open(folder, self.facts.clone(), options, cancel)?;
        Ok(Box::new(Decoding { decoder, codec: self.codec.clone(), up: self.facts.up }))
    }

    fn encoder(&self, _: &Folder, _: &GraphOptions, _: &Cancel) -> Result<Box<dyn Encode>> {
        bail!("this model makes meshes from words only; there is nothing it could start from")
    }

    fn scaled(&self, latent: Latent) -> Latent {
        self.codec.to_scaled(latent.view())
    }

    fn mask(&self, _: &Mask, _: Extent, _: &[usize]) -> Result<Latent> {
        bail!("a mesh takes no mask")
    }
}

impl Decode for Decoding {
    fn decode(&mut self, latent: &Latent, extent: Extent, cancel: &Cancel) -> Result<Media> {
        let Extent::Mesh(extent) = extent else { bail!("this model makes meshes only") };
        let mut field = self.decoder.field(latent.view(), &self.codec, cancel)?;
        let mut mesh = extract(&mut *field, &extent.extraction(), cancel)?.mesh;
        mesh.positions.iter_mut().for_each(|position| *position = self.up.to_y(*position));
        drop_parts(&mut mesh, extent.min_part);
        ensure!(!mesh.triangles.is_empty(), "nothing but crumbs came out: give --min-part 0, or try another seed");
        if let Some(faces) = extent.faces {
            simplify(&mut mesh, faces, cancel)?;
        }
        Ok(Media::Mesh(mesh))
    }
}
