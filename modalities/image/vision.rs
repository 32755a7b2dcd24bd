//! Pictures as a vision transformer sees them (CLIP's, as image-to-video models are conditioned by it).

use super::Picture;
use crate::graphs::{finite, input, output};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, Axis};
use serde_json::Value;

const COMPONENT: &str = "image_encoder";
const PIXELS: &[&str] = &["pixel_values"];
const STATES: &[&str] = &["hidden_states", "last_hidden_state"];
/// Where the facts of the pixels stand.
const CONFIG: &str = "image_processor/preprocessor_config.json";

/// The graph that turns a picture into states.
pub struct VisionEncoder {
    graph: Graph,
    pixels: usize,
    states: usize,
    facts: Facts,
}

/// `preprocessor_config.json` of transformers' `CLIPImageProcessor`.
#[derive(Clone, Debug, PartialEq)]
struct Facts {
    /// The picture's shorter side is brought to this, and a square of this side is cut from its middle.
    side: usize,
    mean: [f32; 3],
    std: [f32; 3],
}

impl VisionEncoder {
    /// Opens `image_encoder` in `folder`; another thread may stop it.
    ///
    /// # Errors
    /// When the graph is missing, damaged or foreign, or `image_processor` asks for another way to prepare pictures.
    pub fn open(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let facts = Facts::read(folder.json(CONFIG)?.as_ref())?;
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let (pixels, states) = (input(&graph, COMPONENT, PIXELS)?, output(&graph, COMPONENT, STATES)?);
        let side = graph.inputs().get(pixels).and_then(|port| port.shape.last());
        if let Some(Dim::Fixed(side)) = side.filter(|dim| **dim != Dim::Fixed(facts.side)) {
            bail!(
                "{COMPONENT} takes pictures of {side} pixels, but {CONFIG} makes {} of them: export the model again",
                facts.side
            );
        }
        Ok(Self { graph, pixels, states, facts })
    }

    /// The states of a picture, `[patches, width]`.
    ///
    /// # Errors
    /// When the graph fails.
    pub fn encode(&mut self, picture: &Picture, cancel: &Cancel) -> Result<ArrayD<f32>> {
        let (side, planes) = (self.facts.side, self.facts.planes(picture)?);
        self.graph.set_f32(self.pixels, &[1, 3, side, side], &planes)?;
        self.graph.run(cancel)?;
        let states = self.graph.output_f32(self.states)?;
        ensure!(
            states.ndim() == 3 && states.shape().first() == Some(&1),
            "{COMPONENT} gave states of shape {:?} instead of [1, patches, width]: export its graph again",
            states.shape()
        );
        finite(COMPONENT, &states.iter().copied().collect::<Vec<_>>())?;
        Ok(states.index_axis_move(Axis(0), 0))
    }
}

impl Facts {
    fn read(config: Option<&Value>) -> Result<Self> {
        let config =
            config.with_context(|| format!("{CONFIG} is missing: copy it from the model that was exported"))?;
        let off = |key: &str| config.get(key).is_some_and(|value| *value == Value::Bool(false));
        for key in ["do_resize", "do_center_crop", "do_rescale", "do_normalize"] {
            ensure!(!off(key), "{CONFIG} has \"{key}\": false, which is not supported: only CLIP's own preparation is");
        }
        let length = |key: &str, names: &[&str]| {
            let value = config.get(key);
            let found = names.iter().find_map(|name| value?.get(name)?.as_u64()).or_else(|| value?.as_u64());
            found.filter(|side| (1..=4096).contains(side)).map(|side| side as usize)
        };
        let side = length("size", &["shortest_edge", "height"]);
        match (side, length("crop_size", &["height"])) {
            (Some(side), Some(crop)) if side == crop => {
                Ok(Self { side, mean: triple(config, "image_mean")?, std: triple(config, "image_std")? })
            }
            (side, crop) => bail!(
                "{CONFIG} has the size {side:?} and the crop_size {crop:?}, which must be the same number of pixels"
            ),
        }
    }

    /// Planes `[3, side, side]`, normalised.
    fn planes(&self, picture: &Picture) -> Result<Vec<f32>> {
        let (side, short) = (self.side, picture.width.min(picture.height));
        // transformers cuts off the longer side's fraction.
        let [width, height] = [picture.width, picture.height].map(|pixels| side * pixels / short);
        let picture = picture.resized_smoothly(width, height)?;
        let (left, top) = ((width - side) / 2, (height - side) / 2);
        let at =
            |colour: usize, y: usize, x: usize| picture.rgb.get(((top + y) * width + left + x) * 3 + colour).copied();
        let value = |i: usize| {
            let (colour, y, x) = (i / (side * side), i / side % side, i % side);
            (at(colour, y, x).unwrap_or_default() - self.mean[colour]) / self.std[colour]
        };
        Ok((0..3 * side * side).map(value).collect())
    }
}

fn triple(config: &Value, key: &str) -> Result<[f32; 3]> {
    let numbers = config.get(key).and_then(|value| serde_json::from_value::<[f32; 3]>(value.clone()).ok());
    let numbers = numbers.filter(|numbers| key != "image_std" || !numbers.contains(&0.0));
    numbers.with_context(|| format!("{CONFIG} does not give {key} as three numbers: export the model again"))
}
