//! Text encoders that are told which tokens are words.

use super::Encoded;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, IxDyn};

const COMPONENT: &str = "text_encoder";
const IDS: &[&str] = &["input_ids"];
const MASK: &[&str] = &["attention_mask"];
const STATES: &[&str] = &["last_hidden_state", "text_embeds", "hidden_state"];

/// The graph that turns token ids into states, one for each, or into one embedding, and overlooks what is behind a text.
pub struct MaskedEncoder {
    graph: Graph,
    ids: usize,
    mask: usize,
    states: usize,
}

impl MaskedEncoder {
    /// Opens `text_encoder` in `folder`.
    ///
    /// # Errors
    /// When the graph is missing, damaged or takes no `attention_mask`.
    pub fn open(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let (ids, mask) = (input(&graph, COMPONENT, IDS)?, input(&graph, COMPONENT, MASK)?);
        let states = output(&graph, COMPONENT, STATES)?;
        Ok(Self { graph, ids, mask, states })
    }

    /// The states of a text, `[tokens, width]` with those of the padding behind it, or its embedding, `[width]`.
    ///
    /// # Errors
    /// When the graph fails, or gives another shape or values that are not finite.
    pub fn encode(&mut self, text: &Encoded, cancel: &Cancel) -> Result<ArrayD<f32>> {
        let shape = [1, text.ids.len()];
        let mask: Vec<i64> = (0..text.ids.len()).map(|at| i64::from(at < text.tokens)).collect();
        self.graph.set_i64(self.ids, &shape, &text.ids)?;
        self.graph.set_i64(self.mask, &shape, &mask)?;
        self.graph.run(cancel)?;
        let own = match self.graph.output_shape(self.states)? {
            [1, own @ ..] if (1..=2).contains(&own.len()) => own.to_vec(),
            other => {
                bail!("{COMPONENT} gave {other:?} instead of [1, tokens, width] or [1, width]: export its graph again")
            }
        };
        let mut values = vec![0.0; own.iter().product()];
        self.graph.read_f32(self.states, 0, &mut values)?;
        finite(COMPONENT, &values)?;
        Ok(ArrayD::from_shape_vec(IxDyn(&own), values)?)
    }
}
