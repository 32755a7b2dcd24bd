//! Graphs that work on one latent frame a call and remember what went before.

use anyhow::{Context, Result, bail};
use edrun_onnx::{Dim, Graph};
use serde_json::Value;

/// What a graph remembers: inputs `past.N`, each of which is the output `present.N` of the call before.
///
/// All are zeros before the first call. The axes are `[1, channels, frames, height, width]`, of which the last two are so
/// many times as long as the latent's as the list `past` of the component's `config.json` says, or one axis of fixed length.
pub(super) struct Memory {
    states: Vec<State>,
}

struct State {
    input: usize,
    output: usize,
    scale: usize,
}

impl Memory {
    /// The states of `component`'s graph; `None` where it has none.
    ///
    /// # Errors
    /// When an output is missing or the configuration does not say how large a state is.
    pub(super) fn of(graph: &Graph, component: &str, config: Option<&Value>) -> Result<Option<Self>> {
        let scales = config.and_then(|config| config.get("past")?.as_array());
        let inputs = (0..).map_while(|n| Some((n, graph.input(&format!("past.{n}"))?)));
        let states = inputs.map(|(n, input)| {
            let output = graph.output(&format!("present.{n}"));
            let output = output.with_context(|| format!("the graph of {component} has past.{n} but no present.{n}: export it again"))?;
            let scale = scales.and_then(|list| list.get(n)?.as_u64()).filter(|scale| *scale <= 64);
            let scale = scale.with_context(|| {
                format!("{component}/config.json does not say how large past.{n} is, in a list named past: export the model again")
            })?;
            Ok(State { input, output, scale: scale as usize })
        });
        let states = states.collect::<Result<Vec<_>>>()?;
        Ok((!states.is_empty()).then_some(Self { states }))
    }

    /// Forgets everything, for latents of this size.
    ///
    /// # Errors
    /// When a state is no tensor of the expected axes.
    pub(super) fn clear(&self, graph: &mut Graph, component: &str, height: usize, width: usize) -> Result<()> {
        for State { input, scale, .. } in &self.states {
            let dims = graph.inputs().get(*input).map(|port| port.shape.clone()).unwrap_or_default();
            let shape = match dims[..] {
                [Dim::Fixed(length)] => vec![length],
                [_, Dim::Fixed(channels), Dim::Fixed(kept), _, _] => {
                    vec![1, channels, kept, scale * height, scale * width]
                }
                _ => bail!("the graph of {component} remembers something with the axes {dims:?}: export it again"),
            };
            graph.set_f32(*input, &shape, &vec![0.0; shape.iter().product()])?;
        }
        Ok(())
    }

    /// Numbers that are remembered of latents of this size.
    pub(super) fn numbers(&self, graph: &Graph, height: usize, width: usize) -> u64 {
        let numbers = self.states.iter().map(|State { input, scale, .. }| {
            let dims = graph.inputs().get(*input).map(|port| port.shape.clone()).unwrap_or_default();
            let fixed = dims.iter().map(|dim| if let Dim::Fixed(length) = dim { *length as u64 } else { 1 });
            fixed.product::<u64>() * if dims.len() == 5 { (scale * height * scale * width) as u64 } else { 1 }
        });
        numbers.sum()
    }

    /// Hands what the last run remembers to the next one.
    ///
    /// # Errors
    /// When the graph gave it another shape.
    pub(super) fn carry(&self, graph: &mut Graph) -> Result<()> {
        self.states.iter().try_for_each(|state| Ok(graph.carry(state.output, state.input)?))
    }
}
