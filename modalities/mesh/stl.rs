//! STL, binary: triangles alone, no colours, and no place for how it was made, which stands in a file beside it.

use super::normals::flat_normal;
use super::{Format, Mesh};
use crate::Info;
use anyhow::{Context, Result};

pub(super) const FORMAT: Format = Format { name: "STL", extensions: &["stl"], magic: b"", encode, info, beside: true };

fn encode(mesh: &Mesh, _: &Info) -> Result<Vec<u8>> {
    let count = u32::try_from(mesh.triangles.len()).context("the mesh has too many triangles for an STL file")?;
    // The head must not begin with "solid", which is how text files do. Z is up here, as printers have it.
    let mut out = vec![b' '; 80];
    let head = concat!("edrun ", env!("CARGO_PKG_VERSION"), ", millimetres, Z up").as_bytes();
    out.splice(..head.len(), head.iter().copied());
    out.extend(count.to_le_bytes());
    let turn = |v: glam::Vec3| [v.x, -v.z, v.y];
    for &triangle in &mesh.triangles {
        let corners = mesh.corners(triangle);
        let floats = [turn(flat_normal(corners))].into_iter().chain(corners.map(|p| turn(p * 1000.0))).flatten();
        out.extend(floats.flat_map(f32::to_le_bytes));
        out.extend([0, 0]);
    }
    Ok(out)
}

fn info(_: &[u8]) -> Result<Option<Info>> {
    Ok(None)
}
