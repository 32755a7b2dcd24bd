//! A mesh in memory, and its way to a file.

use super::{Topology, check_extension};
use crate::Info;
use crate::files::write_whole;
use crate::info::sidecar;
use anyhow::{Context, Result, ensure};
use glam::Vec3;
use std::path::Path;

/// Triangles between shared corners.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mesh {
    /// Corners, in metres, Y up.
    pub positions: Vec<Vec3>,
    /// Colours in sRGB, 0..=1, one for each corner, or none at all.
    pub colours: Vec<Vec3>,
    /// Triangles as places in `positions`, counter-clockwise seen from outside.
    pub triangles: Vec<[u32; 3]>,
}

impl Mesh {
    /// The corners of a triangle.
    pub fn corners(&self, triangle: [u32; 3]) -> [Vec3; 3] {
        triangle.map(|i| self.positions.get(i as usize).copied().unwrap_or_default())
    }

    /// Smallest and largest coordinates; zeros where there is nothing.
    pub fn bounds(&self) -> (Vec3, Vec3) {
        let Some(&first) = self.positions.first() else { return (Vec3::ZERO, Vec3::ZERO) };
        self.positions.iter().fold((first, first), |(low, high), &p| (low.min(p), high.max(p)))
    }

    /// The volume enclosed, in cubic metres, and the area of the surface, in square metres.
    pub fn volume_and_area(&self) -> (f64, f64) {
        let (mut volume, mut area) = (0.0, 0.0);
        for &triangle in &self.triangles {
            let [a, b, c] = self.corners(triangle).map(Vec3::as_dvec3);
            volume += a.dot(b.cross(c)) / 6.0;
            area += (b - a).cross(c - a).length() / 2.0;
        }
        (volume, area)
    }

    /// Whether it is closed and manifold, and in how many parts.
    pub fn topology(&self) -> Topology {
        Topology::of(self)
    }

    /// Writes the mesh in the format that the ending of `path` names, with `info` in it; whole or not at all.
    ///
    /// # Errors
    /// For unknown endings, for a mesh without triangles, and when the file cannot be written.
    pub fn save(&self, path: &Path, info: &Info) -> Result<()> {
        let format = check_extension(path)?;
        ensure!(!self.triangles.is_empty(), "there is no surface to write to {}", path.display());
        let bytes = (format.encode)(self, info)
            .with_context(|| format!("cannot make the {} file {}", format.name, path.display()))?;
        write_whole(path, &bytes)?;
        if format.beside && *info != Info::default() {
            write_whole(&sidecar(path), &serde_json::to_vec_pretty(info)?)?;
        }
        Ok(())
    }

    /// Keeps only the corners that a triangle uses.
    pub(super) fn drop_unused(&mut self) {
        let mut places = vec![u32::MAX; self.positions.len()];
        let mut kept = Vec::new();
        for corner in self.triangles.iter_mut().flatten() {
            let place = &mut places[*corner as usize];
            if *place == u32::MAX {
                *place = kept.len() as u32;
                kept.push(*corner as usize);
            }
            *corner = *place;
        }
        for list in [&mut self.positions, &mut self.colours] {
            if !list.is_empty() {
                *list = kept.iter().map(|&i| list[i]).collect();
            }
        }
    }
}
