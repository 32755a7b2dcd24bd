//! From the values at the corners of cells to triangles.

use super::Mesh;
use super::cube::{CUBE, Loop, corner};
use super::lattice::{Lattice, Place};
use super::surface::{Grid, Surface, add};
use glam::Vec3;

/// How close a corner of the mesh may come to a point of the lattice, as a share of a cell. At a distance of 0 the corners of
/// several cells would fall together and leave triangles without area.
const CLOSEST: f32 = 1e-3;

/// No corner of the mesh yet.
const NONE: u32 = u32::MAX;

/// The triangles of a surface, in the field's own coordinates, and the polygons that they came from.
#[derive(Default)]
pub(super) struct Marched {
    pub(super) mesh: Mesh,
    pub(super) polygons: Vec<Polygon>,
}

/// One polygon of the surface inside one cell.
pub(super) struct Polygon {
    pub(super) cell: Place,
    /// Its corners, as places in the mesh.
    pub(super) corners: Vec<u32>,
    /// The triangles that it was cut into.
    pub(super) triangles: std::ops::Range<usize>,
}

/// Cuts a surface into triangles. Closed and manifold: every segment on a face of the lattice is drawn by the two cells of the
/// face alike, once each, and all other lines lie inside one cell.
pub(super) fn march(surface: &Surface) -> Marched {
    let mut march =
        March { surface, on_edges: Lattice::new(surface.grid.cells + 1, [NONE; 3]), made: Marched::default() };
    for &cell in &surface.cells {
        let values: [f32; 8] = std::array::from_fn(|c| surface.values.get(add(cell, corner(c))));
        let inside = (0..8).filter(|&c| values[c] < 0.0).map(|c| 1 << c).sum::<usize>();
        for polygon in &CUBE.cases[inside] {
            march.polygon(cell, &values, polygon);
        }
    }
    march.made
}

struct March<'s> {
    surface: &'s Surface,
    /// The mesh's corners on the three edges that begin at each point of the lattice.
    on_edges: Lattice<[u32; 3]>,
    made: Marched,
}

impl March<'_> {
    fn polygon(&mut self, cell: Place, values: &[f32; 8], polygon: &Loop) {
        let corners: Vec<u32> = polygon.edges.iter().map(|&edge| self.corner(cell, values, edge)).collect();
        let mesh = &mut self.made.mesh;
        let first = mesh.triangles.len();
        if polygon.triangles.is_empty() {
            let middle = corners.iter().map(|&i| mesh.positions[i as usize]).sum::<Vec3>() / corners.len() as f32;
            fan(mesh, &corners, middle);
        } else {
            mesh.triangles.extend(polygon.triangles.iter().map(|triangle| triangle.map(|i| corners[i])));
        }
        let triangles = first..mesh.triangles.len();
        self.made.polygons.push(Polygon { cell, corners, triangles });
    }

    /// The mesh's corner on an edge of a cell; made when the first of the edge's cells asks.
    fn corner(&mut self, cell: Place, values: &[f32; 8], edge: usize) -> u32 {
        let edge = CUBE.edges[edge];
        let place = add(cell, corner(edge.from));
        let mut known = self.on_edges.get(place);
        if known[edge.axis] == NONE {
            let positions = &mut self.made.mesh.positions;
            known[edge.axis] = positions.len() as u32;
            positions.push(between(self.surface.grid, place, edge.axis, values[edge.from], values[edge.to()]));
            self.on_edges.set(place, known);
        }
        known[edge.axis]
    }
}

/// Where the surface crosses the edge along `axis` from `place`, with the values at its ends.
fn between(grid: Grid, place: Place, axis: usize, from: f32, to: f32) -> Vec3 {
    let share = (from / (from - to)).clamp(CLOSEST, 1.0 - CLOSEST);
    let mut point = grid.point(place);
    point[axis] += share * grid.step();
    point
}

/// Triangles from a new corner at `middle` to every side of a polygon.
pub(super) fn fan(mesh: &mut Mesh, corners: &[u32], middle: Vec3) {
    let centre = mesh.positions.len() as u32;
    mesh.positions.push(middle);
    let sides = corners.iter().zip(corners.iter().cycle().skip(1));
    mesh.triangles.extend(sides.map(|(&a, &b)| [a, b, centre]));
}
