//! Stanford PLY, binary: positions, colours and triangles for the tools that measure and print. How it was made stands in a comment of its head.

use super::format::{find_line, line};
use super::{Format, Mesh};
use crate::Info;
use anyhow::{Context, Result};
use std::fmt::Write;

pub(super) const FORMAT: Format =
    Format { name: "PLY", extensions: &["ply"], magic: b"ply\n", encode, info, beside: false };

const MARK: &str = "comment edrun ";
const END: &str = "end_header\n";

fn encode(mesh: &Mesh, info: &Info) -> Result<Vec<u8>> {
    let mut out = head(mesh, info)?.into_bytes();
    for (i, position) in mesh.positions.iter().enumerate() {
        out.extend(position.to_array().map(f32::to_le_bytes).as_flattened());
        if let Some(colour) = mesh.colours.get(i) {
            out.extend(colour.to_array().map(|value| (value * 255.0).round() as u8));
        }
    }
    for triangle in &mesh.triangles {
        out.push(3);
        out.extend(triangle.map(u32::to_le_bytes).as_flattened());
    }
    Ok(out)
}

fn head(mesh: &Mesh, info: &Info) -> Result<String> {
    let mut text = String::from("ply\nformat binary_little_endian 1.0\n");
    if let Some(line) = line(info)? {
        writeln!(text, "{MARK}{line}")?;
    }
    writeln!(text, "element vertex {}", mesh.positions.len())?;
    for name in ["x", "y", "z"] {
        writeln!(text, "property float {name}")?;
    }
    if !mesh.colours.is_empty() {
        for name in ["red", "green", "blue"] {
            writeln!(text, "property uchar {name}")?;
        }
    }
    writeln!(text, "element face {}\nproperty list uchar uint vertex_indices", mesh.triangles.len())?;
    text.push_str(END);
    Ok(text)
}

fn info(bytes: &[u8]) -> Result<Option<Info>> {
    let head = bytes.windows(END.len()).position(|window| window == END.as_bytes());
    find_line(&bytes[..head.context("its head has no end")?], MARK)
}
