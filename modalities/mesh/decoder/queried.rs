//! A field that a graph answers for, point by point.

use super::FIELD;
use super::FieldFacts;
use crate::graphs::{finite, input};
use crate::mesh::{Field, Region, Vec3};
use anyhow::{Context, Result, bail, ensure};
use edrun_onnx::{Cancel, Dim, Graph};
use ndarray::ArrayD;

const POINTS: &[&str] = &["points", "queries", "query_points", "position", "xyz"];
const VALUES: &[&str] = &["signed_distance", "sdf", "distance", "occupancy", "density", "logits", "values"];
const COLOURS: &[&str] = &["colour", "color", "rgb", "channels"];

/// A graph from points, and from what describes an object, to values.
pub(super) struct Queried<'g> {
    graph: &'g mut Graph,
    points: usize,
    values: usize,
    colours: Option<usize>,
    /// Points of one run, where the graph was exported for a number.
    fixed: Option<usize>,
    /// Whether the points have an axis of requests before them.
    batched: bool,
    facts: FieldFacts,
    cancel: Cancel,
}

impl<'g> Queried<'g> {
    /// Binds what describes the object, which stays the same for all points.
    pub(super) fn new(
        graph: &'g mut Graph,
        described: &[(String, ArrayD<f32>)],
        facts: &FieldFacts,
        cancel: Cancel,
    ) -> Result<Self> {
        let points = input(graph, FIELD, POINTS)?;
        let values = crate::graphs::output(graph, FIELD, VALUES)?;
        let colours = graph.output_of(COLOURS);
        let dims = graph.inputs().get(points).map(|port| port.shape.clone()).unwrap_or_default();
        let (batched, count) = match &dims[..] {
            [count, Dim::Fixed(3)] => (false, count),
            [_, count, Dim::Fixed(3)] => (true, count),
            _ => bail!("the graph of {FIELD} takes points of an unknown shape instead of [points, 3]: export it again"),
        };
        let fixed = if let Dim::Fixed(count) = count { Some(*count) } else { None };
        let names: Vec<String> = graph.inputs().iter().map(|port| port.name.clone()).collect();
        for (port, name) in names.into_iter().enumerate().filter(|(port, _)| *port != points) {
            let value = described.iter().find(|(given, _)| *given == name);
            let (_, value) = value.with_context(|| {
                format!("the graph of {FIELD} takes {name}, which the decoder does not give: export it again")
            })?;
            graph.set_f32(port, value.shape(), &value.iter().copied().collect::<Vec<_>>())?;
        }
        Ok(Self { graph, points, values, colours, fixed, batched, facts: facts.clone(), cancel })
    }

    /// Runs the graph on some points, the last ones repeated where it wants more.
    fn run(&mut self, points: &[Vec3]) -> Result<()> {
        let count = self.fixed.unwrap_or(points.len());
        let padding = std::iter::repeat_n(points.last(), count - points.len()).flatten();
        let flat: Vec<f32> = points.iter().chain(padding).flat_map(|point| point.to_array()).collect();
        let shape: &[usize] = if self.batched { &[1, count, 3] } else { &[count, 3] };
        self.graph.set_f32(self.points, shape, &flat)?;
        Ok(self.graph.run(&self.cancel)?)
    }

    fn check(&self, output: usize, each: usize, count: usize) -> Result<()> {
        let shape = self.graph.output_shape(output)?;
        ensure!(
            shape.iter().product::<usize>() == each * self.fixed.unwrap_or(count),
            "the graph of {FIELD} gave {shape:?} for {count} points, not {each} for each: export it again"
        );
        Ok(())
    }

    fn chunk(&self, all: usize) -> usize {
        self.fixed.unwrap_or(all).max(1)
    }
}

impl Field for Queried<'_> {
    fn region(&self) -> Region {
        self.facts.region()
    }

    fn distances(&mut self, points: &[Vec3], out: &mut [f32]) -> Result<()> {
        let chunk = self.chunk(points.len());
        for (points, out) in points.chunks(chunk).zip(out.chunks_mut(chunk)) {
            self.run(points)?;
            self.check(self.values, 1, points.len())?;
            self.graph.read_f32(self.values, 0, out)?;
            out.iter_mut().for_each(|value| *value = self.facts.distance(*value));
        }
        Ok(())
    }

    fn colours(&mut self, points: &[Vec3]) -> Result<Option<Vec<Vec3>>> {
        let Some(colours) = self.colours else { return Ok(None) };
        let mut all = Vec::with_capacity(points.len());
        for points in points.chunks(self.chunk(points.len())) {
            self.run(points)?;
            self.check(colours, 3, points.len())?;
            let mut flat = vec![0.0; 3 * points.len()];
            self.graph.read_f32(colours, 0, &mut flat)?;
            finite(FIELD, &flat)?;
            all.extend(
                flat.as_chunks().0.iter().map(|rgb: &[f32; 3]| Vec3::from_array(rgb.map(|v| self.facts.colour(v)))),
            );
        }
        Ok(Some(all))
    }

    fn bytes_per_point(&self) -> usize {
        self.facts.bytes_per_point
    }
}
