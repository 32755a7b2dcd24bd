//! How a surface passes through a cell, for each of the 256 ways its corners can lie.
//!
//! Marching cubes (Lorensen and Cline 1987), the table derived from the geometry of a cube instead of written down. Where the
//! corners of a face alternate, the inside ones are kept apart; both cells of the face see the same corners and agree, so no
//! holes arise. A polygon is cut into triangles only along lines through the cell: a line within a face could be drawn by the
//! neighbour too, and four triangles would share it.

use std::sync::LazyLock;

/// Corner `c` of a cell lies at x = bit 0, y = bit 1, z = bit 2 of `c`.
pub(super) fn corner(c: usize) -> [u16; 3] {
    [(c & 1) as u16, (c >> 1 & 1) as u16, (c >> 2 & 1) as u16]
}

/// An edge of a cell: where it begins and the axis it runs along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) from: usize,
    pub(super) axis: usize,
}

impl Edge {
    pub(super) fn to(self) -> usize {
        self.from | 1 << self.axis
    }
}

/// One closed polygon of the surface inside a cell.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// The edges that its corners lie on, counter-clockwise seen from outside the surface.
    pub(super) edges: Vec<usize>,
    /// Its triangles, as places in `edges`; empty when a point in its middle is needed.
    pub(super) triangles: Vec<[usize; 3]>,
}

/// The geometry of a cell and the polygons of every case.
pub(super) struct Cube {
    pub(super) edges: Vec<Edge>,
    /// By the corners that are inside, one bit each.
    pub(super) cases: Vec<Vec<Loop>>,
}

/// The one cube.
pub(super) static CUBE: LazyLock<Cube> = LazyLock::new(|| {
    let edges: Vec<Edge> = (0..3)
        .flat_map(|axis| (0..8).filter(move |from| from >> axis & 1 == 0).map(move |from| Edge { from, axis }))
        .collect();
    let cases = (0..256).map(|inside| loops(&edges, inside)).collect();
    Cube { edges, cases }
});

/// Corners of the six faces, each counter-clockwise seen from outside the cell.
pub(super) fn faces() -> impl Iterator<Item = [usize; 4]> {
    (0..3usize).flat_map(|axis| {
        let (u, v) = (1 << ((axis + 1) % 3), 1 << ((axis + 2) % 3));
        let upper = 1 << axis;
        [[0, v, u | v, u], [upper, upper | u, upper | u | v, upper | v]]
    })
}

fn loops(edges: &[Edge], inside: usize) -> Vec<Loop> {
    let mut next = [None; 12];
    for face in faces() {
        for (enter, leave) in runs(edges, face, inside) {
            next[enter] = Some(leave);
        }
    }
    let mut found = Vec::new();
    for start in 0..12 {
        let mut polygon = Vec::new();
        let mut at = start;
        while let Some(to) = next[at].take() {
            polygon.push(at);
            at = to;
        }
        if !polygon.is_empty() {
            let triangles = triangulate(edges, &polygon, 0, polygon.len() - 1).unwrap_or_default();
            found.push(Loop { edges: polygon, triangles });
        }
    }
    found
}

/// For each run of inside corners around a face: the edge before it and the edge after it.
fn runs(edges: &[Edge], face: [usize; 4], inside: usize) -> Vec<(usize, usize)> {
    let is_in = |i: usize| inside >> face[i % 4] & 1 == 1;
    let edge = |i: usize| edge_between(edges, face[i % 4], face[(i + 1) % 4]);
    let starts = (0..4).filter(|&i| !is_in(i) && is_in(i + 1));
    starts
        .map(|start| {
            let end = (start + 1..start + 5).find(|&i| !is_in(i + 1)).unwrap_or(start);
            (edge(start), edge(end))
        })
        .collect()
}

fn edge_between(edges: &[Edge], a: usize, b: usize) -> usize {
    edges.iter().position(|edge| edge.from == a & b && edge.to() == a | b).unwrap_or_default()
}

