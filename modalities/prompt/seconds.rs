//! From which second to which a sound is wanted, told to its denoiser beside the words (Stable Audio).

use crate::graphs::{finite, input, output};
use anyhow::{Result, bail};
use edrun_onnx::{Cancel, Folder, Graph, GraphOptions};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

const COMPONENT: &str = "projection_model";
const TEXT: &[&str] = &["text_hidden_states"];
const START: &[&str] = &["start_seconds"];
const END: &[&str] = &["end_seconds"];
const PROJECTED: &[&str] = &["text_embeds"];
const TOLD_START: &[&str] = &["seconds_start_hidden_states"];
const TOLD_END: &[&str] = &["seconds_end_hidden_states"];

/// The graph that brings a text's states and two moments to one width.
pub struct SecondsProjection {
    graph: Graph,
    inputs: [usize; 3],
    outputs: [usize; 3],
}

/// What a denoiser is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// The text's states, `[tokens, width]`.
    pub text: ArrayD<f32>,
    /// Where the sound begins, `width` numbers.
    pub start: Vec<f32>,
    /// Where it ends, `width` numbers.
    pub end: Vec<f32>,
}

impl SecondsProjection {
    /// Opens `projection_model` in `folder`.
    ///
    /// # Errors
    /// When the graph is missing, damaged or has other inputs and outputs.
    pub fn open(folder: &Folder, options: &GraphOptions, cancel: &Cancel) -> Result<Self> {
        let graph = Graph::load_cancellable(&folder.graph(COMPONENT)?, options, cancel)?;
        let (mut inputs, mut outputs) = ([0; 3], [0; 3]);
        for (to, names) in inputs.iter_mut().zip([TEXT, START, END]) {
            *to = input(&graph, COMPONENT, names)?;
        }
        for (to, names) in outputs.iter_mut().zip([PROJECTED, TOLD_START, TOLD_END]) {
            *to = output(&graph, COMPONENT, names)?;
        }
        Ok(Self { graph, inputs, outputs })
    }

    /// The states of a text, `[tokens, width]`, and the seconds from `start` to `end`, as the denoiser wants them.
    ///
    /// # Errors
    /// When the graph fails, or gives other shapes or values that are not finite.
    pub fn project(&mut self, text: ArrayViewD<'_, f32>, start: f64, end: f64, cancel: &Cancel) -> Result<Projected> {
        let [told, from, to] = self.inputs;
        let shape = [&[1], text.shape()].concat();
        let text = text.as_standard_layout();
        self.graph.set_f32(told, &shape, text.as_slice().unwrap_or_default())?;
        self.graph.set_f32(from, &[1], &[start as f32])?;
        self.graph.set_f32(to, &[1], &[end as f32])?;
        self.graph.run(cancel)?;
        let [(text, tokens, width), (start, _, start_width), (end, _, end_width)] =
            [self.rows(0)?, self.rows(1)?, self.rows(2)?];
        if (start_width, end_width) != (width, width) || (start.len(), end.len()) != (width, width) {
            bail!("{COMPONENT} gave widths {width}, {start_width} and {end_width}: export its graph again");
        }
        Ok(Projected { text: ArrayD::from_shape_vec(IxDyn(&[tokens, width]), text)?, start, end })
    }

    /// An output `[1, rows, width]`.
    fn rows(&self, which: usize) -> Result<(Vec<f32>, usize, usize)> {
        let output = self.outputs.get(which).copied().unwrap_or_default();
        let [1, rows, width] = self.graph.output_shape(output)?[..] else {
            bail!(
                "{COMPONENT} gave {:?} instead of [1, rows, width]: export its graph again",
                self.graph.output_shape(output)?
            )
        };
        let mut values = vec![0.0; rows * width];
        self.graph.read_f32(output, 0, &mut values)?;
        finite(COMPONENT, &values)?;
        Ok((values, rows, width))
    }
}
