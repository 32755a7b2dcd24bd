//! Text encoders: token ids to conditioning.

use super::Encoded;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, IxDyn};

/// Names that exporters give to the token ids and to the last hidden state.
const IDS: &[&str] = &["input_ids"];
const MASK: &[&str] = &["attention_mask"];
const HIDDEN: &[&str] = &["last_hidden_state", "text_embeddings", "hidden_state"];

/// What becomes of the padding behind a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Padding {
    /// The encoder reads it like words (CLIP; T5 as LTX-Video uses it).
    #[default]
    Read,
    /// The encoder overlooks it, and its states there are zeros (UMT5 as Wan uses it).
    Zeroed,
}

/// The graph that turns token ids into what a denoiser is conditioned on.
pub struct TextEncoder {
    graph: Graph,
    component: String,
    ids: usize,
    mask: Option<usize>,
    hidden: usize,
}

impl TextEncoder {
    /// Opens the graph of `component` (`text_encoder`, `text_encoder_2`, ...).
    pub fn open(folder: &Folder, component: &str, options: &GraphOptions) -> Result<Self> {
        Self::open_cancellable(folder, component, options, &Cancel::new())
    }

    /// As [`open`](Self::open), and another thread may stop it.
    pub fn open_cancellable(folder: &Folder, component: &str, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(component)?, options, cancel)?;
        let ids = input(&graph, component, IDS)?;
        let hidden = output(&graph, component, HIDDEN)?;
        let mask = graph.input_of(MASK);
        Ok(Self { graph, component: component.to_owned(), ids, mask, hidden })
    }

    /// The conditioning of every row of token ids: `[batch, tokens, dim]`.
    ///
    /// Rows are run one at a time, so that a prompt's conditioning does not depend on its neighbours and graphs with a fixed
    /// batch of one serve as well.
    pub fn encode(&mut self, ids: &[Vec<i64>], cancel: &Cancel) -> Result<ArrayD<f32>> {
        let mut shape = vec![0, 0, 0];
        let mut values = Vec::new();
        for row in ids {
            let own = self.encode_row(row, row.len(), cancel, &mut values)?;
            ensure!(
                shape[0] == 0 || shape[1..] == own[1..],
                "{} was given prompts of different lengths: pad them alike",
                self.component
            );
            shape = vec![shape[0] + 1, own[1], own[2]];
        }
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), values)?)
    }

    /// The conditioning of one text: `[tokens, dim]`.
    ///
    /// # Errors
    /// When the graph fails, or takes no `attention_mask` to overlook the padding by.
    pub fn encode_text(&mut self, text: &Encoded, padding: Padding, cancel: &Cancel) -> Result<ArrayD<f32>> {
        let read = match padding {
            Padding::Read => text.ids.len(),
            Padding::Zeroed => text.tokens,
        };
        ensure!(
            padding == Padding::Read || self.mask.is_some(),
            "the graph of {} takes no attention_mask, without which it reads the padding behind a prompt: export it with one",
            self.component
        );
        let mut values = Vec::new();
        let shape = self.encode_row(&text.ids, read, cancel, &mut values)?;
        let width = shape.last().copied().unwrap_or_default();
        values.iter_mut().skip(read * width).for_each(|value| *value = 0.0);
        Ok(ArrayD::from_shape_vec(IxDyn(&shape[1..]), values)?)
    }

    /// Encodes a row, of which the first `read` tokens are looked at.
    fn encode_row(&mut self, row: &[i64], read: usize, cancel: &Cancel, values: &mut Vec<f32>) -> Result<Vec<usize>> {
        self.check_length(row.len())?;
        let shape = [1, row.len()];
        self.graph.set_i64(self.ids, &shape, row)?;
        if let Some(mask) = self.mask {
            let mask_row: Vec<i64> = (0..row.len()).map(|at| i64::from(at < read)).collect();
            self.graph.set_i64(mask, &shape, &mask_row)?;
        }
        self.graph.run(cancel)?;
        let shape = self.graph.output_shape(self.hidden)?.to_vec();
        let [1, tokens, dim] = shape[..] else {
            bail!(
                "{} gave a conditioning of shape {shape:?} instead of [1, tokens, dim]: export its graph again",
                self.component
            )
        };
        let start = values.len();
        values.resize(start + tokens * dim, 0.0);
        self.graph.read_f32(self.hidden, 0, &mut values[start..])?;
        finite(&self.component, &values[start..])?;
        Ok(shape)
    }

    fn check_length(&self, given: usize) -> Result<()> {
        match self.graph.inputs().get(self.ids).and_then(|port| port.shape.get(1)) {
            Some(Dim::Fixed(taken)) if *taken != given => bail!(
                "the graph of {} takes {taken} tokens and the tokenizer gives {given}: set \"model_max_length\" in tokenizer_config.json to {taken}",
                self.component
            ),
            _ => Ok(()),
        }
    }
}
