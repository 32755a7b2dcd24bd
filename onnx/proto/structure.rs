//! What a graph file computes, read without its weights: nodes, what they are told, and where values come from.

use super::outline::{Content, Walked};
use super::{Stop, Walk, is_ort_format, open};
use crate::error::{Error, ErrorKind, Result};
use crate::port::Port;
use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

/// A graph without its weights.
#[derive(Default)]
pub(crate) struct Structure {
    /// What it is given, weights not counted.
    pub(crate) inputs: Vec<Port>,
    /// Names of what it gives.
    pub(crate) outputs: Vec<String>,
    /// In the order they run.
    pub(crate) nodes: Vec<Node>,
    /// By name.
    pub(crate) weights: HashMap<String, Weight>,
}

/// One operator.
#[derive(Default)]
pub(crate) struct Node {
    pub(crate) op: String,
    /// Empty names are inputs that were left out.
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    attributes: Vec<(String, Attribute)>,
}

#[derive(Default)]
struct Attribute {
    number: Option<i64>,
    text: String,
    numbers: Vec<i64>,
    tensor: Option<Weight>,
}

/// A tensor of a file.
#[derive(Clone, Default)]
pub(crate) struct Weight {
    pub(crate) dims: Vec<usize>,
    /// The number of its element type in onnx.proto.
    pub(crate) kind: u64,
    /// Its values, where they are few and lie in the file.
    pub(crate) values: Option<Vec<f64>>,
    name: String,
}

/// Tensors with more elements than this hold no shapes.
const FEW: usize = 64;

impl Node {
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.attribute(name)?.number
    }

    pub(crate) fn numbers(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name).map(|found| found.numbers.as_slice())
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|found| found.text.as_str())
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&Weight> {
        self.attribute(name)?.tensor.as_ref()
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, found)| found)
    }
}

impl Structure {
    /// Reads a `.onnx` file, whatever its size.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let bytes = file.metadata().map_err(|cause| Error::io("read", path, &cause))?.len();
        let mut reader = BufReader::new(file);
        if is_ort_format(&mut reader) {
            let message = format!("{} is in ONNX Runtime's own format, which says nothing without it", path.display());
            return Err(Error::new(ErrorKind::BadGraph, message));
        }
        let mut walk = Walk::new(reader);
        let read = walk.rewind().and_then(|()| walk.structure(bytes));
        read.map_err(|stop| stop.explain(path, bytes))
    }
}

impl Walk {
    fn structure(&mut self, end: u64) -> Walked<Structure> {
        let mut read = Structure::default();
        self.each(end, |walk, field, content| match (field, content) {
            (7, Content::Bytes(length)) => {
                walk.has_graph = true;
                walk.body(walk.at + length, &mut read)
            }
            (_, content) => walk.pass(content),
        })?;
        if !self.has_graph {
            return Err(Stop::Foreign);
        }
        let Structure { inputs, weights, .. } = &mut read;
        inputs.retain(|port| !weights.contains_key(&port.name));
        Ok(read)
    }

