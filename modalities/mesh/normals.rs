//! Normals of corners, from the triangles around them.

use super::Mesh;
use glam::Vec3;

/// Cosine of the angle between two triangles from which on their edge is a crease: 45 degrees.
const CREASE: f32 = 0.707;

/// A mesh whose corners have one normal each: those on a crease are there once for each of its sides.
pub(super) struct Shaded {
    /// The corner of the mesh that each corner here stands for.
    pub(super) places: Vec<u32>,
    /// Unit normals.
    pub(super) normals: Vec<Vec3>,
    /// Triangles as places in the two lists above.
    pub(super) triangles: Vec<[u32; 3]>,
}

/// Share of the largest triangle around a corner below which a triangle has no say there: of a sliver between points of the
/// lattice that nearly meet, the direction is chance.
const SLIVER: f32 = 3e-3;

/// Around each corner, the triangles between two creases share a normal: the mean of theirs, weighted by their angle there, which
/// does not depend on how a flat piece is cut (Thürmer and Wüthrich 1998).
pub(super) fn shaded(mesh: &Mesh) -> Shaded {
    let flat: Vec<Vec3> = mesh.triangles.iter().map(|&t| area_normal(mesh.corners(t))).collect();
    let around = Around::new(mesh);
    let mut shaded = Shaded { places: Vec::new(), normals: Vec::new(), triangles: mesh.triangles.clone() };
    for corner in 0..mesh.positions.len() {
        let triangles = around.of(corner);
        let directions = directions(&flat, triangles);
        let groups = groups(mesh, &directions, corner as u32, triangles);
        for (i, _) in groups.iter().enumerate().filter(|(i, group)| i == *group) {
            let members = || (0..triangles.len()).filter(|j| groups[*j] == i);
            let weight = |j: usize| angle_at(mesh, triangles[j] as usize, corner as u32);
            let sum: Vec3 = members().map(|j| directions[j] * weight(j)).sum();
            for t in members().map(|j| triangles[j] as usize) {
                let own =
                    shaded.triangles[t].iter_mut().zip(mesh.triangles[t]).filter(|(_, old)| *old == corner as u32);
                own.for_each(|(new, _)| *new = shaded.places.len() as u32);
            }
            shaded.places.push(corner as u32);
            // Triangles without area alone have no direction; files want one nevertheless.
            shaded.normals.push(sum.try_normalize().unwrap_or(Vec3::Y));
        }
    }
    shaded
}

/// The unit normals of the triangles around a corner; zero for slivers.
fn directions(flat: &[Vec3], triangles: &[u32]) -> Vec<Vec3> {
    let of = |t: &u32| flat[*t as usize];
    let least = SLIVER * triangles.iter().map(|t| of(t).length()).fold(0.0, f32::max);
    triangles.iter().map(|t| if of(t).length() < least { Vec3::ZERO } else { of(t).normalize_or_zero() }).collect()
}

/// For each triangle around a corner, the first triangle that it is joined to without a crease between. Slivers hide which
/// triangles are neighbours; they go with one that they touch.
fn groups(mesh: &Mesh, directions: &[Vec3], corner: u32, triangles: &[u32]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..triangles.len()).collect();
    let touch = |i: usize, j: usize| {
        let (a, b) = (mesh.triangles[triangles[i] as usize], mesh.triangles[triangles[j] as usize]);
        a.iter().any(|p| *p != corner && b.contains(p))
    };
    let sliver = |i: usize| directions[i] == Vec3::ZERO;
    let slivers = (0..triangles.len()).any(sliver);
    let smooth = |i: usize, j: usize| directions[i].dot(directions[j]) > CREASE && (slivers || touch(i, j));
    for i in 0..triangles.len() {
        for j in (0..i).filter(|&j| smooth(i, j)) {
            let (from, to) = (groups[i].max(groups[j]), groups[i].min(groups[j]));
            groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        }
    }
    for i in (0..triangles.len()).filter(|&i| sliver(i)) {
        let others = || (0..triangles.len()).filter(|&j| !sliver(j));
        if let Some(j) = others().find(|&j| touch(i, j)).or(others().next()) {
            groups[i] = groups[j];
        }
    }
    groups
}

/// The normal of a triangle, as long as twice its area.
fn area_normal([a, b, c]: [Vec3; 3]) -> Vec3 {
    (b - a).cross(c - a)
}

/// The unit normal of a triangle; zero where it has no area.
pub(super) fn flat_normal(corners: [Vec3; 3]) -> Vec3 {
    area_normal(corners).normalize_or_zero()
}

fn angle_at(mesh: &Mesh, triangle: usize, corner: u32) -> f32 {
    let places = mesh.triangles[triangle];
    let corners = mesh.corners(places);
    let at = places.iter().position(|p| *p == corner).unwrap_or_default();
    let (p, q, r) = (corners[at], corners[(at + 1) % 3], corners[(at + 2) % 3]);
    Some((q - p).angle_between(r - p)).filter(|angle| angle.is_finite()).unwrap_or_default()
}

/// The triangles around each corner.
struct Around {
    first: Vec<u32>,
    triangles: Vec<u32>,
}

impl Around {
    fn new(mesh: &Mesh) -> Self {
        let mut first = vec![0u32; mesh.positions.len() + 1];
        mesh.triangles.iter().flatten().for_each(|&i| first[i as usize + 1] += 1);
        (1..first.len()).for_each(|i| first[i] += first[i - 1]);
        let mut next = first.clone();
        let mut triangles = vec![0; 3 * mesh.triangles.len()];
        for (t, triangle) in mesh.triangles.iter().enumerate() {
            for &corner in triangle {
                let place = &mut next[corner as usize];
                triangles[*place as usize] = t as u32;
                *place += 1;
            }
        }
        Self { first, triangles }
    }

    fn of(&self, corner: usize) -> &[u32] {
        &self.triangles[self.first[corner] as usize..self.first[corner + 1] as usize]
    }
}
