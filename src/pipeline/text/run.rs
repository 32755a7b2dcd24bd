//! Asks through the engine, and their canvases back to text.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};
use edrun_onnx::Cancel;

use super::{TextAsk, TextPipeline, TextPlan};
use crate::engine::{Engine, Event, Job};
use crate::network::{Spent, TokenNetwork};
use crate::sampling::unmask::{Canvas, HiddenPrompt, Repetition, Tokens};
use crate::sampling::{Noise, RequestId};

/// What a run tells while it goes on.
#[derive(Debug)]
pub enum TextProgress<'a> {
    /// A stage begins.
    Stage(&'static str),
    /// An evaluation of one text is over.
    Turn {
        /// Which of the texts.
        index: usize,
        /// What stands and what is open.
        canvas: &'a Canvas,
    },
    /// A window of a text is scored.
    Scored {
        /// Windows done.
        done: usize,
        /// Windows in all.
        total: usize,
    },
    /// A text is ready.
    Text(Text),
    /// A text failed alone.
    Failed {
        /// Which of the texts.
        index: usize,
        /// Why.
        error: Error,
    },
    /// Something worth knowing that did not stop the run.
    Note(&'a str),
}

/// Receives progress. An error stops the run.
pub type TellText<'t> = dyn FnMut(TextProgress<'_>) -> Result<()> + 't;

/// A token that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Its place in the row, markers and prompt counted.
    pub place: usize,
    /// Its id.
    pub id: u32,
    /// As it stands in the vocabulary.
    pub text: String,
    /// The evaluation in which it settled, from 1.
    pub turn: usize,
    /// Its log-probability under the model at that moment.
    pub log_probability: f32,
}

/// A finished text.
#[derive(Clone, Debug)]
pub struct Text {
    /// Which of the ask's texts, from 0.
    pub index: usize,
    /// The seed it was made with.
    pub seed: u64,
    /// The whole text, prompt and all.
    pub text: String,
    /// What was found, alone.
    pub found: String,
    /// The tokens that were found, up to the end token.
    pub tokens: Vec<Token>,
    /// Evaluations it took.
    pub turns: usize,
    /// Whether an end token ended it.
    pub ended: bool,
}

/// Where the time of a run went.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextTimes {
    /// Loading the graph.
    pub load: Duration,
    /// The loop, graph included.
    pub sample: Duration,
    /// The graph alone, with its runs and the tokens they computed.
    pub graph: Spent,
}

type Stack = Repetition<HiddenPrompt<TokenNetwork>>;

impl TextPipeline {
    /// Makes the texts of an ask, up to [`Settings::batch`](crate::pipeline::Settings::batch) at a time. Each is handed
    /// over as soon as it is ready.
    ///
    /// # Errors
    /// When the ask cannot be honoured, the graph cannot be loaded, or the run is cancelled.
    pub fn text(&mut self, ask: &TextAsk, cancel: &Cancel, tell: &mut TellText<'_>) -> Result<TextTimes> {
        let mut plan = self.plan(ask)?;
        tell(TextProgress::Stage("loading the model"))?;
        let mut times = TextTimes::default();
        let start = Instant::now();
        let network = self.network(cancel)?;
        self.settings.ledger.news().iter().try_for_each(|note| tell(TextProgress::Note(note)))?;
        times.load = start.elapsed();
        plan.sampling.facts = network.facts();
        fit(&plan, &network)?;
        tell(TextProgress::Stage("writing"))?;
        let mut engine: Engine<Stack, Tokens> = Engine::new(Repetition::new(HiddenPrompt::new(network)));
        let mut running = HashMap::new();
        let mut next = 0;
        while next < plan.count || engine.running() > 0 {
            while next < plan.count && engine.running() < self.settings.batch.max(1) {
                running.insert(admit(&mut engine, &plan, ask, next)?, next);
                next += 1;
            }
            let start = Instant::now();
            let span = self.settings.trace.span("step", "evaluation");
            let ended = turn(&mut engine, &running, tell)?;
            drop(span);
            times.sample += start.elapsed();
            for (request, canvas) in ended {
                let Some(index) = running.remove(&request) else { continue };
                match canvas {
                    Err(error) if cancel.is_cancelled() => return Err(error),
                    Err(error) => tell(TextProgress::Failed { index, error })?,
                    Ok(canvas) => tell(TextProgress::Text(self.finish(&plan, index, &canvas)?))?,
                }
            }
        }
        let network = engine.into_denoiser().into_inner().into_inner();
        times.graph = network.spent();
        self.graph = self.settings.keep_loaded.then(|| network.into_graph());
        Ok(times)
    }

