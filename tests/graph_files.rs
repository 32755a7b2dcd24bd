//! Graph files taken apart and put together again, to damage them with care: as much protobuf as that takes.
//!
//! Field numbers are those of onnx.proto.

use std::path::Path;

/// A field of a message.
#[derive(Clone)]
pub(crate) enum Field {
    Number(u64, u64),
    Bytes(u64, Vec<u8>),
    /// Floats and doubles, which nothing here looks at: tag and content.
    Fixed(u64, Vec<u8>),
}

use Field::{Bytes, Fixed, Number};

/// The fields of a message.
pub(crate) fn parse(mut bytes: &[u8]) -> Vec<Field> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        fields.push(match tag & 7 {
            0 => Number(tag >> 3, varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                Bytes(tag >> 3, bytes.split_off(..length).unwrap().to_vec())
            }
            wire => Fixed(tag, bytes.split_off(..if wire == 5 { 4 } else { 8 }).unwrap().to_vec()),
        });
    }
    fields
}

/// The message with these fields.
pub(crate) fn message(fields: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        match field {
            Number(field, value) => [field << 3, *value].iter().for_each(|v| put(&mut bytes, *v)),
            Bytes(field, content) => {
                [field << 3 | 2, content.len() as u64].iter().for_each(|v| put(&mut bytes, *v));
                bytes.extend(content);
            }
            Fixed(tag, content) => {
                put(&mut bytes, *tag);
                bytes.extend(content);
            }
        }
    }
    bytes
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    while let Some(byte) = bytes.split_off_first() {
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if *byte < 0x80 {
            break;
        }
    }
    value
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn text(field: u64, text: &str) -> Field {
    Bytes(field, text.into())
}

/// Changes the graph in a file.
fn edit(path: &Path, change: impl FnOnce(&mut Vec<Field>)) {
    let mut model = parse(&std::fs::read(path).unwrap());
    let graph = model.iter_mut().find_map(|field| match field {
        Bytes(7, graph) => Some(graph),
        _ => None,
    });
    let graph = graph.unwrap();
    let mut fields = parse(graph);
    change(&mut fields);
    *graph = message(&fields);
    std::fs::write(path, message(&model)).unwrap();
}

/// Changes each weight in single precision of some length in a file; its values are field 9.
fn edit_weights(path: &Path, mut change: impl FnMut(&mut Vec<Field>)) -> usize {
    let mut changed = 0;
    edit(path, |graph| {
        for field in graph {
            let Bytes(5, tensor) = field else { continue };
            let mut fields = parse(tensor);
            let is_float = fields.iter().any(|field| matches!(field, Number(2, 1)));
            if is_float && fields.iter().any(|field| matches!(field, Bytes(9, values) if values.len() >= 64)) {
                change(&mut fields);
                *tensor = message(&fields);
                changed += 1;
            }
        }
    });
    changed
}

/// Moves the weights of a graph into another file, which it names as `location`.
pub(crate) fn externalise(path: &Path, location: &str) {
    let mut blob = Vec::new();
    let moved = edit_weights(path, |tensor| {
        for at in 0..tensor.len() {
            let Bytes(9, values) = tensor[at].clone() else { continue };
            let entry = |key: &str, value: &str| Bytes(13, message(&[text(1, key), text(2, value)]));
            tensor[at] = entry("location", location);
            tensor.push(entry("offset", &blob.len().to_string()));
            tensor.push(entry("length", &values.len().to_string()));
            tensor.push(Number(14, 1));
            blob.extend(values);
        }
    });
    assert!(moved > 0);
    std::fs::write(path.parent().unwrap().join(location), blob).unwrap();
}

/// Fills one weight in the middle of a graph with values that are no numbers.
pub(crate) fn poison(path: &Path) {
    let mut count = 0;
    edit_weights(path, |tensor| {
        count += 1;
        if count != 5 {
            return;
        }
        for field in tensor {
            if let Bytes(9, values) = field {
                values.chunks_exact_mut(4).for_each(|value| value.copy_from_slice(&f32::NAN.to_le_bytes()));
            }
        }
    });
    assert!(count >= 5);
}

/// When a graph is made slow.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Slow {
    /// As long as it is loaded, because all of it is constant.
    Loading,
    /// As long as it runs.
    Running,
}

/// Puts products of large matrices in front of a graph's input, which add nothing to it but time.
pub(crate) fn slow_down(path: &Path, input: &str, slow: Slow, products: usize) {
    const SIDE: u64 = 1024;
    let node = |op: &str, inputs: &[&str], output: &str, attributes: &[Field]| {
        let inputs = inputs.iter().map(|name| text(1, name));
        let fields: Vec<_> = inputs.chain([text(2, output), text(4, op)]).chain(attributes.iter().cloned()).collect();
        Bytes(1, message(&fields))
    };
    let scalar = Bytes(5, message(&[text(1, "keepdims"), Number(3, 0), Number(20, 2)]));
    let weight = |name: &str, dims: &[u64], kind: u64, values: Vec<u8>| {
        let dims = dims.iter().map(|n| Number(1, *n));
        Bytes(5, message(&dims.chain([Number(2, kind), text(8, name), Bytes(9, values)]).collect::<Vec<_>>()))
    };
    edit(path, |graph| {
        for field in graph.iter_mut() {
            let Bytes(1, content) = field else { continue };
            let renamed = parse(content).into_iter().map(|field| match field {
                Bytes(1, name) if name == input.as_bytes() => text(1, "slowed"),
                other => other,
            });
            *content = message(&renamed.collect::<Vec<_>>());
        }
        let mut nodes = match slow {
            Slow::Running => vec![
                node("ReduceMax", &[input], "slow_max", std::slice::from_ref(&scalar)),
                node("Mul", &["slow_max", "slow_zero"], "slow_start", &[]),
            ],
            Slow::Loading => vec![node("Neg", &["slow_zero"], "slow_start", &[])],
        };
        nodes.push(node("Expand", &["slow_start", "slow_side"], "slow_0", &[]));
        for i in 0..products {
            nodes.push(node("MatMul", &[&format!("slow_{i}"), "slow_0"], &format!("slow_{}", i + 1), &[]));
        }
        let last = format!("slow_{products}");
        nodes.push(node("ReduceMax", &[&last], "slow_end", std::slice::from_ref(&scalar)));
        nodes.push(node("Add", &[input, "slow_end"], "slowed", &[]));
        nodes.push(weight("slow_zero", &[], 1, vec![0; 4]));
        nodes.push(weight("slow_side", &[2], 7, [SIDE.to_le_bytes(), SIDE.to_le_bytes()].concat()));
        graph.splice(0..0, nodes);
    });
}

/// Makes one node an operator that nobody knows.
pub(crate) fn unknown_operator(path: &Path) {
    edit(path, |graph| {
        let node = graph.iter_mut().find_map(|field| match field {
            Bytes(1, node) => Some(node),
            _ => None,
        });
        let node = node.unwrap();
        let renamed = parse(node).into_iter().map(|field| match field {
            Bytes(4, _) => text(4, "Abracadabra"),
            other => other,
        });
        *node = message(&renamed.collect::<Vec<_>>());
    });
}
