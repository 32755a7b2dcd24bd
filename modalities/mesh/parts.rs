//! The separate parts of a mesh, and what is swept away of them.

use super::Mesh;

/// Which corners hang together.
pub(super) struct Groups {
    parent: Vec<u32>,
    used: Vec<bool>,
}

impl Groups {
    pub(super) fn of(mesh: &Mesh) -> Self {
        let count = mesh.positions.len();
        let mut groups = Self { parent: (0..count as u32).collect(), used: vec![false; count] };
        for &[a, b, c] in &mesh.triangles {
            groups.join(a, b);
            groups.join(b, c);
            [a, b, c].iter().for_each(|&i| groups.used[i as usize] = true);
        }
        groups
    }

    /// The corner that stands for the part of `corner`.
    fn root(&mut self, mut corner: u32) -> u32 {
        while self.parent[corner as usize] != corner {
            let up = self.parent[corner as usize];
            self.parent[corner as usize] = self.parent[up as usize];
            corner = up;
        }
        corner
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b) as usize] = a.min(b);
    }

    /// Corners that a triangle uses.
    pub(super) fn corners(&self) -> usize {
        self.used.iter().filter(|used| **used).count()
    }

    pub(super) fn count(&self) -> usize {
        let roots = self.parent.iter().enumerate().filter(|(i, parent)| **parent as usize == *i);
        roots.filter(|(i, _)| self.used[*i]).count()
    }
}

/// Removes loose parts with less than `share` (0..=1) of the surface, and hollows inside a part, which nobody can see. With a
/// share of 0 nothing is removed. The number of parts that went is returned.
pub fn drop_parts(mesh: &mut Mesh, share: f32) -> usize {
    if share <= 0.0 {
        return 0;
    }
    let mut groups = Groups::of(mesh);
    let (mut areas, mut volumes) = (vec![0.0; mesh.positions.len()], vec![0.0; mesh.positions.len()]);
    for &triangle in &mesh.triangles {
        let [a, b, c] = mesh.corners(triangle).map(glam::Vec3::as_dvec3);
        let root = groups.root(triangle[0]) as usize;
        areas[root] += (b - a).cross(c - a).length() / 2.0;
        volumes[root] += a.dot(b.cross(c)) / 6.0;
    }
    let least = areas.iter().sum::<f64>() * f64::from(share);
    // The surface of a hollow faces inwards, so its volume counts negative.
    let keeps = |root: usize| areas[root] >= least && volumes[root] > 0.0;
    let before = groups.count();
    let triangles = std::mem::take(&mut mesh.triangles);
    mesh.triangles = triangles.into_iter().filter(|triangle| keeps(groups.root(triangle[0]) as usize)).collect();
    mesh.drop_unused();
    before - Groups::of(mesh).count()
}
