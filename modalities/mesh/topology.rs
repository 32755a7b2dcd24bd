//! What holds a mesh together.

use super::Mesh;
use super::parts::Groups;
use serde::Serialize;

/// Counts that tell whether a mesh is closed and manifold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Topology {
    /// Edges of one triangle only, or of two that disagree about the outside.
    pub open_edges: usize,
    /// Edges of more than two triangles.
    pub crowded_edges: usize,
    /// Parts that share no corner.
    pub parts: usize,
    /// Corners - edges + triangles: 2 for each closed part, less 2 for each of its holes.
    pub euler_characteristic: i64,
}

impl Topology {
    pub(super) fn of(mesh: &Mesh) -> Self {
        // Each triangle names its edges in its own direction: of the two at an edge, one goes up and one down.
        let mut edges: Vec<(u32, u32, bool)> = Vec::with_capacity(3 * mesh.triangles.len());
        for [a, b, c] in &mesh.triangles {
            edges.extend([(a, b), (b, c), (c, a)].map(|(p, q)| (*p.min(q), *p.max(q), p < q)));
        }
        edges.sort_unstable();
        let (mut open, mut crowded, mut count) = (0, 0, 0i64);
        for group in edges.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            count += 1;
            match group {
                [first, second] if first.2 != second.2 => {}
                [_] | [_, _] => open += 1,
                _ => crowded += 1,
            }
        }
        let groups = Groups::of(mesh);
        let euler_characteristic = groups.corners() as i64 - count + mesh.triangles.len() as i64;
        Self { open_edges: open, crowded_edges: crowded, parts: groups.count(), euler_characteristic }
    }

    /// Whether every edge is shared by exactly two triangles.
    pub fn is_watertight(&self) -> bool {
        self.open_edges == 0 && self.crowded_edges == 0 && self.parts > 0
    }
}
