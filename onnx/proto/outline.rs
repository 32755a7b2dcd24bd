//! What a graph file declares, read without loading its weights.

use super::{Stop, Walk, describe, is_ort_format, open};
use crate::error::{Error, ErrorKind, Result};
use crate::port::{Dim, Port};
use crate::tensor::DType;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::Path;

/// What a graph declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Its inputs, without those that have a default.
    pub inputs: Vec<Port>,
    /// Its outputs.
    pub outputs: Vec<Port>,
    /// Version of the standard operators it is written in.
    pub opset: u64,
    /// The program that wrote it, with its version where it says one.
    pub producer: String,
    /// Operators at its top level.
    pub nodes: usize,
    /// Entries that were written into it when it was exported, by key.
    pub metadata: BTreeMap<String, String>,
}

pub(super) type Walked<T> = std::result::Result<T, Stop>;

/// What stands in a field.
#[derive(Clone, Copy)]
pub(super) enum Content {
    Number(u64),
    /// So many bytes, still to be read.
    Bytes(u64),
}

impl Outline {
    /// Reads the outline of a `.onnx` file, whatever its size.
    ///
    /// # Errors
    /// `MissingFile` and `BadGraph`, as for loading it.
    pub fn read(path: &Path) -> Result<Self> {
        let file = open(path)?;
        let bytes = file.metadata().map_err(|cause| Error::io("read", path, &cause))?.len();
        let mut reader = BufReader::new(file);
        if is_ort_format(&mut reader) {
            let message = format!("{} is in ONNX Runtime's own format, which says nothing without it", path.display());
            return Err(Error::new(ErrorKind::BadGraph, message));
        }
        let mut walk = Walk::new(reader);
        let outline = walk.rewind().and_then(|()| walk.model(bytes));
        let outline = outline.map_err(|stop| stop.explain(path, bytes))?;
        if !walk.has_graph {
            return Err(Stop::Foreign.explain(path, bytes));
        }
        Ok(outline)
    }

    /// The size of a graph with its weights in bytes, if all of it is there.
    ///
    /// # Errors
    /// `MissingFile` and `BadGraph` name what is absent, truncated or outside the graph's folder.
    pub fn total_bytes(path: &Path) -> Result<u64> {
        describe(path).map(|described| described.total_bytes())
    }
}

impl Walk {
    fn model(&mut self, end: u64) -> Walked<Outline> {
        let mut outline = Outline::default();
        self.each(end, |walk, field, content| match (field, content) {
            (2, Content::Bytes(length)) => walk.text(length).map(|name| outline.producer.insert_str(0, &name)),
            (3, Content::Bytes(length)) if length > 0 => {
                walk.text(length).map(|version| outline.producer.extend([" ", &version]))
            }
            (7, Content::Bytes(length)) => {
                walk.has_graph = true;
                walk.graph(walk.at + length, &mut outline)
            }
            (8, Content::Bytes(length)) => walk.opset(walk.at + length, &mut outline.opset),
            (14, Content::Bytes(length)) => {
                walk.metadata(walk.at + length).map(|(key, value)| drop(outline.metadata.insert(key, value)))
            }
            (_, content) => walk.pass(content),
        })?;
        Ok(outline)
    }

    fn graph(&mut self, end: u64, outline: &mut Outline) -> Walked<()> {
        let mut defaults = Vec::new();
        self.each(end, |walk, field, content| match (field, content) {
            (1, content) => {
                outline.nodes += 1;
                walk.pass(content)
            }
            (5, Content::Bytes(length)) => walk.name(walk.at + length, 8).map(|name| defaults.push(name)),
            (11, Content::Bytes(length)) => walk.port(walk.at + length).map(|port| outline.inputs.push(port)),
            (12, Content::Bytes(length)) => walk.port(walk.at + length).map(|port| outline.outputs.push(port)),
            (_, content) => walk.pass(content),
        })?;
        outline.inputs.retain(|port| !defaults.contains(&port.name));
        Ok(())
    }

