//! Where a language model's graph takes and gives what.

use anyhow::{Result, bail};
use edrun_onnx::{Dim, Graph, Port};

use crate::recipe::TextFamily;

/// The inputs and outputs that are known.
#[derive(Clone, Debug)]
pub(super) struct Ports {
    pub(super) ids: usize,
    /// 1 for tokens, 0 for padding: `[batch, tokens]`.
    pub(super) mask: Option<usize>,
    pub(super) types: Option<usize>,
    pub(super) places: Option<usize>,
    pub(super) time: Option<Time>,
    pub(super) logits: usize,
    /// Keys and values of earlier runs, with where the new ones come out.
    pub(super) past: Vec<Past>,
    /// Rows the graph was exported for, when fixed.
    pub(super) batch: Option<usize>,
    /// Tokens the graph was exported for, when fixed.
    pub(super) length: Option<usize>,
    pub(super) vocabulary: Option<usize>,
}

/// A time input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) input: usize,
    /// Whether it is told the total noise; otherwise the time.
    pub(super) is_sigma: bool,
    /// 0: one number; 1: one a row; 2: `[batch, 1]`.
    pub(super) rank: usize,
}

/// Keys or values of one layer, `[batch, heads, tokens, width]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) heads: usize,
    pub(super) width: usize,
}

const IDS: &[&str] = &["input_ids", "indices", "tokens", "input"];
const MASK: &[&str] = &["attention_mask"];
const TYPES: &[&str] = &["token_type_ids"];
const PLACES: &[&str] = &["position_ids"];
const TIME: &[&str] = &["t", "time", "timestep", "timesteps", "sigma", "noise_level"];
const LOGITS: &[&str] = &["logits", "log_score", "score", "output"];

impl Ports {
    pub(super) fn bind(graph: &Graph, family: &TextFamily) -> Result<Self> {
        let path = graph.path().display();
        let listed = |ports: &[Port]| ports.iter().map(|p| p.name.clone()).collect::<Vec<_>>().join(", ");
        let Some(ids) = graph.input_of(IDS) else {
            bail!("{path} has no input named {}; its inputs are {}", IDS.join(" or "), listed(graph.inputs()))
        };
        let Some(logits) = graph.output_of(LOGITS) else {
            bail!("{path} has no output named {}; its outputs are {}", LOGITS.join(" or "), listed(graph.outputs()))
        };
        let dims = |port: usize| graph.inputs().get(port).map(|p| p.shape.as_slice()).unwrap_or_default();
        let answer = graph.outputs().get(logits).map(|p| p.shape.as_slice()).unwrap_or_default();
        let ports = Self {
            ids,
            mask: graph.input_of(MASK),
            types: graph.input_of(TYPES),
            places: graph.input_of(PLACES),
            time: time(graph, family),
            logits,
            past: past(graph)?,
            batch: fixed(dims(ids).first()),
            length: fixed(dims(ids).get(1)),
            vocabulary: fixed(answer.get(2)),
        };
        ports.check(graph)?;
        Ok(ports)
    }

    /// An input that nothing fills would make a different text, or none.
    fn check(&self, graph: &Graph) -> Result<()> {
        let path = graph.path().display();
        if let Some(port) = self.mask.and_then(|mask| graph.inputs().get(mask))
            && port.shape.len() > 2
        {
            bail!("{path} takes an attention_mask of {port}; only [batch, tokens] is supported: export it with that");
        }
        let named = [Some(self.ids), self.mask, self.types, self.places, self.time.map(|time| time.input)];
        let is_known = |i: usize| named.contains(&Some(i)) || self.past.iter().any(|past| past.input == i);
        match graph.inputs().iter().enumerate().find(|(i, _)| !is_known(*i)) {
            Some((_, port)) => bail!("{path} has an input {} ({port}) that text models do not have", port.name),
            None => Ok(()),
        }
    }
}

fn time(graph: &Graph, family: &TextFamily) -> Option<Time> {
    let input = graph.input_of(TIME)?;
    let port = graph.inputs().get(input)?;
    let is_sigma = port.name == "sigma" || (family.told_sigma && port.name.starts_with("timestep"));
    Some(Time { input, is_sigma, rank: port.shape.len() })
}

/// Pairs `past_key_values.N.key` with `present.N.key`, as optimum names them.
fn past(graph: &Graph) -> Result<Vec<Past>> {
    let mut all = Vec::new();
    for (input, port) in graph.inputs().iter().enumerate() {
        let Some(rest) = port.name.strip_prefix("past_key_values.").or(port.name.strip_prefix("past.")) else {
            continue;
        };
        let names = [format!("present.{rest}"), format!("present_key_values.{rest}")];
        let output = names.iter().find_map(|name| graph.output(name));
        let (Some(output), [_, heads, _, width]) = (output, port.shape.as_slice()) else {
            bail!("{} takes {} ({port}), but gives no {} for it", graph.path().display(), port.name, names.join(" or "))
        };
        let (Some(heads), Some(width)) = (fixed(Some(heads)), fixed(Some(width))) else {
            bail!("{} does not say how many heads {} has and how wide they are", graph.path().display(), port.name)
        };
        all.push(Past { input, output, heads, width });
    }
    Ok(all)
}

fn fixed(dim: Option<&Dim>) -> Option<usize> {
    match dim {
        Some(Dim::Fixed(size)) => Some(*size),
        _ => None,
    }
}
