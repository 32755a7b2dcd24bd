//! An exported denoiser as a [`Denoiser`]: bind by name, stack rows, run, unstack.

mod condition;
mod experts;
mod layout;
#[cfg(feature = "text")]
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use edrun_onnx::{Cancel, Dim, Expected, Given, Graph, Port};
use ndarray::{Axis, Slice};

use crate::sampling::latent::{values, values_mut};
use crate::sampling::{Branch, Denoiser, Latent, Prediction, RequestId, Row};

pub use condition::{Condition, Input, guidance_embedding};
pub use experts::{Experts, Load};
use layout::Layout;
#[cfg(feature = "text")]
pub use text::{Spent, TokenNetwork};

/// A denoiser's graph and what its requests are conditioned on.
pub struct Network {
    graph: Graph,
    ports: Ports,
    prediction: Prediction,
    cancel: Cancel,
    conditions: HashMap<(RequestId, Branch), Arc<Condition>>,
    /// Whose conditioning the graph's inputs hold.
    bound: Vec<(RequestId, Branch)>,
    /// Scaled states, for networks that want them; kept between runs.
    scaled: Vec<f32>,
    /// Numbers on their way to the order of tokens or from it; kept between runs.
    room: Vec<f32>,
    /// What was said of a request beyond the prediction.
    extras: HashMap<RequestId, Latent>,
    graph_time: Duration,
    calls: usize,
}

/// Where the graph takes and gives what.
struct Ports {
    sample: usize,
    timestep: usize,
    /// Inputs that condition it.
    conditions: Vec<(Input, usize)>,
    output: usize,
    /// Rows the graph was exported for, when fixed.
    batch: Option<usize>,
    /// Whether each row may have a timestep of its own.
    timestep_per_row: bool,
}

/// What denoisers call their states.
pub const SAMPLE: &[&str] = &["sample", "latent_model_input", "latent", "hidden_states", "noisy_latent", "x"];
const TIMESTEP: &[&str] = &["timestep", "t", "timesteps", "current_step"];
const OUTPUT: &[&str] = &["out_sample", "noise_pred", "latent", "sample", "output", "denoised_latent", "v"];

/// The shapes of a denoiser's inputs for so many rows of one latent, where they are known without its conditions.
pub fn given(latent: &[usize], rows: usize) -> Vec<Given> {
    let sample = |layout: Layout| Given { names: SAMPLE, shape: [&[rows][..], &layout.shape(latent)].concat() };
    let layouts = if latent.len() > 2 { &[Layout::Plain, Layout::Tokens][..] } else { &[Layout::Plain] };
    let samples = layouts.iter().map(|layout| sample(*layout));
    samples.chain([Given { names: TIMESTEP, shape: vec![rows] }]).collect()
}

/// The shapes that a denoiser's inputs are run with: up to `rows` rows of these latents and conditions.
pub fn expected(latents: &[&[usize]], conditions: &[&Condition], rows: usize) -> Vec<Expected> {
    let condition = |input: Input| {
        let shapes: Vec<&[usize]> = conditions.iter().filter_map(|c| Some(c.get(input)?.shape())).collect();
        bounds(input.names(), &shapes, rows)
    };
    let others = [bounds(SAMPLE, latents, rows), bounds(TIMESTEP, &[&[]], rows)];
    others.into_iter().chain(Input::ALL.map(condition)).flatten().collect()
}

/// From one row of the smallest shape to all rows of the largest.
fn bounds(names: &[&str], shapes: &[&[usize]], rows: usize) -> Option<Expected> {
    let axes = 0..shapes.first()?.len();
    let axis = |at: usize, of: fn(usize, usize) -> usize| shapes.iter().filter_map(|s| s.get(at).copied()).reduce(of);
    let all = |rows: usize, of| [Some(rows)].into_iter().chain(axes.clone().map(|at| axis(at, of))).flatten().collect();
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Some(Expected { names, least: all(1, usize::min), most: all(rows, usize::max) })
}