    /// Versions of other operator sets have a domain.
    fn opset(&mut self, end: u64, standard: &mut u64) -> Walked<()> {
        let (mut domain, mut version) = (String::new(), 0);
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.text(length).map(|text| domain = text),
            (2, Content::Number(number)) => {
                version = number;
                Ok(())
            }
            (_, content) => walk.pass(content),
        })?;
        if domain.is_empty() || domain == "ai.onnx" {
            *standard = version;
        }
        Ok(())
    }

    /// A key and its value.
    fn metadata(&mut self, end: u64) -> Walked<(String, String)> {
        let (mut key, mut value) = (String::new(), String::new());
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.text(length).map(|text| key = text),
            (2, Content::Bytes(length)) => walk.text(length).map(|text| value = text),
            (_, content) => walk.pass(content),
        })?;
        Ok((key, value))
    }

    /// The text in one field of a message.
    fn name(&mut self, end: u64, wanted: u64) -> Walked<String> {
        let mut name = String::new();
        self.each(end, |walk, field, content| match content {
            Content::Bytes(length) if field == wanted => walk.text(length).map(|text| name = text),
            content => walk.pass(content),
        })?;
        Ok(name)
    }

    pub(super) fn port(&mut self, end: u64) -> Walked<Port> {
        let mut port = Port { name: String::new(), dtype: DType::Other, shape: Vec::new() };
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Bytes(length)) => walk.text(length).map(|text| port.name = text),
            // A type, whose first field is the tensor's.
            (2, Content::Bytes(length)) => walk.each(walk.at + length, |walk, field, content| match (field, content) {
                (1, Content::Bytes(length)) => walk.tensor(walk.at + length, &mut port),
                (_, content) => walk.pass(content),
            }),
            (_, content) => walk.pass(content),
        })?;
        Ok(port)
    }

    fn tensor(&mut self, end: u64, port: &mut Port) -> Walked<()> {
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Number(number)) => {
                port.dtype = DType::of_proto(number);
                Ok(())
            }
            (2, Content::Bytes(length)) => walk.each(walk.at + length, |walk, field, content| match (field, content) {
                (1, Content::Bytes(length)) => walk.dim(walk.at + length).map(|dim| port.shape.push(dim)),
                (_, content) => walk.pass(content),
            }),
            (_, content) => walk.pass(content),
        })
    }

    fn dim(&mut self, end: u64) -> Walked<Dim> {
        let mut dim = Dim::Unknown;
        self.each(end, |walk, field, content| match (field, content) {
            (1, Content::Number(number)) => {
                dim = usize::try_from(number as i64).map_or(Dim::Unknown, Dim::Fixed);
                Ok(())
            }
            (2, Content::Bytes(length)) => walk.text(length).map(|text| {
                dim = if text.is_empty() { Dim::Unknown } else { Dim::Symbol(text) };
            }),
            (_, content) => walk.pass(content),
        })?;
        Ok(dim)
    }

    /// Hands out every field up to `end`.
    pub(super) fn each(
        &mut self,
        end: u64,
        mut field: impl FnMut(&mut Self, u64, Content) -> Walked<()>,
    ) -> Walked<()> {
        while self.at < end {
            let tag = self.varint()?;
            let content = match tag & 7 {
                0 => Content::Number(self.varint()?),
                wire => Content::Bytes(self.length(wire)?),
            };
            if let Content::Bytes(length) = content
                && self.at.checked_add(length).is_none_or(|field_end| field_end > end)
            {
                return Err(if self.has_graph { Stop::Truncated } else { Stop::Foreign });
            }
            field(self, tag >> 3, content)?;
        }
        Ok(())
    }

    pub(super) fn pass(&mut self, content: Content) -> Walked<()> {
        match content {
            Content::Number(_) => Ok(()),
            Content::Bytes(length) => self.skip(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Graph, GraphOptions};
    use crate::testing::data;

    #[test]
    fn an_outline_says_what_the_loaded_graph_says() {
        let mut compared = 0;
        for name in ["add.onnx", "casts.onnx", "layers.onnx", "log.onnx", "nonzero.onnx", "scalar.onnx", "slow.onnx"] {
            let path = data(name);
            let (outline, graph) =
                (Outline::read(&path).unwrap(), Graph::load(&path, &GraphOptions::default()).unwrap());
            assert_eq!(outline.inputs, graph.inputs(), "{name}");
            assert_eq!(outline.outputs.len(), graph.outputs().len(), "{name}");
            for (ours, theirs) in outline.outputs.iter().zip(graph.outputs()) {
                assert_eq!((&ours.name, ours.dtype), (&theirs.name, theirs.dtype), "{name}");
            }
            assert!(outline.opset >= 13 && outline.nodes > 0, "{name}: {outline:?}");
            compared += 1;
        }
        assert_eq!(compared, 7);
    }

    #[test]
    fn damaged_graphs_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cut.onnx");
        let whole = std::fs::read(data("layers.onnx")).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            if let Err(error) = Outline::read(&path) {
                assert!(error.to_string().contains("cut.onnx"), "{error}");
            }
        }
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(Outline::read(&path).unwrap_err().kind(), ErrorKind::BadGraph);
        assert_eq!(
            Outline::total_bytes(&data("external_absent/model.onnx")).unwrap_err().kind(),
            ErrorKind::MissingFile
        );
        assert!(Outline::total_bytes(&data("external/model.onnx")).unwrap() > 0);
    }
}
