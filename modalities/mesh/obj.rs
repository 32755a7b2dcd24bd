//! Wavefront OBJ, colours behind the positions as many tools read them. How it was made stands in a comment.

use super::format::{find_line, line};
use super::normals::shaded;
use super::{Format, Mesh};
use crate::Info;
use anyhow::Result;
use std::fmt::Write;

pub(super) const FORMAT: Format = Format { name: "OBJ", extensions: &["obj"], magic: b"", encode, info, beside: false };

const MARK: &str = "# edrun ";

fn encode(mesh: &Mesh, info: &Info) -> Result<Vec<u8>> {
    let mut text = String::new();
    if let Some(line) = line(info)? {
        writeln!(text, "{MARK}{line}")?;
    }
    for (i, p) in mesh.positions.iter().enumerate() {
        write!(text, "v {} {} {}", p.x, p.y, p.z)?;
        match mesh.colours.get(i) {
            Some(c) => writeln!(text, " {:.4} {:.4} {:.4}", c.x, c.y, c.z)?,
            None => writeln!(text)?,
        }
    }
    let shaded = shaded(mesh);
    for n in &shaded.normals {
        writeln!(text, "vn {:.5} {:.5} {:.5}", n.x, n.y, n.z)?;
    }
    for (places, normals) in mesh.triangles.iter().zip(&shaded.triangles) {
        let ([a, b, c], [p, q, r]) = (places.map(|i| i + 1), normals.map(|i| i + 1));
        writeln!(text, "f {a}//{p} {b}//{q} {c}//{r}")?;
    }
    Ok(text.into_bytes())
}

fn info(bytes: &[u8]) -> Result<Option<Info>> {
    find_line(bytes, MARK)
}
