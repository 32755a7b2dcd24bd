//! An exported language model as a denoiser of tokens: bind by name, stack rows, run, convert to log-weights.

mod ports;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use edrun_onnx::{Cancel, Graph};

use crate::recipe::{TextPrediction, TextRecipe};
use crate::sampling::unmask::{Facts, Logits, Process, Tokens, weights_of_ratios};
use crate::sampling::{Denoiser, RequestId, Row};

use ports::Ports;

/// A language model's graph.
pub struct TokenNetwork {
    graph: Graph,
    ports: Ports,
    facts: Facts,
    prediction: TextPrediction,
    pad: u32,
    /// Tokens from this one on have no text.
    spoken: usize,
    cancel: Cancel,
    graph_time: Duration,
    calls: usize,
}

impl TokenNetwork {
    /// Binds a loaded graph; the tokenizer writes `spoken` tokens.
    ///
    /// # Errors
    /// When an input or output is missing under all its names, there is an input that nothing fills, or the sizes of
    /// graph, configuration and tokenizer disagree.
    pub fn new(graph: Graph, recipe: &TextRecipe, spoken: usize, cancel: Cancel) -> Result<Self> {
        let ports = Ports::bind(&graph, recipe.family)?;
        let vocabulary = vocabulary(&graph, &ports, recipe, spoken)?;
        let facts = Facts {
            process: recipe.process,
            vocabulary,
            survival: recipe.survival,
            timed: ports.time.is_some(),
            weighted: recipe.prediction == TextPrediction::Ratios,
        };
        if let Process::Absorbing { mask } = facts.process
            && mask as usize >= vocabulary
        {
            bail!(
                "the mask token is {mask}, but {} knows {vocabulary} tokens; correct \"mask_token_id\" in config.json",
                graph.path().display()
            );
        }
        let (prediction, pad) = (recipe.prediction, recipe.pad);
        Ok(Self { graph, ports, facts, prediction, pad, spoken, cancel, graph_time: Duration::ZERO, calls: 0 })
    }

    /// What is fixed by the model.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The only number of tokens that the graph takes, where it takes only one.
    pub fn fixed_length(&self) -> Option<usize> {
        self.ports.length
    }

    /// Whether tokens behind a text can be hidden from the graph, so that shorter texts fit a fixed length.
    pub fn takes_mask(&self) -> bool {
        self.ports.mask.is_some()
    }

    /// Why the optimised graph could not be kept or reused, if that failed.
    pub fn cache_note(&self) -> Option<&str> {
        self.graph.cache_note()
    }

    /// Gives the graph back.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Time spent inside the graph, and the number of its runs.
    pub fn graph_time(&self) -> (Duration, usize) {
        (self.graph_time, self.calls)
    }