impl Network {
    /// Binds a loaded graph.
    ///
    /// # Errors
    /// When an input or output is missing under all its names, or there is one that nothing fills.
    pub fn new(graph: Graph, prediction: Prediction, cancel: Cancel) -> Result<Self> {
        let ports = Ports::bind(&graph)?;
        Ok(Self {
            graph,
            ports,
            prediction,
            cancel,
            conditions: HashMap::new(),
            bound: Vec::new(),
            scaled: Vec::new(),
            room: Vec::new(),
            extras: HashMap::new(),
            graph_time: Duration::ZERO,
            calls: 0,
        })
    }

    /// Whether the network is conditioned on this.
    pub fn takes(&self, input: Input) -> bool {
        self.ports.conditions.iter().any(|(taken, _)| *taken == input)
    }

    /// Sets what a branch of a request is conditioned on.
    pub fn condition(&mut self, request: RequestId, branch: Branch, condition: Arc<Condition>) {
        self.conditions.insert((request, branch), condition);
        self.bound.clear();
    }

    /// Time spent inside the graph, and the number of its runs.
    pub fn graph_time(&self) -> (Duration, usize) {
        (self.graph_time, self.calls)
    }

    /// Gives the graph back.
    pub fn into_graph(self) -> Graph {
        self.graph
    }

