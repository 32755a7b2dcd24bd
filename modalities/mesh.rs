//! Meshes: the surface of a field, cleaned, coloured and simplified, and the files it lives in.
//!
//! [`Field`] is the contract between a decoder and a mesh: points in, signed distances and colours out. [`FieldDecoder`] runs
//! the graphs that make fields of latents, as a [`Grid`] of values or by answering for points. [`extract`] walks
//! the surface of a field and asks it for few points away from it; what comes out is closed and manifold by construction.
//! [`Mesh`] is the result: [`drop_parts`] removes crumbs, [`simplify`] lowers the number of faces, [`FORMATS`] lists the file
//! formats, [`Turntable`] draws it so that a person can look.
//!
//! Conventions: right-handed, Y up, Z towards the viewer, metres; the region that a model describes is the box from
//! -0.5 to 0.5 on every axis, so sizes within one model compare. Triangles are counter-clockwise seen from outside.

mod colour;
mod cube;
mod decoder;
mod extract;
mod field;
mod format;
mod glb;
mod grid;
mod lattice;
mod march;
mod normals;
mod obj;
mod parts;
mod ply;
mod quadric;
mod raster;
mod shape;
mod sharp;
mod simplify;
mod stl;
mod surface;
mod topology;
mod turntable;

pub use decoder::{FieldDecoder, FieldFacts, Up};
pub use extract::{Extracted, Extraction, extract};
pub use field::{Field, Region};
pub use format::{FORMATS, Format, check_extension, read_info};
pub(crate) use format::{about, knows};
pub use glam::Vec3;
pub use grid::Grid;
pub use parts::drop_parts;
pub use shape::Mesh;
pub use simplify::simplify;
pub use topology::Topology;
pub use turntable::Turntable;

#[cfg(test)]
mod solids;
#[cfg(test)]
mod tests;