    /// Runs rows that see the same number of tokens.
    fn run(&mut self, rows: &[Row<'_, Tokens>], clean: &mut [Logits]) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let context = first.level.context.min(first.x.len());
        let length = self.ports.length.unwrap_or(context);
        self.set_tokens(rows, context, length)?;
        self.set_time(rows)?;
        let start = Instant::now();
        let run = self.graph.run(&self.cancel);
        self.graph_time += start.elapsed();
        self.calls += 1;
        run.with_context(|| format!("the language model could not run on {length} tokens"))?;
        self.check_output(rows.len(), length)?;
        for (i, (row, clean)) in rows.iter().zip(clean).enumerate() {
            self.read(i * length, row, clean)?;
            self.convert(row, clean);
        }
        Ok(())
    }

    fn set_tokens(&mut self, rows: &[Row<'_, Tokens>], context: usize, length: usize) -> Result<()> {
        let shape = [rows.len(), length];
        let row_ids = |row: &Row<'_, Tokens>| -> Vec<i64> {
            let seen = row.x.tokens().iter().take(context).map(|t| i64::from(*t));
            seen.chain(std::iter::repeat(i64::from(self.pad))).take(length).collect()
        };
        let ids: Vec<i64> = rows.iter().flat_map(row_ids).collect();
        self.graph.set_i64(self.ports.ids, &shape, &ids)?;
        let repeat = |row: Vec<i64>| -> Vec<i64> { rows.iter().flat_map(|_| row.iter().copied()).collect() };
        if let Some(mask) = self.ports.mask {
            let seen = repeat((0..length).map(|i| i64::from(i < context)).collect());
            self.graph.set_i64(mask, &shape, &seen)?;
        }
        if let Some(types) = self.ports.types {
            self.graph.set_i64(types, &shape, &vec![0; ids.len()])?;
        }
        if let Some(places) = self.ports.places {
            self.graph.set_i64(places, &shape, &repeat((0..length as i64).collect()))?;
        }
        for past in self.ports.past.clone() {
            self.graph.set_f32(past.input, &[rows.len(), past.heads, 0, past.width], &[])?;
        }
        Ok(())
    }

    fn set_time(&mut self, rows: &[Row<'_, Tokens>]) -> Result<()> {
        let Some(time) = self.ports.time else { return Ok(()) };
        let told = |row: &Row<'_, Tokens>| if time.is_sigma { row.level.sigma } else { row.level.time } as f32;
        let values: Vec<f32> = rows.iter().map(told).collect();
        match time.rank {
            0 => self.graph.set_f32(time.input, &[], values.get(..1).unwrap_or_default())?,
            1 => self.graph.set_f32(time.input, &[rows.len()], &values)?,
            _ => self.graph.set_f32(time.input, &[rows.len(), 1], &values)?,
        }
        Ok(())
    }

    fn check_output(&self, rows: usize, length: usize) -> Result<()> {
        let shape = self.graph.output_shape(self.ports.logits)?;
        let want = [rows, length, self.facts.vocabulary];
        if shape == want {
            return Ok(());
        }
        let path = self.graph.path().display();
        bail!("{path} gave {shape:?} where {want:?} (rows, tokens, vocabulary) was expected; export the model again")
    }

    /// Copies the places of interest out of a row that begins at place `offset` of the output.
    fn read(&self, offset: usize, row: &Row<'_, Tokens>, clean: &mut Logits) -> Result<()> {
        let (vocabulary, span) = (self.facts.vocabulary, row.level.span());
        clean.resize(span.clone(), vocabulary);
        if self.prediction != TextPrediction::Shifted {
            self.graph.read_f32(self.ports.logits, (offset + span.start) * vocabulary, clean.values_mut())?;
            return Ok(());
        }
        for place in span {
            let from = offset + place.saturating_sub(1);
            self.graph.read_f32(self.ports.logits, from * vocabulary, clean.at_mut(place))?;
        }
        Ok(())
    }

    /// Makes log-weights of clean tokens of what the network said.
    fn convert(&self, row: &Row<'_, Tokens>, clean: &mut Logits) {
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

    /// How many of the leading rows may share one run.
    fn agreeing(&self, rows: &[Row<'_, Tokens>]) -> usize {
        let Some(first) = rows.first() else { return 0 };
        let length = |row: &Row<'_, Tokens>| row.level.context.min(row.x.len());
        let same_time = |row: &Row<'_, Tokens>| {
            self.ports.time.is_none_or(|time| time.rank > 0) || row.level.time == first.level.time
        };
        let alike = rows.iter().take_while(|row| length(row) == length(first) && same_time(row)).count();
        alike.min(self.ports.batch.unwrap_or(usize::MAX)).max(1)
    }
}

impl Denoiser<Tokens> for TokenNetwork {
    fn denoise(&mut self, mut rows: &[Row<'_, Tokens>], mut clean: &mut [Logits]) -> Result<()> {
        while !rows.is_empty() {
            let count = self.agreeing(rows).min(clean.len());
            let (now, later) = rows.split_at(count);
            let (out, rest) = std::mem::take(&mut clean).split_at_mut(count);
            self.run(now, out)?;
            (rows, clean) = (later, rest);
        }
        Ok(())
    }

    fn forget(&mut self, _: RequestId) {}
}

/// The number of tokens the graph answers with, checked against what the folder says.
fn vocabulary(graph: &Graph, ports: &Ports, recipe: &TextRecipe, spoken: usize) -> Result<usize> {
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
