//! Asks through the engine, and their latents through the decoder.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Error, Result, bail};
use edrun_onnx::{Cancel, Expected, Graph, GraphOptions};

use super::given::Given;
use super::pieces::{Leaves, Pieces};
use super::preview::{Looked, Previews};
use super::prompts::Conditions;
use super::{Ask, Made, Pipeline, Plan, Progress, Tell, Times};
use crate::engine::{Engine, Event, Job};
use crate::media::{Decode, Medium};
use crate::network::{self, Condition, Experts, Input, Load, Network};
use crate::recipe::Guided as GuidedBy;
use crate::sampling::guidance::ClassifierFree;
use crate::sampling::latent::combine;
use crate::sampling::noise::variation;
use crate::sampling::solver::{Known, Sampler, inpaint};
use crate::sampling::windows::{Windows, reorder};
use crate::sampling::{Latent, Noise, RequestId, Solver};

pub(super) type Guided = ClassifierFree<Experts>;

/// Guidance around windows would ask more than it needs.
type Windowed = Windows<Guided>;

/// An ask with everything decided and its prompts encoded.
pub(super) struct Ready<'a> {
    /// Its place among the asks.
    pub(super) ask: usize,
    pub(super) company: Arc<Company>,
    pub(super) wish: &'a Ask,
    pub(super) plan: Plan,
    pub(super) conditions: Option<Conditions>,
    /// What it starts from.
    pub(super) given: Option<Given>,
    /// Which of the pieces that its results are made in.
    pub(super) piece: usize,
}

/// What the asks of a run know of each other.
pub(super) struct Company {
    /// Whether there are several. What is wrong with the only one is wrong with the run.
    pub(super) several: bool,
    /// The shapes of all latents, each once: a provider that compiles for them needs all before the first run.
    latents: BTreeSet<Vec<usize>>,
}

impl Company {
    /// Of one ask.
    pub(super) fn of(plan: &Plan) -> Arc<Self> {
        Arc::new(Self { several: false, latents: BTreeSet::from([plan.latent_shape.clone()]) })
    }
}

impl<'a> Ready<'a> {
    pub(super) fn new(ask: usize, wish: &'a Ask, plan: Plan, company: &Arc<Company>) -> Self {
        Self { ask, company: Arc::clone(company), wish, plan, conditions: None, given: None, piece: 0 }
    }

    /// Tells the denoiser how a request is guided and what it is conditioned on.
    pub(super) fn condition(&self, guided: &mut Guided, request: RequestId) {
        guided.guide(request, self.plan.guidance);
        for (branch, condition) in self.conditions.iter().flat_map(Conditions::branches) {
            guided.inner_mut().condition(request, branch, Arc::clone(condition));
        }
    }
}

/// One result of one ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index into the ready asks.
    ready: usize,
    /// Which of its results.
    pub(super) index: usize,
}

/// What a turn of the engine did.
#[derive(Default)]
struct Turn {
    steps: Vec<(RequestId, usize)>,
    ended: Vec<(RequestId, Result<Latent>)>,
}