    fn body(&mut self, end: u64, read: &mut Structure) -> Walked<()> {
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.node(walk.at + length).map(|node| read.nodes.push(node)),
            (5, Content::Bytes(length)) => walk.weight(walk.at + length).map(|weight| {
                read.weights.insert(weight.name.clone(), weight);
            }),
            (11, Content::Bytes(length)) => walk.port(walk.at + length).map(|port| read.inputs.push(port)),
            (12, Content::Bytes(length)) => walk.port(walk.at + length).map(|port| read.outputs.push(port.name)),
            (_, content) => walk.pass(content),
        })
    }

    fn node(&mut self, end: u64) -> Walked<Node> {
        let mut node = Node::default();
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.text(length).map(|name| node.inputs.push(name)),
            (2, Content::Bytes(length)) => walk.text(length).map(|name| node.outputs.push(name)),
            (4, Content::Bytes(length)) => walk.text(length).map(|op| node.op = op),
            (5, Content::Bytes(length)) => walk.attribute(walk.at + length).map(|one| node.attributes.push(one)),
            (_, content) => walk.pass(content),
        })?;
        Ok(node)
    }

    fn attribute(&mut self, end: u64) -> Walked<(String, Attribute)> {
        let (mut name, mut found) = (String::new(), Attribute::default());
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.text(length).map(|text| name = text),
            (3, Content::Number(number)) => {
                found.number = Some(number as i64);
                Ok(())
            }
            // Texts may be any bytes; those of interest are words.
            (4, Content::Bytes(length)) if length < 256 => {
                walk.bytes(length).map(|text| found.text = String::from_utf8_lossy(&text).into_owned())
            }
            (5, Content::Bytes(length)) => walk.weight(walk.at + length).map(|tensor| found.tensor = Some(tensor)),
            (8, content) => walk.whole_numbers(content, &mut found.numbers),
            (_, content) => walk.pass(content),
        })?;
        Ok((name, found))
    }

    fn weight(&mut self, end: u64) -> Walked<Weight> {
        let (mut weight, mut dims) = (Weight::default(), Vec::new());
        let (mut raw, mut numbers, mut floats) = (Vec::new(), Vec::new(), Vec::new());
        self.each(end, |walk, field, content| match (field, content) {
            (1, content) => walk.whole_numbers(content, &mut dims),
            (2, Content::Number(kind)) => {
                weight.kind = kind;
                Ok(())
            }
            (4, Content::Bytes(length)) if length <= 4 * FEW as u64 => {
                walk.bytes(length).map(|bytes| floats.extend(bytes))
            }
            (5 | 7, content) => walk.whole_numbers(content, &mut numbers),
            (8, Content::Bytes(length)) => walk.text(length).map(|name| weight.name = name),
            (9, Content::Bytes(length)) if length <= 8 * FEW as u64 => walk.bytes(length).map(|bytes| raw = bytes),
            (_, content) => walk.pass(content),
        })?;
        weight.dims = dims.iter().map(|n| usize::try_from(*n).unwrap_or(0)).collect();
        let count = weight.dims.iter().fold(1usize, |all, n| all.saturating_mul(*n));
        let values = match weight.kind {
            _ if count > FEW => Vec::new(),
            1 if !raw.is_empty() => four(&raw).map(|bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
            1 => four(&floats).map(|bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
            6 if !raw.is_empty() => four(&raw).map(|bytes| f64::from(i32::from_le_bytes(bytes))).collect(),
            7 if !raw.is_empty() => {
                let eight = raw.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
                eight.map(|bytes| i64::from_le_bytes(bytes) as f64).collect()
            }
            9 if !raw.is_empty() => raw.iter().map(|byte| f64::from(*byte)).collect(),
            6 | 7 | 9 => numbers.iter().map(|n| *n as f64).collect(),
            _ => Vec::new(),
        };
        weight.values = Some(values).filter(|values: &Vec<f64>| values.len() == count);
        Ok(weight)
    }

    /// Whole numbers, one in a field or many in one.
    fn whole_numbers(&mut self, content: Content, into: &mut Vec<i64>) -> Walked<()> {
        match content {
            Content::Number(number) => into.push(number as i64),
            // Too many for a shape.
            Content::Bytes(length) if length > 10 * FEW as u64 => self.skip(length)?,
            Content::Bytes(length) => {
                let end = self.at + length;
                while self.at < end {
                    into.push(self.varint()? as i64);
                }
            }
        }
        Ok(())
    }

    fn bytes(&mut self, length: u64) -> Walked<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes).map_err(Stop::Io)?;
        self.at += read as u64;
        if read as u64 == length { Ok(bytes) } else { Err(Stop::Truncated) }
    }
}

fn four(bytes: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    bytes.chunks_exact(4).filter_map(|four| four.try_into().ok())
}