/// Triangles of the part of a polygon from corner `first` to corner `last`, cut along lines that lie in no face.
fn triangulate(edges: &[Edge], polygon: &[usize], first: usize, last: usize) -> Option<Vec<[usize; 3]>> {
    if last - first < 2 {
        return Some(Vec::new());
    }
    (first + 1..last).find_map(|middle| {
        let neighbours = |a: usize, b: usize| b - a == 1 || a == 0 && b == polygon.len() - 1;
        let allowed = |a: usize, b: usize| neighbours(a, b) || !share_face(edges[polygon[a]], edges[polygon[b]]);
        if !allowed(first, middle) || !allowed(middle, last) {
            return None;
        }
        let mut all = triangulate(edges, polygon, first, middle)?;
        all.extend(triangulate(edges, polygon, middle, last)?);
        all.push([first, middle, last]);
        Some(all)
    })
}

fn share_face(a: Edge, b: Edge) -> bool {
    let ends = [a.from, a.to(), b.from, b.to()];
    (0..3).any(|axis| ends.iter().all(|end| end >> axis & 1 == ends[0] >> axis & 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_crossed_edge_is_in_one_loop() {
        for (inside, loops) in CUBE.cases.iter().enumerate() {
            let crossed = CUBE.edges.iter().filter(|e| (inside >> e.from ^ inside >> e.to()) & 1 == 1).count();
            let mut used: Vec<usize> = loops.iter().flat_map(|l| l.edges.clone()).collect();
            used.sort_unstable();
            used.dedup();
            assert_eq!(used.len(), crossed, "case {inside}");
            assert_eq!(loops.iter().map(|l| l.edges.len()).sum::<usize>(), crossed, "case {inside}");
        }
    }

    #[test]
    fn no_line_lies_in_a_face_but_the_outline() {
        let mut cut = 0;
        for found in CUBE.cases.iter().flatten().filter(|l| !l.triangles.is_empty()) {
            let n = found.edges.len();
            assert_eq!(found.triangles.len(), n - 2);
            for [a, b, c] in found.triangles.iter().copied() {
                for (from, to) in [(a, b), (b, c), (c, a)] {
                    let outline = (from + 1) % n == to || (to + 1) % n == from;
                    let [from, to] = [from, to].map(|i| CUBE.edges[found.edges[i]]);
                    assert!(outline || !share_face(from, to));
                    cut += usize::from(!outline);
                }
            }
        }
        assert!(cut > 100);
    }

    #[test]
    fn a_face_is_left_by_one_cell_as_it_is_entered_by_the_other() {
        // Every pattern of a face, seen as the upper face of one cell and the lower face of the next.
        for pattern in 0..16usize {
            for axis in 0..3 {
                let lift =
                    |c: usize| (0..3).filter(|a| *a != axis).enumerate().map(|(i, a)| (c >> i & 1) << a).sum::<usize>();
                let mask = |upper: usize| {
                    (0..4).filter(|c| pattern >> c & 1 == 1).map(|c| 1 << (lift(c) | upper << axis)).sum::<usize>()
                };
                let segments = |upper: usize| -> Vec<(usize, usize)> {
                    let face = faces().nth(2 * axis + upper).unwrap();
                    let plain = |e: usize| CUBE.edges[e].from & !(1 << axis) | CUBE.edges[e].axis << 4;
                    let all = runs(&CUBE.edges, face, mask(upper));
                    let mut all: Vec<_> = all.into_iter().map(|(a, b)| (plain(a), plain(b))).collect();
                    all.sort_unstable();
                    all
                };
                let mut lower: Vec<_> = segments(0).into_iter().map(|(a, b)| (b, a)).collect();
                lower.sort_unstable();
                assert_eq!(lower, segments(1), "pattern {pattern}, axis {axis}");
            }
        }
    }
}