impl Pipeline {
    /// Makes the results of many asks, which share the components and, up to
    /// [`Settings::batch`](super::Settings::batch), the runs of the denoiser. Each result is handed over as soon
    /// as it is ready. An ask that cannot be honoured fails alone.
    ///
    /// With several asks, denoiser and decoder are in memory together; with one, they come one after
    /// another unless [`Settings::keep_loaded`](super::Settings::keep_loaded) is set.
    ///
    /// # Errors
    /// When a component fails or the run is cancelled.
    pub fn run(&mut self, asks: &[Ask], cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Times> {
        let ready = self.plans(asks, tell)?;
        let kept = self.settings.keep_loaded;
        self.pieces = Pieces::default();
        let outcome = self.run_all(ready, cancel, tell);
        self.settings.keep_loaded = kept;
        if !kept {
            #[cfg(feature = "audio")]
            drop(self.reader.take());
            (self.text_encoder, self.decoder) = (None, None);
            self.denoisers.clear();
        }
        outcome
    }

    /// In lots, between which the components stay loaded.
    fn run_all(&mut self, mut ready: Vec<Ready<'_>>, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Times> {
        let (mut times, kept) = (Times::default(), self.settings.keep_loaded);
        while !ready.is_empty() {
            let rest = ready.split_off(ready.len().min(self.at_once()));
            self.settings.keep_loaded = kept || !rest.is_empty();
            self.run_some(ready, cancel, tell, &mut times)?;
            ready = rest;
        }
        Ok(times)
    }

    /// How many asks are encoded before the first is sampled. What their texts become takes up to a megabyte each, so all
    /// of thousands would fill the memory; between one lot and the next the denoiser's batches run dry.
    pub(super) fn at_once(&self) -> usize {
        (8 * self.settings.batch).max(128)
    }

    fn plans<'a>(&self, asks: &'a [Ask], tell: &mut Tell<'_>) -> Result<Vec<Ready<'a>>> {
        let mut plans = Vec::new();
        for (ask, wish) in asks.iter().enumerate() {
            match self.plan(wish) {
                Ok(plan) => plans.push((ask, wish, plan)),
                Err(error) => tell(Progress::Failed { ask, index: 0, error })?,
            }
        }
        // What is made in pieces has its sizes only when they are read.
        let known = plans.iter().filter(|(_, _, plan)| !matches!(plan.extent.samples(), Some(None)));
        let latents = known.map(|(_, _, plan)| plan.latent_shape.clone()).collect();
        let company = Arc::new(Company { several: asks.len() > 1, latents });
        let ready = |(ask, wish, plan): (usize, &'a Ask, Plan)| {
            let company = Arc::clone(&company);
            (0..plan.pieces()).map(move |piece| Ready { piece, ..Ready::new(ask, wish, plan.clone(), &company) })
        };
        Ok(plans.into_iter().flat_map(ready).collect())
    }

    fn run_some(
        &mut self,
        mut ready: Vec<Ready<'_>>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        self.encode(&mut ready, cancel, tell, times)?;
        ready.retain(|ready| ready.conditions.is_some());
        self.encode_given(&mut ready, cancel, tell, times)?;
        self.tell_frames(&mut ready, cancel, tell, times)?;
        self.keep_frames(&mut ready, cancel, tell, times)?;
        match ready.is_empty() {
            true => Ok(()),
            false => self.sample(&ready, cancel, tell, times),
        }
    }

    fn sample(&mut self, ready: &[Ready<'_>], cancel: &Cancel, tell: &mut Tell<'_>, times: &mut Times) -> Result<()> {
        tell(Progress::Stage("loading the denoiser"))?;
        let start = Instant::now();
        let mut previews = self.previews(cancel, tell)?;
        let network = self.network(ready, cancel, tell)?;
        let mut decoder = match together(ready) || self.settings.keep_loaded || self.previews_by_decoder() {
            true => Some(self.decoder(cancel, tell)?),
            false => None,
        };
        times.load += start.elapsed();
        tell(Progress::Stage("sampling"))?;
        let guided = ClassifierFree::new(network, self.recipe.prediction);
        let mut engine = Engine::new(Windows::new(guided, self.recipe.medium.window()));
        let mut later = Vec::new();
        let mut queue = Queue::new(ready);
        let mut open = None;
        let medium = Arc::clone(&self.recipe.medium);
        while queue.refill(&mut engine, ready, &*medium, self.settings.batch.max(1), &mut self.pieces)? {
            let start = Instant::now();
            let step = open.take().unwrap_or_else(|| self.settings.trace.span("step", "step"));
            let turn = turn(&mut engine, &mut previews);
            // Some methods evaluate several times a step.
            open = turn.steps.is_empty().then_some(step);
            times.sample += start.elapsed();
            queue.report(&turn, ready, tell)?;
            let start = Instant::now();
            for (request, done) in &turn.steps {
                let Some(looked) = queue.looked(*request, *done, ready) else { continue };
                previews.show(*request, &looked, &mut decoder, cancel, tell)?;
            }
            times.preview += start.elapsed();
            for (request, latent) in turn.ended {
                let Some(place) = queue.places.remove(&request) else { continue };
                let latent = match latent {
                    Ok(latent) => latent,
                    Err(error) if cancel.is_cancelled() => return Err(error),
                    Err(error) => {
                        let error = error.context(format!("the {} failed", self.recipe.family.denoiser));
                        self.fail(ready, place, error, tell)?;
                        continue;
                    }
                };
                let Some(owner) = ready.get(place.ready) else { continue };
                for (place, latent) in self.pieces.in_order(owner, place, latent) {
                    match &mut decoder {
                        Some(decoder) => self.decode(&mut **decoder, ready, place, latent, cancel, tell, times)?,
                        None => later.push((place, latent)),
                    }
                }
            }
        }
        let network = engine.into_denoiser().into_inner().into_inner();
        let (graph, runs) = network.graph_time();
        times.graph += graph;
        times.graph_runs += runs;
        if self.settings.keep_loaded {
            self.denoisers = network.into_graphs().into_iter().collect();
        }
        self.decode_all(decoder, ready, later, cancel, tell, times)
    }

    /// Decodes what waited for the denoiser to leave.
    fn decode_all(
        &mut self,
        decoder: Option<Box<dyn Decode>>,
        ready: &[Ready<'_>],
        latents: Vec<(Place, Latent)>,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        let mut decoder = match decoder {
            Some(decoder) => decoder,
            None if latents.is_empty() => return Ok(()),
            None => {
                tell(Progress::Stage("decoding"))?;
                let start = Instant::now();
                let decoder = self.decoder(cancel, tell)?;
                times.load += start.elapsed();
                decoder
            }
        };
        for (place, latent) in latents {
            self.decode(&mut *decoder, ready, place, latent, cancel, tell, times)?;
        }
        self.decoder = self.settings.keep_loaded.then_some(decoder);
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one result's way out, with everything it passes")]
    fn decode(
        &mut self,
        decoder: &mut dyn Decode,
        ready: &[Ready<'_>],
        place: Place,
        latents: Latent,
        cancel: &Cancel,
        tell: &mut Tell<'_>,
        times: &mut Times,
    ) -> Result<()> {
        let Some(owner) = ready.get(place.ready).filter(|owner| !self.pieces.has_failed(owner, place.index)) else {
            return Ok(());
        };
        let start = Instant::now();
        let extent = owner.plan.extent;
        let span = self.settings.trace.span("decode", "result");
        let noisy = match self.recipe.medium.left_noise(extent) {
            0.0 => None,
            share => Some(noised(owner, place.index, &*self.recipe.medium, &latents, share)?),
        };
        let (given, mut told) = (noisy.as_ref().unwrap_or(&latents), Ok(()));
        let media = match self.settings.parts {
            true => decoder.decode_parts(given, extent, cancel, &mut |media| {
                told = tell(Progress::Part { ask: owner.ask, index: place.index, media });
                if told.is_ok() { Ok(()) } else { bail!("it is not wanted any more") }
            }),
            false => decoder.decode(given, extent, cancel),
        };
        drop(span);
        told?;
        times.decode += start.elapsed();
        let media = match media {
            Ok(media) => media,
            Err(error) if cancel.is_cancelled() => return Err(error),
            Err(error) => return self.fail(ready, place, error, tell),
        };
        let (ask, index, seed) = (owner.ask, place.index, owner.plan.seed(place.index));
        match self.pieces.leave(owner, index, media, latents, self.settings.parts)? {
            Leaves::Later => Ok(()),
            Leaves::Part(media) => tell(Progress::Part { ask, index, media: &media }),
            Leaves::Last { media, latents, extent } => {
                tell(Progress::Made(Box::new(Made { ask, index, seed, extent, media, latents })))
            }
        }
    }

    /// Tells that a result failed, once, whatever becomes of its other pieces.
    fn fail(&mut self, ready: &[Ready<'_>], place: Place, error: Error, tell: &mut Tell<'_>) -> Result<()> {
        match ready.get(place.ready) {
            Some(owner) if self.pieces.fail(owner, place.index) => {
                tell(Progress::Failed { ask: owner.ask, index: place.index, error })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn network(&mut self, ready: &[Ready<'_>], cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Experts> {
        let mut load = self.loader(self.expected(ready), cancel);
        let first = load(0)?;
        self.tell_news(tell)?;
        let results: usize = ready.iter().map(|ready| ready.plan.count).sum();
        let together = !together(ready) && results <= self.settings.batch.max(1);
        let boundaries = self.recipe.experts.iter().map(|expert| expert.below).collect();
        Ok(Experts::new(first, boundaries, self.settings.keep_loaded || !together, load))
    }

    /// Loads the denoisers by their places, or takes them where they were kept.
    fn loader(&mut self, expected: Vec<Expected>, cancel: &Cancel) -> Load {
        let mut kept = std::mem::take(&mut self.denoisers);
        let (folder, cancel) = (self.folder.clone(), cancel.clone());
        let options = GraphOptions { expected, ..self.settings.graphs() };
        let (prediction, embeds) = (self.recipe.prediction, matches!(self.recipe.guided, GuidedBy::Embedding(_)));
        let components: Vec<&str> = self.recipe.denoisers().collect();
        Box::new(move |place| {
            let component = components.get(place).copied().unwrap_or_default();
            let graph = match kept.remove(&place) {
                Some(graph) => graph,
                None => Graph::load_cancellable(&folder.graph(component)?, &options, &cancel)?,
            };
            let network = Network::new(graph, prediction, cancel.clone())?;
            if network.takes(Input::Guidance) != embeds {
                bail!(
                    "the key time_cond_proj_dim of {component}/config.json does not agree with the inputs of the \
                     {component} graph; export the model again"
                );
            }
            Ok(network)
        })
    }

    /// The shapes that the denoiser will be run with.
    fn expected(&self, ready: &[Ready<'_>]) -> Vec<Expected> {
        let company = ready.first().map(|ready| &ready.company.latents);
        let latents: BTreeSet<&Vec<usize>> =
            company.into_iter().flatten().chain(ready.iter().map(|ready| &ready.plan.latent_shape)).collect();
        let latents: Vec<Vec<usize>> = latents.into_iter().map(|shape| self.seen_at_once(shape)).collect();
        let latents: Vec<&[usize]> = latents.iter().map(Vec::as_slice).collect();
        let branches = ready.iter().filter_map(|ready| ready.conditions.as_ref()).flat_map(Conditions::branches);
        let conditions: Vec<&Condition> = branches.map(|(_, condition)| &**condition).collect();
        let count: usize = ready.iter().map(|ready| ready.plan.count).sum();
        let branches = if ready.iter().any(|ready| ready.plan.guidance.is_on()) { 2 } else { 1 };
        network::expected(&latents, &conditions, count.min(self.settings.batch.max(1)) * branches)
    }

    /// The shape of a latent as the denoiser sees it.
    pub(super) fn seen_at_once(&self, shape: &[usize]) -> Vec<usize> {
        let mut shape = shape.to_vec();
        if let (Some(window), [_, frames] | [_, frames, _, _]) = (self.recipe.medium.window(), &mut shape[..]) {
            *frames = window.length.min(*frames);
        }
        shape
    }

    pub(super) fn decoder(&mut self, cancel: &Cancel, tell: &mut Tell<'_>) -> Result<Box<dyn Decode>> {
        if let Some(decoder) = self.decoder.take() {
            return Ok(decoder);
        }
        let decoder = self.recipe.medium.decoder(&self.folder, &self.settings.graphs(), cancel)?;
        self.tell_news(tell)?;
        Ok(decoder)
    }
}

/// A finished latent with a share of fresh noise in the decoder's own units, which it takes out: the numbers that follow the
/// start's in the result's noise, as they do in the reference after a sampler that draws none.
fn noised(owner: &Ready<'_>, index: usize, medium: &dyn Medium, latents: &Latent, share: f64) -> Result<Latent> {
    let mut noise = Noise::start(&owner.wish.rng, owner.plan.seed(index))?;
    unit_noise(owner, index, &mut noise)?;
    let fresh = medium.scaled(noise.normal(&owner.plan.latent_shape));
    let mut mixed = latents.clone();
    combine(&mut mixed, 1.0 - share, &[(share, &fresh)]);
    Ok(mixed)
}

/// Whether denoiser and decoder are in memory together: several results, and the pieces of one, leave as they are done.
fn together(ready: &[Ready<'_>]) -> bool {
    ready.first().is_some_and(|first| first.company.several || first.plan.pieces() > 1)
}

fn turn(engine: &mut Engine<Windowed>, previews: &mut Previews) -> Turn {
    let mut turn = Turn::default();
    engine.turn(|event| match event {
        Event::Estimate { request, done, clean } => previews.keep(request, done, clean),
        Event::Step { request, done, .. } => turn.steps.push((request, done)),
        Event::Ended { request, latent } => turn.ended.push((request, latent)),
    });
    turn
}

/// Results that wait, and those that run.
struct Queue {
    waiting: VecDeque<Place>,
    places: HashMap<RequestId, Place>,
    next: u64,
}

impl Queue {
    fn new(ready: &[Ready<'_>]) -> Self {
        let of = |(ready, ask): (usize, &Ready<'_>)| (0..ask.plan.count).map(move |index| Place { ready, index });
        let mut waiting: Vec<Place> = ready.iter().enumerate().flat_map(of).collect();
        // All pieces of a result, then the next result.
        waiting.sort_by_key(|place| (ready.get(place.ready).map(|owner| owner.ask), place.index, place.ready));
        Self { waiting: waiting.into(), places: HashMap::new(), next: 0 }
    }

    /// Fills the engine up; false when nothing runs and nothing waits.
    fn refill(
        &mut self,
        engine: &mut Engine<Windowed>,
        ready: &[Ready<'_>],
        medium: &dyn Medium,
        batch: usize,
        pieces: &mut Pieces,
    ) -> Result<bool> {
        while engine.running() < batch
            && let Some(place) = self.waiting.pop_front()
        {
            let Some(owner) = ready.get(place.ready).filter(|owner| !pieces.has_failed(owner, place.index)) else {
                continue;
            };
            let request = RequestId(self.next);
            self.next += 1;
            admit(engine, owner, medium, request, place.index, pieces)?;
            self.places.insert(request, place);
        }
        Ok(engine.running() > 0)
    }

    /// What a look at a running result needs to know.
    fn looked(&self, request: RequestId, done: usize, ready: &[Ready<'_>]) -> Option<Looked> {
        let place = self.places.get(&request)?;
        let owner = ready.get(place.ready)?;
        let (total, extent) = (owner.plan.total, owner.plan.extent);
        Some(Looked { ask: owner.ask, index: place.index, done, total, before: owner.piece * total, extent })
    }

    fn report(&self, turn: &Turn, ready: &[Ready<'_>], tell: &mut Tell<'_>) -> Result<()> {
        for (request, done) in &turn.steps {
            let place = self.places.get(request);
            if let Some((place, owner)) = place.and_then(|place| Some((place, ready.get(place.ready)?))) {
                let (steps, pieces) = (owner.plan.total, owner.plan.pieces());
                let (done, total) = (owner.piece * steps + done, steps * pieces);
                tell(Progress::Step { ask: owner.ask, index: place.index, done, total })?;
            }
        }
        Ok(())
    }
}

/// Hands one result to the engine: its noise, its method, its conditioning.
fn admit(
    engine: &mut Engine<Windowed>,
    owner: &Ready<'_>,
    medium: &dyn Medium,
    request: RequestId,
    index: usize,
    pieces: &mut Pieces,
) -> Result<()> {
    let mut noise = pieces.noise(owner, index)?;
    let start_from = owner.given.as_ref().map(|given| given.draw(medium, &mut noise));
    let mut unit = unit_noise(owner, index, &mut noise)?;
    if let (Some(window), None) = (medium.window(), owner.plan.init_latents(index)) {
        reorder(&mut unit, window, &mut noise);
    }
    if let Some(given) = &owner.given {
        given.skip_masked(&mut noise);
    }
    pieces.drawn(owner, index, &noise);
    let (x, solver) = start(owner, owner.plan.sampler()?, start_from, unit, &mut noise);
    owner.condition(engine.denoiser_mut().inner_mut(), request);
    engine.admit(Job { request, x, solver, noise });
    Ok(())
}

/// The unit noise of one result.
fn unit_noise(owner: &Ready<'_>, index: usize, noise: &mut Noise) -> Result<Latent> {
    let plan = &owner.plan;
    let mut unit = match plan.init_latents(index) {
        Some(latents) => latents,
        None => noise.normal(&plan.latent_shape),
    };
    if let Some((seed, share)) = plan.variation(index) {
        let other = Noise::start(&owner.wish.rng, seed)?.normal(&plan.latent_shape);
        variation(&mut unit, &other, share);
    }
    Ok(unit)
}

/// Where a result starts, and the method that goes on from there.
fn start(
    owner: &Ready<'_>,
    sampler: Sampler,
    given: Option<Latent>,
    unit: Latent,
    noise: &mut Noise,
) -> (Latent, Box<dyn Solver>) {
    let mask = owner.given.as_ref().and_then(|given| given.mask.as_ref());
    let level = sampler.solver.start();
    let x = match &given {
        // As the references have it, a mask at full strength leaves nothing of what is given in its noise.
        Some(given) if mask.is_none() || !owner.plan.is_whole() => {
            let mut x = given.clone();
            combine(&mut x, level.alpha, &[(level.sigma, &unit)]);
            x
        }
        _ => sampler.complete(unit.mapv(|v| v * sampler.start_scale as f32), noise),
    };
    match (given, mask) {
        (Some(clean), Some(mask)) => (x, inpaint(sampler.solver, Known { clean, noise: unit, mask: mask.clone() })),
        _ => (x, sampler.solver),
    }
}
