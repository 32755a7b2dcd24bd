//! An exported language model as a denoiser of tokens: bind by name, stack rows, run, convert to log-weights.

mod answers;
mod inputs;
mod keys;
mod ports;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use edrun_onnx::{Cancel, Graph};

use crate::recipe::{TextPrediction, TextRecipe};
use crate::sampling::unmask::{Facts, Logits, Process, Reuse, Tokens};
use crate::sampling::{Branch, Denoiser, RequestId, Row};

use answers::vocabulary;
use keys::{Fresh, Memory};
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
    /// Blocks at multiples of this length, which see what stands before them through keys and values only.
    block: Option<usize>,
    cancel: Cancel,
    rules: HashMap<RequestId, Rule>,
    memory: HashMap<(RequestId, Branch), Memory>,
    spent: Spent,
}

/// What a network has cost so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// Time inside the graph.
    pub time: Duration,
    /// Runs of the graph.
    pub runs: usize,
    /// Tokens that were computed, over all runs.
    pub tokens: usize,
}

/// How a request's keys and values are reused.
#[derive(Clone, Copy, Debug)]
struct Rule {
    reuse: &'static Reuse,
    refresh: Option<usize>,
}

/// A row and the places of it that a run computes; it sees the `others` through what was kept of them.
struct Asked<'r, 'a> {
    row: &'r Row<'a, Tokens>,
    places: Vec<usize>,
    others: Vec<usize>,
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
        let block = recipe.block.filter(|_| !ports.past.is_empty());
        let (prediction, pad) = (recipe.prediction, recipe.pad);
        let (rules, memory, spent) = (HashMap::new(), HashMap::new(), Spent::default());
        Ok(Self { graph, ports, facts, prediction, pad, spoken, block, cancel, rules, memory, spent })
    }

    /// Sets how a request's keys and values are reused, and after how many evaluations they are all computed anew.
    ///
    /// # Errors
    /// When the graph does not have what the rule needs.
    pub fn reuse(&mut self, request: RequestId, reuse: &'static Reuse, refresh: Option<usize>) -> Result<()> {
        let path = self.graph.path().display();
        if !reuse.is_none() && self.ports.past.is_empty() {
            bail!("--kv-cache {} needs a graph with keys and values as inputs, which {path} does not have", reuse.name);
        }
        if !reuse.is_none() && reuse.name != "prefix" && self.ports.places.is_none() {
            bail!("--kv-cache {} needs a graph with the input position_ids, which {path} does not have", reuse.name);
        }
        self.rules.insert(request, Rule { reuse, refresh });
        Ok(())
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

    /// Gives the graph back.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// What it has cost so far.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    fn rule(&self, request: RequestId) -> Option<Rule> {
        self.rules.get(&request).copied().filter(|rule| !rule.reuse.is_none())
    }

    /// What a run has to compute to answer a row.
    fn ask<'r, 'a>(&mut self, row: &'r Row<'a, Tokens>) -> Asked<'r, 'a> {
        let all = row.level.context.min(row.x.len());
        let memory = self.memory.entry((row.request, row.branch)).or_default();
        let places: Vec<usize> = if let Some(block) = self.block {
            memory.fit(&self.ports.past, row.x.len());
            let places: Vec<usize> = (row.level.start / block.max(1) * block..all).collect();
            memory.kept.note(row.x, all, &places);
            places
        } else if let Some(rule) = self.rules.get(&row.request).filter(|rule| !rule.reuse.is_none()) {
            memory.fit(&self.ports.past, row.x.len());
            let sources = self.prediction == TextPrediction::Shifted;
            memory.kept.places(rule.reuse, rule.refresh, sources, row.x, &row.level)
        } else {
            (0..all).collect()
        };
        let others = (0..all).filter(|place| places.binary_search(place).is_err());
        let others =
            if self.block.is_some() { (0..places.first().copied().unwrap_or(all)).collect() } else { others.collect() };
        Asked { row, places, others }
    }

    /// Computes blocks before the current one that have changed since they were last computed, each in sight of those
    /// before it only: that is how the model was trained to see them.
    fn finish_blocks(&mut self, row: &Row<'_, Tokens>) -> Result<()> {
        let Some(block) = self.block.filter(|block| *block > 0) else { return Ok(()) };
        self.memory.entry((row.request, row.branch)).or_default().fit(&self.ports.past, row.x.len());
        for start in (0..row.level.start / block * block).step_by(block) {
            let places: Vec<usize> = (start..start + block).collect();
            let memory = self.memory.entry((row.request, row.branch)).or_default();
            if places.iter().any(|place| memory.kept.token(*place) != Some(row.x.token(*place))) {
                memory.kept.note(row.x, start + block, &places);
                self.run(&[Asked { row, places, others: (0..start).collect() }])?;
            }
        }
        Ok(())
    }

    /// Runs rows that compute and see the same numbers of tokens, and keeps their keys and values.
    fn run(&mut self, asked: &[Asked<'_, '_>]) -> Result<()> {
        let Some(first) = asked.first() else { return Ok(()) };
        let length = self.ports.length.unwrap_or(first.places.len());
        self.set_tokens(asked, first.others.len(), length)?;
        self.set_time(asked)?;
        let start = Instant::now();
        let run = self.graph.run(&self.cancel);
        self.spent.time += start.elapsed();
        self.spent.runs += 1;
        self.spent.tokens += asked.iter().map(|asked| asked.places.len()).sum::<usize>();
        run.with_context(|| format!("the language model could not run on {length} tokens"))?;
        self.check_output(asked.len(), length)?;
        for (i, Asked { row, places, others }) in asked.iter().enumerate() {
            if (self.block.is_some() || self.rule(row.request).is_some())
                && let Some(memory) = self.memory.get_mut(&(row.request, row.branch))
            {
                memory.take(&self.graph, &self.ports.past, places, Fresh { row: i, before: others.len() })?;
            }
        }
        Ok(())
    }

    /// How many of the leading rows may share one run.
    fn agreeing(&self, asked: &[Asked<'_, '_>]) -> usize {
        let Some(first) = asked.first() else { return 0 };
        let sizes = |asked: &Asked<'_, '_>| (asked.places.len(), asked.others.len());
        let one_time = self.ports.time.is_some_and(|time| time.rank == 0);
        let same_time = |asked: &Asked<'_, '_>| !one_time || asked.row.level.time == first.row.level.time;
        let alike = asked.iter().take_while(|asked| sizes(asked) == sizes(first) && same_time(asked)).count();
        alike.min(self.ports.batch.unwrap_or(usize::MAX)).max(1)
    }
}

impl Denoiser<Tokens> for TokenNetwork {
    fn denoise(&mut self, rows: &[Row<'_, Tokens>], mut clean: &mut [Logits]) -> Result<()> {
        for row in rows {
            self.finish_blocks(row)?;
        }
        let asked: Vec<Asked<'_, '_>> = rows.iter().map(|row| self.ask(row)).collect();
        let mut left = asked.as_slice();
        while !left.is_empty() {
            let count = self.agreeing(left).min(clean.len());
            let (now, later) = left.split_at(count);
            let (out, rest) = std::mem::take(&mut clean).split_at_mut(count);
            self.run(now)?;
            for (i, (asked, clean)) in now.iter().zip(out).enumerate() {
                self.read(i, asked, clean)?;
                self.convert(asked.row, clean);
            }
            (left, clean) = (later, rest);
        }
        Ok(())
    }

    fn forget(&mut self, request: RequestId) {
        self.rules.remove(&request);
        self.memory.retain(|(owner, _), _| *owner != request);
    }
}
