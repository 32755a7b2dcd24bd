//! Text encoders: token ids to conditioning.

use super::Encoded;
use crate::graphs::{finite, input, output};
use anyhow::{Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, IxDyn};

/// Names that exporters give to the token ids, and to the last hidden state or the embedding of a whole text.
const IDS: &[&str] = &["input_ids"];
const MASK: &[&str] = &["attention_mask"];
const HIDDEN: &[&str] = &["last_hidden_state", "text_embeddings", "hidden_state", "text_embeds"];

/// What becomes of the padding behind a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Padding {
    /// The encoder reads it like words (CLIP; T5 as LTX-Video uses it).
    #[default]
    Read,
    /// The encoder overlooks it, and its states there are zeros (UMT5 as Wan uses it, T5 as Stable Audio does).
    Zeroed,
    /// The encoder overlooks it, and gives one embedding of the whole text (CLAP as AudioLDM uses it).
    Whole,
}

impl Padding {
    /// How many tokens of a text the encoder looks at.
    fn read(self, text: &Encoded) -> usize {
        if self == Self::Read { text.ids.len() } else { text.tokens }
    }

    /// Whether this is the shape of what the encoder gives for one text.
    fn fits(self, shape: &[usize]) -> bool {
        shape.first() == Some(&1) && shape.len() == if self == Self::Whole { 2 } else { 3 }
    }
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

    /// The conditioning of one text: `[tokens, dim]`, or `[dim]` where it is embedded whole.
    ///
    /// Texts are run one at a time, so that the conditioning of one does not depend on its neighbours and graphs with a fixed
    /// batch of one serve as well.
    ///
    /// # Errors
    /// When the graph fails, or takes no `attention_mask` to overlook the padding by.
    pub fn encode_text(&mut self, text: &Encoded, padding: Padding, cancel: &Cancel) -> Result<ArrayD<f32>> {
        ensure!(
            padding == Padding::Read || self.mask.is_some(),
            "the graph of {} takes no attention_mask, without which it reads the padding behind a prompt: export it with one",
            self.component
        );
        let read = padding.read(text);
        self.run(&text.ids, read, cancel)?;
        let shape = self.graph.output_shape(self.hidden)?.to_vec();
        if !padding.fits(&shape) {
            let wanted = if padding == Padding::Whole { "[1, dim]" } else { "[1, tokens, dim]" };
            bail!(
                "{} gave a conditioning of shape {shape:?} instead of {wanted}: export its graph again",
                self.component
            )
        }
        let mut values = vec![0.0; shape.iter().product()];
        self.graph.read_f32(self.hidden, 0, &mut values)?;
        finite(&self.component, &values)?;
        if padding == Padding::Zeroed {
            let width = shape.last().copied().unwrap_or_default();
            values.iter_mut().skip(read * width).for_each(|value| *value = 0.0);
        }
        Ok(ArrayD::from_shape_vec(IxDyn(&shape[1..]), values)?)
    }

    /// Runs the graph on a text, of which the first `read` tokens are looked at.
    fn run(&mut self, ids: &[i64], read: usize, cancel: &Cancel) -> Result<()> {
        self.check_length(ids.len())?;
        let shape = [1, ids.len()];
        self.graph.set_i64(self.ids, &shape, ids)?;
        if let Some(mask) = self.mask {
            let read: Vec<i64> = (0..ids.len()).map(|at| i64::from(at < read)).collect();
            self.graph.set_i64(mask, &shape, &read)?;
        }
        Ok(self.graph.run(cancel)?)
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
