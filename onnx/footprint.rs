//! How much memory a graph will take, from its file alone: before it is loaded, and before the work begins.
//!
//! Weights are counted, and the values between nodes are followed: their shapes from the shapes of the inputs, and how long
//! each lives. ONNX Runtime's arena grows by doubling, so they count twice. On Stable Diffusion 1.5 this gives 7.9 GB for its
//! UNet at 512 x 512 pixels with guidance, where 8.0 were measured, and 3.8 at 256 x 256, as measured.

mod shapes;
mod values;

use crate::error::Result;
use crate::port::{Dim, Port};
use crate::proto;
use crate::proto::structure::{Node, Structure};
use std::collections::HashMap;
use std::path::Path;

pub use values::Given;
use values::{BF16, F16, Known, bytes_of};

/// What the arena takes for each byte that lives in it.
const ARENA: u64 = 2;

/// Memory that a graph takes on the processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of its weights.
    pub weights: u64,
    /// Bytes for the values between its nodes, when most of them are there.
    pub values: u64,
}

impl Footprint {
    /// Estimates a graph for inputs of these shapes; axes that nothing is said of have the length `usual`, and where they
    /// are first, `rows`.
    ///
    /// # Errors
    /// `MissingFile` and `BadGraph` as for loading it.
    pub fn of(path: &Path, given: &[Given], rows: usize, usual: usize) -> Result<Self> {
        let file = proto::describe(path)?;
        if !file.is_onnx {
            return Ok(Self { weights: file.total_bytes(), values: 0 });
        }
        let structure = Structure::read(path)?;
        let inputs = structure.inputs.iter().map(|port| (port.name.clone(), input(port, given, rows, usual)));
        let values = peak(&structure, inputs.collect()).saturating_mul(ARENA);
        Ok(Self { weights: file.total_bytes().saturating_add(widened(&structure)), values })
    }

    /// Both together.
    pub fn total(self) -> u64 {
        self.weights.saturating_add(self.values)
    }
}

/// The shape an input will have.
fn input(port: &Port, given: &[Given], rows: usize, usual: usize) -> Known {
    let fits = |given: &&Given| given.names.contains(&port.name.as_str()) && given.shape.len() == port.shape.len();
    let known = given.iter().find(fits);
    let length = |(at, dim): (usize, &Dim)| match dim {
        Dim::Fixed(n) => *n,
        _ if at == 0 => rows,
        _ => usual,
    };
    let own = || port.shape.iter().enumerate().map(length).collect();
    // A graph may want one row where many are given; it is then asked so many times.
    let shape = match known.map(|known| known.shape.clone()) {
        Some(shape) => {
            shape.into_iter().zip(&port.shape).map(|(n, dim)| if let Dim::Fixed(n) = dim { *n } else { n }).collect()
        }
        None => own(),
    };
    Known::of_port(shape, port.dtype)
}

/// What weights in half precision take beyond their size in the file: ONNX Runtime's processor kernels compute in single.
fn widened(structure: &Structure) -> u64 {
    let half = structure.weights.values().filter(|weight| [F16, BF16].contains(&weight.kind));
    half.map(|weight| bytes_of(&weight.dims, weight.kind) / 2).fold(0, u64::saturating_add)
}

/// Values while the graph runs: who holds which memory, and for how long.
struct Run<'a> {
    known: HashMap<&'a str, Known>,
    /// How many nodes, from here on, read what lies in a piece of memory, by the name it was made under.
    readers: HashMap<&'a str, usize>,
    /// Whose memory a value lies in.
    owners: HashMap<&'a str, &'a str>,
    live: u64,
    peak: u64,
}

fn peak(structure: &Structure, inputs: HashMap<String, Known>) -> u64 {
    let mut run = Run { known: HashMap::new(), readers: HashMap::new(), owners: HashMap::new(), live: 0, peak: 0 };
    for (name, weight) in &structure.weights {
        run.known.insert(name, Known::of_weight(weight));
    }
    for port in &structure.inputs {
        if let Some(known) = inputs.get(&port.name) {
            run.live = run.live.saturating_add(known.bytes());
            run.known.insert(&port.name, known.clone());
        }
    }
    run.peak = run.live;
    let read = structure.nodes.iter().flat_map(|node| &node.inputs).chain(&structure.outputs);
    read.for_each(|name| *run.readers.entry(name).or_default() += 1);
    structure.nodes.iter().for_each(|node| run.node(node));
    run.peak
}

impl<'a> Run<'a> {
    fn node(&mut self, node: &'a Node) {
        let inputs: Vec<Option<&Known>> = node.inputs.iter().map(|name| self.known.get(name.as_str())).collect();
        let outputs = shapes::outputs(node, &inputs);
        let reused = self.reused(node, outputs.first());
        for (i, (name, known)) in node.outputs.iter().zip(outputs).enumerate().filter(|(_, (name, _))| !name.is_empty())
        {
            match reused.filter(|_| i == 0) {
                Some(owner) => {
                    let more = self.readers.get(name.as_str()).copied().unwrap_or(0);
                    *self.readers.entry(owner).or_default() += more;
                    self.owners.insert(name, owner);
                }
                None => self.live = self.live.saturating_add(known.bytes()),
            }
            self.known.insert(name, known);
        }
        self.peak = self.peak.max(self.live);
        node.inputs.iter().for_each(|name| self.read(name));
    }

    /// The memory that a node's result can lie in: that of its input, where only the shape changes or nobody else reads it.
    fn reused(&self, node: &Node, output: Option<&Known>) -> Option<&'a str> {
        let in_place = shapes::in_place(&node.op);
        let candidates = node.inputs.iter().take(if in_place == shapes::InPlace::Any { 2 } else { 1 });
        for name in candidates {
            let (&name, known) = self.known.get_key_value(name.as_str())?;
            let owner = self.owners.get(name).copied().unwrap_or(name);
            let is_value = self.is_value(owner);
            let fits = output.is_some_and(|output| output.bytes() == known.bytes());
            match in_place {
                shapes::InPlace::View if is_value => return Some(owner),
                shapes::InPlace::Any | shapes::InPlace::First
                    if is_value && fits && self.readers.get(owner) == Some(&1) =>
                {
                    return Some(owner);
                }
                _ => {}
            }
        }
        None
    }

    /// Weights are nobody's to overwrite, nor to release.
    fn is_value(&self, owner: &str) -> bool {
        self.known.get(owner).is_some_and(|known| !known.is_weight)
    }

    /// One reader less; the last one's memory is free again.
    fn read(&mut self, name: &'a str) {
        let owner = self.owners.get(name).copied().unwrap_or(name);
        let Some(readers) = self.readers.get_mut(owner) else { return };
        *readers = readers.saturating_sub(1);
        if *readers == 0 && self.is_value(owner) {
            let bytes = self.known.get(owner).map_or(0, Known::bytes);
            self.live = self.live.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
