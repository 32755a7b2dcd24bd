//! What comes of a run of a language model's graph: log-weights of clean tokens.

use anyhow::{Result, bail};
use edrun_onnx::Graph;

use super::ports::Ports;
use super::{Asked, TokenNetwork};
use crate::recipe::{TextPrediction, TextRecipe};
use crate::sampling::Row;
use crate::sampling::unmask::{Logits, Process, Tokens, weights_of_ratios};

impl TokenNetwork {
    pub(super) fn check_output(&self, rows: usize, length: usize) -> Result<()> {
        let shape = self.graph.output_shape(self.ports.logits)?;
        let want = [rows, length, self.facts.vocabulary];
        if shape == want {
            return Ok(());
        }
        let path = self.graph.path().display();
        bail!("{path} gave {shape:?} where {want:?} (rows, tokens, vocabulary) was expected; export the model again")
    }

    /// Copies the places of interest out of row `i` of the last run. What was not computed has no answer: whoever reuses
    /// keys and values asks only for tokens that are hidden.
    pub(super) fn read(&self, i: usize, asked: &Asked<'_, '_>, clean: &mut Logits) -> Result<()> {
        let (vocabulary, span) = (self.facts.vocabulary, asked.row.level.span());
        let length = self.ports.length.unwrap_or(asked.places.len());
        clean.resize(span.clone(), vocabulary);
        for place in span {
            let source = if self.prediction == TextPrediction::Shifted { place.saturating_sub(1) } else { place };
            match asked.places.binary_search(&source) {
                Ok(at) => {
                    self.graph.read_f32(self.ports.logits, (i * length + at) * vocabulary, clean.at_mut(place))?;
                }
                Err(_) => clean.at_mut(place).fill(f32::NEG_INFINITY),
            }
        }
        Ok(())
    }

    /// Makes log-weights of clean tokens of what the network said.
    pub(super) fn convert(&self, row: &Row<'_, Tokens>, clean: &mut Logits) {
        let alpha = (-row.level.sigma).exp();
        for place in row.level.span() {
            let values = clean.at_mut(place);
            if self.prediction == TextPrediction::Ratios {
                weights_of_ratios(self.facts.process, row.x.token(place), alpha.max(1e-12), values);
            }
            values.iter_mut().skip(self.spoken).for_each(|l| *l = f32::NEG_INFINITY);
            if let Process::Absorbing { mask } = self.facts.process
                && let Some(own) = values.get_mut(mask as usize)
            {
                *own = f32::NEG_INFINITY;
            }
        }
    }
}

/// The number of tokens the graph answers with, checked against what the folder says.
pub(super) fn vocabulary(graph: &Graph, ports: &Ports, recipe: &TextRecipe, spoken: usize) -> Result<usize> {
    let path = graph.path().display();
    let vocabulary = match (ports.vocabulary, recipe.vocabulary) {
        (Some(graph), Some(config)) if graph != config => bail!(
            "{path} answers with {graph} tokens, but \"vocab_size\" in config.json is {config}; take both from the same export"
        ),
        (Some(graph), None) if graph != spoken => bail!(
            "{path} answers with {graph} tokens, but the tokenizer has {spoken}; take both from the same export \
             (if the graph is padded, say so with \"vocab_size\" in config.json)"
        ),
        (graph, config) => graph.or(config).unwrap_or(spoken),
    };
    if spoken > vocabulary {
        bail!("the tokenizer has {spoken} tokens, but {path} knows {vocabulary}; take both from the same export");
    }
    Ok(vocabulary)
}