    /// A settled canvas as text.
    fn finish(&self, plan: &TextPlan, index: usize, canvas: &Canvas) -> Result<Text> {
        let inner = plan.document.inner();
        let is_end = |i: &usize| canvas.is_free(*i) && plan.sampling.ends.contains(&canvas.token(*i));
        let end = canvas.free(inner.clone()).find(is_end);
        let kept: Vec<usize> = inner.take_while(|i| end.is_none_or(|end| *i < end)).collect();
        let ids = |places: &[usize]| places.iter().map(|i| canvas.token(*i)).collect::<Vec<_>>();
        let found: Vec<usize> = kept.iter().copied().filter(|i| canvas.is_free(*i)).collect();
        let token = |place: &usize| {
            canvas.settled(*place).map(|settled| Token {
                place: *place,
                id: canvas.token(*place),
                text: self.tokenizer.spelling(canvas.token(*place)),
                turn: settled.turn,
                log_probability: settled.log_probability,
            })
        };
        Ok(Text {
            index,
            seed: plan.seed.wrapping_add(index as u64),
            text: self.tokenizer.decode(&ids(&kept))?,
            found: self.tokenizer.decode(&ids(&found))?,
            tokens: found.iter().chain(end.as_ref()).filter_map(token).collect(),
            turns: canvas.turn(),
            ended: end.is_some(),
        })
    }
}

/// A graph that takes only one length needs texts of it, unless it can be told where they end.
fn fit(plan: &TextPlan, network: &TokenNetwork) -> Result<()> {
    let all = plan.document.tokens.len();
    match network.fixed_length() {
        Some(length) if all > length => {
            bail!("the text has {all} tokens with those to be found, but the graph takes {length}; shorten it")
        }
        Some(length) if all < length && !network.takes_mask() => bail!(
            "the graph takes {length} tokens and has no attention_mask, but the text has {all}; ask for --length {}",
            plan.document.open() + length - all
        ),
        _ => Ok(()),
    }
}

/// Hands one text to the engine: its noise, its canvas, its method.
fn admit(engine: &mut Engine<Stack, Tokens>, plan: &TextPlan, ask: &TextAsk, index: usize) -> Result<RequestId> {
    let request = RequestId(index as u64);
    let mut noise = Noise::start(&ask.rng, plan.seed.wrapping_add(index as u64))?;
    let (tokens, free) = (plan.document.tokens.clone(), plan.document.free.clone());
    let facts = plan.sampling.facts;
    let x = Canvas::new(facts.process, facts.vocabulary, tokens, free, &mut noise);
    let solver = plan.sampling.ready(&x)?.machine;
    let penalty = engine.denoiser_mut();
    penalty.penalise(request, plan.repetition_penalty);
    let guided = penalty.inner_mut();
    guided.guide(request, plan.guidance_scale);
    guided.inner_mut().reuse(request, plan.reuse, plan.refresh)?;
    engine.admit(Job { request, x, solver, noise });
    Ok(request)
}

type Ended = Vec<(RequestId, Result<Canvas>)>;

fn turn(
    engine: &mut Engine<Stack, Tokens>,
    running: &HashMap<RequestId, usize>,
    tell: &mut TellText<'_>,
) -> Result<Ended> {
    let (mut ended, mut told) = (Vec::new(), Ok(()));
    engine.turn(|event| match event {
        Event::Step { request, x: canvas, .. } => {
            if let (Some(index), Ok(())) = (running.get(&request), &told) {
                told = tell(TextProgress::Turn { index: *index, canvas });
            }
        }
        Event::Ended { request, latent } => ended.push((request, latent)),
        Event::Estimate { .. } => {}
    });
    told.map(|()| ended)
}
