//! Edges and corners that marching cubes cuts off, put back.
//!
//! Extended marching cubes (Kobbelt et al. 2001): where the normals around a polygon disagree, a corner is added at the point
//! that lies on all their planes, and lines between two such corners of neighbouring cells replace the line that separates them.

use super::field::Queries;
use super::march::{Marched, Polygon, fan};
use super::surface::Grid;
use anyhow::Result;
use glam::{Mat3, Vec3};
use std::collections::{HashMap, HashSet};

/// Cosine of the angle between normals from which on a polygon has an edge in it: 30 degrees, as the authors suggest.
const EDGE: f32 = 0.866;

/// How far a third normal must lean towards the edge's direction to make it a corner.
const CORNER: f32 = 0.5;

/// Distance over which the field is compared to find its direction, as a share of a cell.
const NEAR: f32 = 0.05;

/// Where the four points of a comparison lie: the corners of a tetrahedron.
const AROUND: [Vec3; 4] =
    [Vec3::new(1.0, -1.0, -1.0), Vec3::new(-1.0, -1.0, 1.0), Vec3::new(-1.0, 1.0, -1.0), Vec3::new(1.0, 1.0, 1.0)];

/// Adds the corners that the field's directions tell of.
pub(super) fn restore(marched: &mut Marched, grid: Grid, queries: &mut Queries<'_>) -> Result<()> {
    let normals = directions(&marched.mesh.positions, grid.step() * NEAR, queries)?;
    let old = std::mem::take(&mut marched.mesh.triangles);
    let mut centres = HashMap::new();
    for (place, polygon) in marched.polygons.iter().enumerate() {
        let on = |list: &[Vec3]| -> Vec<Vec3> { polygon.corners.iter().map(|&i| list[i as usize]).collect() };
        let point = feature(&on(&marched.mesh.positions), &on(&normals));
        match point.filter(|&point| within(grid, polygon, point)) {
            Some(point) => {
                // A polygon that had a centre loses it: nothing refers to it any more.
                centres.insert(place, marched.mesh.positions.len() as u32);
                fan(&mut marched.mesh, &polygon.corners, point);
            }
            None => marched.mesh.triangles.extend_from_slice(&old[polygon.triangles.clone()]),
        }
    }
    turn_lines(marched, &centres);
    marched.mesh.drop_unused();
    Ok(())
}

/// The unit gradient of the field at each point.
fn directions(points: &[Vec3], near: f32, queries: &mut Queries<'_>) -> Result<Vec<Vec3>> {
    let around: Vec<Vec3> = points.iter().flat_map(|&p| AROUND.map(|offset| p + offset * near)).collect();
    let values = queries.distances(&around)?;
    let gradient = |v: &[f32]| AROUND.iter().zip(v).map(|(offset, v)| *offset * *v).sum::<Vec3>();
    Ok(values.chunks_exact(4).map(|values| gradient(values).normalize_or_zero()).collect())
}

/// The point of an edge or a corner inside a polygon, if its normals tell of one.
fn feature(points: &[Vec3], normals: &[Vec3]) -> Option<Vec3> {
    let pairs = normals.iter().enumerate().flat_map(|(i, a)| normals[..i].iter().map(move |b| (*a, *b)));
    let (a, b) = pairs.min_by(|x, y| x.0.dot(x.1).total_cmp(&y.0.dot(y.1)))?;
    let along = a.cross(b).try_normalize().filter(|_| a.dot(b) < EDGE)?;
    let corner = normals.iter().any(|n| n.dot(along).abs() > CORNER);
    let middle = points.iter().sum::<Vec3>() / points.len() as f32;
    let outer = |n: Vec3| Mat3::from_cols(n * n.x, n * n.y, n * n.z);
    // Least squares of the distances to all planes; along an edge, where the planes say nothing, the middle of the polygon.
    let mut planes = if corner { Mat3::ZERO } else { outer(along) };
    let mut offset = Vec3::ZERO;
    for (&point, &normal) in points.iter().zip(normals) {
        planes += outer(normal);
        offset += normal * normal.dot(point - middle);
    }
    (planes.determinant().abs() > 1e-4).then(|| middle + planes.inverse() * offset)
}

/// Whether a point lies in the polygon's cell; a little beyond it is where rounding may put an edge on its face.
fn within(grid: Grid, polygon: &Polygon, point: Vec3) -> bool {
    let inside = (point - grid.point(polygon.cell)) / grid.step();
    inside.min_element() >= -0.05 && inside.max_element() <= 1.05
}

/// Draws the line between the centres of two neighbouring polygons instead of the line that separates them.
fn turn_lines(marched: &mut Marched, centres: &HashMap<usize, u32>) {
    let mut sides: HashMap<(u32, u32), usize> = HashMap::new();
    let added: HashSet<u32> = centres.values().copied().collect();
    let triangles = &mut marched.mesh.triangles;
    for (i, [a, b, centre]) in triangles.iter().enumerate() {
        if added.contains(centre) {
            sides.insert((*a, *b), i);
        }
    }
    let mut drawn = HashSet::new();
    let mut pairs: Vec<_> = sides.iter().filter_map(|(&(a, b), &i)| Some((i, *sides.get(&(b, a))?))).collect();
    pairs.retain(|(i, j)| i < j);
    pairs.sort_unstable();
    for (i, j) in pairs {
        let ([a, b, p], [_, _, q]) = (triangles[i], triangles[j]);
        if drawn.insert((p.min(q), p.max(q))) {
            triangles[i] = [p, a, q];
            triangles[j] = [q, b, p];
        }
    }
}