    /// Runs one set of rows that agree in shape, and in time where the graph takes only one.
    fn run(&mut self, rows: &[Row<'_>], clean: &mut [Latent]) -> Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        self.set_states(first.x.shape(), rows)?;
        self.set_timestep(rows)?;
        self.bind_conditions(rows)?;
        let start = Instant::now();
        let run = self.graph.run(&self.cancel);
        self.graph_time += start.elapsed();
        self.calls += 1;
        run.with_context(|| format!("the denoiser could not run on a latent of {:?}", first.x.shape()))?;
        let groups = self.output_groups(first.x, rows.len())?;
        let (size, said) = (first.x.len(), self.prediction.output_len(first.x.len()));
        let layout = self.layout(first.x.shape());
        for (i, (row, clean)) in rows.iter().zip(clean).enumerate() {
            let into = values_mut(clean).get_mut(size - said..).unwrap_or_default();
            self.graph.read_f32(self.ports.output, i * groups * said, into)?;
            layout.unpack(into, first.x.shape().first().copied().unwrap_or(1), &mut self.room);
            if let Some(steps) = self.steps(row) {
                velocity(into, values(row.x), steps);
            }
            self.prediction.to_clean(clean, row.x, row.level);
            if groups > 1 && row.branch == Branch::Positive {
                self.keep_extra(row, groups - 1, (i * groups + 1) * said)?;
            }
        }
        Ok(())
    }

    /// Keeps the channels behind the prediction, which begin at `offset`.
    fn keep_extra(&mut self, row: &Row<'_>, groups: usize, offset: usize) -> Result<()> {
        let mut shape = row.x.raw_dim();
        shape[0] = groups * self.prediction.output_len(shape[0]);
        let extra = self.extras.entry(row.request).or_insert_with(|| Latent::zeros(shape.clone()));
        if extra.raw_dim() != shape {
            *extra = Latent::zeros(shape);
        }
        self.graph.read_f32(self.ports.output, offset, values_mut(extra))?;
        Ok(())
    }

    /// The states, scaled as the network's preconditioning wants them, with the channels that condition them, in the
    /// graph's order.
    fn set_states(&mut self, shape: &[usize], rows: &[Row<'_>]) -> Result<()> {
        let layout = self.layout(shape);
        let more = rows.first().and_then(|row| self.channels(row)).map_or(0, |extra| extra.shape()[0]);
        if layout == Layout::Plain && more == 0 && rows.iter().all(|row| self.prediction.sees_plain(row.level)) {
            let mut states = rows.iter().map(|row| values(row.x));
            self.graph.stack_f32(self.ports.sample, shape, &mut states, rows.len())?;
            return Ok(());
        }
        let mut scaled = std::mem::take(&mut self.scaled);
        scaled.clear();
        let mut shape = shape.to_vec();
        shape.first_mut().into_iter().for_each(|channels| *channels += more);
        for row in rows {
            let start = scaled.len();
            self.prediction.write_input(row.x, row.level, &mut scaled);
            if let Some(channels) = self.channels(row) {
                write_channels(channels, row, &mut scaled);
            }
            let channels = shape.first().copied().unwrap_or(1);
            layout.pack(scaled.get_mut(start..).unwrap_or_default(), channels, &mut self.room);
        }
        let (shape, size) = (layout.shape(&shape), shape.iter().product::<usize>().max(1));
        let set = self.graph.stack_f32(self.ports.sample, &shape, &mut scaled.chunks(size), rows.len());
        self.scaled = scaled;
        Ok(set?)
    }

    /// What stands behind the channels of a row's latent.
    fn channels(&self, row: &Row<'_>) -> Option<&Latent> {
        self.conditions.get(&(row.request, row.branch))?.get(Input::Channels)
    }

    /// The steps of a row's run, where the network makes them itself.
    fn steps(&self, row: &Row<'_>) -> Option<f32> {
        let told = self.conditions.get(&(row.request, row.branch)).filter(|_| self.takes(Input::Steps));
        told?.get(Input::Steps)?.first().copied()
    }

    fn layout(&self, latent: &[usize]) -> Layout {
        Layout::of(self.graph.inputs().get(self.ports.sample), latent)
    }

    /// How many groups of a latent's channels the graph gave; the first is the prediction.
    fn output_groups(&self, x: &Latent, rows: usize) -> Result<usize> {
        let shape = self.graph.output_shape(self.ports.output)?;
        let tokens = self.layout(x.shape()).shape(x.shape());
        if let ([batch, places, channels], [own_places, own]) = (shape, tokens.as_slice())
            && (*batch, places) == (rows, own_places)
            && channels == own
        {
            return Ok(1);
        }
        if let ([batch, channels, given @ ..], [own, size @ ..]) = (shape, x.shape())
            && (*batch, given) == (rows, size)
            && let own = self.prediction.output_len(*own)
            && channels.is_multiple_of(own)
            && *channels >= own
        {
            return Ok(channels / own);
        }
        let path = self.graph.path().display();
        bail!("{path} gave {shape:?} for {rows} latents of {:?}; it is no denoiser of this model", x.shape())
    }

    fn set_timestep(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let time = |row: &Row<'_>| row.level.t * self.steps(row).map_or(1.0, f64::from);
        let differ = rows.windows(2).any(|pair| pair.first().map(time) != pair.last().map(time));
        let port = self.graph.inputs().get(self.ports.timestep);
        let shape: &[usize] = match port.map(|p| p.shape.len()) {
            Some(0) => &[],
            _ if differ || self.takes(Input::Steps) => &[rows.len()],
            _ => &[1],
        };
        let count = shape.iter().product::<usize>();
        if port.is_some_and(|p| p.dtype.is_float()) {
            let times: Vec<f32> = rows.iter().take(count).map(|row| time(row) as f32).collect();
            self.graph.set_f32(self.ports.timestep, shape, &times)?;
        } else {
            let whole = |row: &Row<'_>| whole(time(row), self.takes(Input::Steps));
            let times: Vec<i64> = rows.iter().take(count).map(whole).collect();
            self.graph.set_i64(self.ports.timestep, shape, &times)?;
        }
        Ok(())
    }

    /// Conditioning stays in the graph's inputs for as long as the same rows ask.
    fn bind_conditions(&mut self, rows: &[Row<'_>]) -> Result<()> {
        let keys = rows.iter().map(|row| (row.request, row.branch));
        if self.bound.iter().copied().eq(keys.clone()) {
            return Ok(());
        }
        let found: Option<Vec<_>> = keys.clone().map(|key| self.conditions.get(&key).cloned()).collect();
        let Some(found) = found.filter(|found| !found.is_empty()) else { bail!("a request has no conditioning") };
        for (input, port) in &self.ports.conditions {
            let given: Option<Vec<&Latent>> = found.iter().map(|condition| condition.get(*input)).collect();
            let Some(given) = given else {
                let path = self.graph.path().display();
                bail!("{path} takes {}, which this family of models does not make", input.names().join(" or "))
            };
            let shape = given.first().map(|value| value.shape().to_vec()).unwrap_or_default();
            if let (true, Some(value)) = (is_number(self.graph.inputs().get(*port), *input), given.first()) {
                self.graph.set_f32(*port, &[], values(value))?;
                continue;
            }
            self.graph.stack_f32(*port, &shape, &mut given.iter().map(|value| values(value)), given.len())?;
        }
        self.bound = keys.collect();
        Ok(())
    }

    /// How many of the leading rows may share one run.
    fn agreeing(&self, rows: &[Row<'_>]) -> usize {
        let Some(first) = rows.first() else { return 0 };
        let same_time = |row: &Row<'_>| self.ports.timestep_per_row || row.level.t == first.level.t;
        let told = |row: &Row<'_>| self.conditions.get(&(row.request, row.branch)).map(|told| told.shapes());
        let fits = |row: &Row<'_>| row.x.shape() == first.x.shape() && same_time(row) && told(row) == told(first);
        let alike = rows.iter().take_while(|row| fits(row)).count();
        alike.min(self.ports.batch.unwrap_or(usize::MAX)).max(1)
    }
}

impl Denoiser for Network {
    fn denoise(&mut self, mut rows: &[Row<'_>], mut clean: &mut [Latent]) -> Result<()> {
        while !rows.is_empty() {
            let count = self.agreeing(rows).min(clean.len());
            let (now, later) = rows.split_at(count);
            let (out, rest) = std::mem::take(&mut clean).split_at_mut(count);
            self.run(now, out)?;
            (rows, clean) = (later, rest);
        }
        Ok(())
    }

    fn extra(&self, request: RequestId) -> Option<&Latent> {
        self.extras.get(&request)
    }

    fn forget(&mut self, request: RequestId) {
        self.extras.remove(&request);
        self.conditions.retain(|(owner, _), _| *owner != request);
        self.bound.clear();
    }
}

impl Ports {
    fn bind(graph: &Graph) -> Result<Self> {
        let conditions = Input::ALL.into_iter().filter_map(|kind| Some((kind, graph.input_of(kind.names())?)));
        let ports = Self {
            sample: input(graph, SAMPLE)?,
            timestep: input(graph, TIMESTEP)?,
            conditions: conditions.collect(),
            output: match graph.output_of(OUTPUT) {
                Some(output) => output,
                None => bail!("{} has no output named {}", graph.path().display(), OUTPUT.join(", ")),
            },
            batch: None,
            timestep_per_row: false,
        };
        ports.check_all_filled(graph)?;
        let dims = |port: usize| graph.inputs().get(port).map(|p| p.shape.as_slice()).unwrap_or_default();
        let stacked = ports.conditions.iter().map(|(_, port)| *port).chain([ports.sample]);
        let fixed = stacked.filter_map(|port| fixed(dims(port).first())).min();
        // A number holds for all rows of a run.
        let shared = ports.conditions.iter().any(|(input, port)| is_number(graph.inputs().get(*port), *input));
        let fixed = if shared { Some(1) } else { fixed };
        let timestep_per_row = matches!(dims(ports.timestep), [dim] if fixed_dim(dim) != Some(1));
        Ok(Self { batch: fixed, timestep_per_row, ..ports })
    }

    /// An input that nothing fills would make a different picture, or none.
    fn check_all_filled(&self, graph: &Graph) -> Result<()> {
        let known =
            |i: usize| i == self.sample || i == self.timestep || self.conditions.iter().any(|(_, port)| *port == i);
        let unknown = graph.inputs().iter().enumerate().find(|(i, _)| !known(*i));
        match unknown {
            Some((_, Port { name, dtype, .. })) => bail!(
                "{} has an input {name} ({dtype:?}) that this family of models does not fill; \
                 it may belong to another family or to a ControlNet",
                graph.path().display()
            ),
            None => Ok(()),
        }
    }
}

/// The channels that stand behind a state, of the frames that it has of its request.
fn write_channels(channels: &Latent, row: &Row<'_>, into: &mut Vec<f32>) {
    let frames = row.x.shape().get(1).copied().unwrap_or(1);
    if channels.shape().get(1).is_none_or(|all| *all == frames) {
        into.extend_from_slice(values(channels));
    } else {
        into.extend(channels.slice_axis(Axis(1), Slice::from(row.before..row.before + frames)));
    }
}

/// Whether a graph takes an input as a number of its own, not as one for each row.
fn is_number(port: Option<&Port>, input: Input) -> bool {
    input == Input::Scale && port.is_some_and(|port| port.shape.is_empty())
}

/// A time as networks take it that want whole numbers: cut, as the reference does. Which `step` it is comes out of a product, which may
/// lie a little below.
fn whole(time: f64, step: bool) -> i64 {
    if step { time.round() as i64 } else { time as i64 }
}

/// From the latent behind one of `steps` even steps from `x` to the velocity that leads there.
fn velocity(next: &mut [f32], x: &[f32], steps: f32) {
    next.iter_mut().zip(x).for_each(|(next, x)| *next = (*next - x) * steps);
}

fn input(graph: &Graph, names: &[&str]) -> Result<usize> {
    match graph.input_of(names) {
        Some(input) => Ok(input),
        None => {
            let there: Vec<_> = graph.inputs().iter().map(|p| p.name.as_str()).collect();
            let path = graph.path().display();
            bail!("{path} has no input named {}; its inputs are {}", names.join(" or "), there.join(", "))
        }
    }
}

fn fixed(dim: Option<&Dim>) -> Option<usize> {
    dim.and_then(fixed_dim)
}

fn fixed_dim(dim: &Dim) -> Option<usize> {
    match dim {
        Dim::Fixed(size) => Some(*size),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latent_may_be_given_as_tokens() {
        let shapes = |latent: &[usize]| given(latent, 2).into_iter().map(|one| one.shape).collect::<Vec<_>>();
        assert_eq!(shapes(&[8, 3, 4, 5]), [vec![2, 8, 3, 4, 5], vec![2, 60, 8], vec![2]]);
        assert_eq!(shapes(&[8, 16]), [vec![2, 8, 16], vec![2]]);
    }

    #[test]
    fn every_step_has_its_own_number() {
        for steps in 1..200 {
            let share = |step: i64| step as f64 / steps as f64;
            assert!((0..steps).all(|step| whole(share(step) * steps as f64, true) == step), "{steps}");
        }
        assert_eq!(whole(999.9, false), 999);
    }

    #[test]
    fn a_window_of_a_clip_has_the_channels_of_its_own_frames() {
        use crate::sampling::Level;
        let channels = Latent::from_shape_fn(vec![2, 5, 1, 2], |at| (at[0] * 100 + at[1] * 10 + at[3]) as f32);
        let said = |before, frames| {
            let (x, mut into) = (Latent::zeros(vec![4, frames, 1, 2]), Vec::new());
            let level = Level { t: 1.0, alpha: 1.0, sigma: 1.0 };
            let row = Row { before, ..Row::new(RequestId(0), Branch::Positive, &x, level) };
            write_channels(&channels, &row, &mut into);
            into
        };
        assert_eq!(said(0, 5), channels.iter().copied().collect::<Vec<_>>());
        assert_eq!(said(3, 2), [30.0, 31.0, 40.0, 41.0, 130.0, 131.0, 140.0, 141.0]);
    }

    #[test]
    fn expected_shapes_span_every_request() {
        let states = |tokens| Latent::zeros(vec![tokens, 768]);
        let conditions = [77, 154].map(|tokens| Condition::from_iter([(Input::HiddenStates, states(tokens))]));
        let found = expected(&[&[4, 64, 32], &[4, 32, 64]], &[&conditions[0], &conditions[1]], 8);
        let spans: Vec<_> = found.iter().map(|one| (one.names[0].as_str(), &one.least[..], &one.most[..])).collect();
        assert_eq!(
            spans,
            [
                ("sample", &[1, 4, 32, 32][..], &[8, 4, 64, 64][..]),
                ("timestep", &[1], &[8]),
                ("encoder_hidden_states", &[1, 77, 768], &[8, 154, 768]),
            ]
        );
    }
}
