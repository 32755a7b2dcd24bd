//! Binary glTF 2.0. How it was made stands in `asset.extras`.

use super::colour::to_linear;
use super::normals::shaded;
use super::{Format, Mesh};
use crate::Info;
use anyhow::{Context, Result, ensure};
use glam::Vec3;
use serde_json::{Value, json};

pub(super) const FORMAT: Format =
    Format { name: "GLB", extensions: &["glb"], magic: b"glTF", encode, info, beside: false };

const VERSION: u32 = 2;
const JSON: u32 = u32::from_le_bytes(*b"JSON");
const BIN: u32 = u32::from_le_bytes(*b"BIN\0");

/// Constants of the format's chapter on accessors.
const FLOAT: u32 = 5126;
const UNSIGNED_SHORT: u32 = 5123;
const UNSIGNED_INT: u32 = 5125;
const ARRAY_BUFFER: u32 = 34962;
const ELEMENT_ARRAY_BUFFER: u32 = 34963;

/// The binary chunk and what describes its pieces.
#[derive(Default)]
struct Buffer {
    bytes: Vec<u8>,
    views: Vec<Value>,
    accessors: Vec<Value>,
}

impl Buffer {
    /// Adds a piece; returns its number. `facts` are those of its accessor.
    fn add(&mut self, bytes: impl IntoIterator<Item = u8>, target: u32, facts: Value) -> usize {
        let offset = self.bytes.len();
        self.bytes.extend(bytes);
        let length = self.bytes.len() - offset;
        self.views.push(json!({ "buffer": 0, "byteOffset": offset, "byteLength": length, "target": target }));
        let mut accessor = json!({ "bufferView": self.views.len() - 1 });
        if let (Some(all), Value::Object(facts)) = (accessor.as_object_mut(), facts) {
            all.extend(facts);
        }
        self.accessors.push(accessor);
        self.accessors.len() - 1
    }
}

fn encode(mesh: &Mesh, info: &Info) -> Result<Vec<u8>> {
    let mut buffer = Buffer::default();
    let (low, high) = mesh.bounds();
    let shaded = shaded(mesh);
    let count = shaded.places.len();
    let each = |list: &[Vec3]| -> Vec<Vec3> { shaded.places.iter().map(|&i| list[i as usize]).collect() };
    let floats =
        |list: &[Vec3]| -> Vec<u8> { list.iter().flat_map(|v| v.to_array()).flat_map(f32::to_le_bytes).collect() };
    let position = buffer.add(
        floats(&each(&mesh.positions)),
        ARRAY_BUFFER,
        json!({ "componentType": FLOAT, "type": "VEC3", "count": count, "min": low.to_array(), "max": high.to_array() }),
    );
    let facts = json!({ "componentType": FLOAT, "type": "VEC3", "count": count });
    let normal = buffer.add(floats(&shaded.normals), ARRAY_BUFFER, facts);
    let mut attributes = json!({ "POSITION": position, "NORMAL": normal });
    if !mesh.colours.is_empty() {
        // The format multiplies light by these, so they are linear; sixteen bits keep the dark ones apart.
        let facts = json!({ "componentType": UNSIGNED_SHORT, "type": "VEC4", "count": count, "normalized": true });
        attributes["COLOR_0"] = buffer.add(colours(&each(&mesh.colours)), ARRAY_BUFFER, facts).into();
    }
    let places = shaded.triangles.iter().flatten().flat_map(|i| i.to_le_bytes());
    let facts = json!({ "componentType": UNSIGNED_INT, "type": "SCALAR", "count": 3 * mesh.triangles.len() });
    let indices = buffer.add(places, ELEMENT_ARRAY_BUFFER, facts);
    let document = json!({
        "asset": asset(info),
        "scene": 0,
        "scenes": [{ "nodes": [0] }],
        "nodes": [{ "mesh": 0 }],
        "meshes": [{ "primitives": [{ "attributes": attributes, "indices": indices, "material": 0 }] }],
        "materials": [{ "pbrMetallicRoughness": { "metallicFactor": 0.0, "roughnessFactor": 0.8 } }],
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{ "byteLength": buffer.bytes.len() }],
    });
    assemble(serde_json::to_vec(&document)?, buffer.bytes)
}

fn colours(srgb: &[Vec3]) -> Vec<u8> {
    let share = |value: f32| ((to_linear(value) * 65535.0).round() as u16).to_le_bytes();
    srgb.iter().flat_map(|c| [share(c.x), share(c.y), share(c.z), u16::MAX.to_le_bytes()]).flatten().collect()
}

fn asset(info: &Info) -> Value {
    let mut asset = json!({ "version": "2.0", "generator": concat!("edrun ", env!("CARGO_PKG_VERSION")) });
    if !info.parameters.is_empty() || !info.json.is_empty() {
        asset["extras"] = json!(info);
    }
    asset
}

fn assemble(mut json: Vec<u8>, mut binary: Vec<u8>) -> Result<Vec<u8>> {
    // Chunks end on multiples of four bytes: JSON padded with spaces, binary data with zeros.
    json.resize(json.len().next_multiple_of(4), b' ');
    binary.resize(binary.len().next_multiple_of(4), 0);
    let total = 12 + 8 + json.len() + 8 + binary.len();
    let length = |n: usize| u32::try_from(n).context("the mesh is too large for a GLB file: lower the resolution");
    let mut out = Vec::with_capacity(total);
    out.extend(b"glTF");
    out.extend([VERSION, length(total)?].map(u32::to_le_bytes).as_flattened());
    for (kind, chunk) in [(JSON, json), (BIN, binary)] {
        out.extend([length(chunk.len())?, kind].map(u32::to_le_bytes).as_flattened());
        out.extend(chunk);
    }
    Ok(out)
}

fn info(bytes: &[u8]) -> Result<Option<Info>> {
    let word = |at: usize| -> Result<u32> {
        let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).context("the file is cut off")?;
        Ok(u32::from_le_bytes(four))
    };
    ensure!(word(4)? == VERSION && word(16)? == JSON, "it is not glTF 2.0");
    let json = bytes.get(20..20usize.saturating_add(word(12)? as usize)).context("the file is cut off")?;
    let document: Value = serde_json::from_slice(json)?;
    // Extras of other tools have other keys.
    Ok(document.pointer("/asset/extras").and_then(|extras| serde_json::from_value(extras.clone()).ok()))
}
