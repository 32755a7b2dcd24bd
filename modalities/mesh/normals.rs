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

/// Around each corner, the triangles between two creases share a normal: the mean of theirs, weighted by their angle there, which
/// does not depend on how a flat piece is cut (Thürmer and Wüthrich 1998).
pub(super) fn shaded(mesh: &Mesh) -> Shaded {
    let flat: Vec<Vec3> = mesh.triangles.iter().map(|&t| flat_normal(mesh.corners(t))).collect();
    let around = Around::new(mesh);
    let mut shaded = Shaded { places: Vec::new(), normals: Vec::new(), triangles: mesh.triangles.clone() };
    for corner in 0..mesh.positions.len() {
        let triangles = around.of(corner);
        let groups = groups(mesh, &flat, corner as u32, triangles);
        for (i, _) in groups.iter().enumerate().filter(|(i, group)| i == *group) {
            let members = || triangles.iter().zip(&groups).filter(|(_, group)| **group == i).map(|(t, _)| *t as usize);
            let sum: Vec3 = members().map(|t| flat[t] * angle_at(mesh, t, corner as u32)).sum();
            for t in members() {
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

/// For each triangle around a corner, the first triangle that it is joined to without a crease between.
fn groups(mesh: &Mesh, flat: &[Vec3], corner: u32, triangles: &[u32]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..triangles.len()).collect();
    for (i, &a) in triangles.iter().enumerate() {
        for (j, &b) in triangles[..i].iter().enumerate() {
            let share =
                mesh.triangles[a as usize].iter().any(|p| *p != corner && mesh.triangles[b as usize].contains(p));
            let (one, other) = (flat[a as usize], flat[b as usize]);
            let smooth = one.dot(other) > CREASE || one == Vec3::ZERO || other == Vec3::ZERO;
            if share && smooth && groups[i] != groups[j] {
                let (from, to) = (groups[i].max(groups[j]), groups[i].min(groups[j]));
                groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    groups
}

/// The unit normal of a triangle; zero where it has no area.
pub(super) fn flat_normal([a, b, c]: [Vec3; 3]) -> Vec3 {
    (b - a).cross(c - a).normalize_or_zero()
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
