//! Fewer triangles: edges are drawn together where that changes shape and colour least.

use super::Mesh;
use super::quadric::Quadric;
use anyhow::{Result, ensure};
use edrun_onnx::Cancel;
use glam::Vec3;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Metres that a full change of one colour channel counts as.
const COLOUR: f64 = 0.1;

/// Weight of staying in place beside that of staying on the surface. It decides where the surface says nothing: without it, a
/// flat piece would be drawn together into one corner with very many edges.
const STAY: f64 = 1e-6;

/// Cosine of the largest angle by which a triangle may turn in one step.
const TURN: f32 = 0.3;

/// The fewest triangles that enclose anything.
const FEWEST: usize = 4;

/// Lowers a mesh to at most `faces` triangles, drawing together the edges of least quadric error. What is closed and manifold
/// stays so; a mesh may therefore end above `faces` where its holes and parts need more.
///
/// # Errors
/// When fewer triangles are asked for than a solid has, or the run is cancelled.
pub fn simplify(mesh: &mut Mesh, faces: usize, cancel: &Cancel) -> Result<()> {
    ensure!(faces >= FEWEST, "a mesh of {faces} faces encloses nothing: ask for {FEWEST} or more");
    if mesh.triangles.len() <= faces {
        return Ok(());
    }
    if mesh.colours.is_empty() {
        Simplifier::<3>::new(mesh).run(mesh, faces, cancel)?;
    } else {
        Simplifier::<6>::new(mesh).run(mesh, faces, cancel)?;
    }
    mesh.drop_unused();
    Ok(())
}

/// An edge that may be drawn together, as it was when its cost was found.
#[derive(Clone, Copy, PartialEq)]
struct Candidate {
    cost: f64,
    corners: [u32; 2],
    /// Sum of the corners' versions: it has changed when one of them has.
    version: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cost.total_cmp(&other.cost).then(self.corners.cmp(&other.corners))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

struct Simplifier<const N: usize> {
    /// Position, and colour behind it in six dimensions.
    points: Vec<[f64; N]>,
    quadrics: Vec<Quadric<N>>,
    /// Triangles around each corner.
    around: Vec<Vec<u32>>,
    versions: Vec<u32>,
    queue: BinaryHeap<Reverse<Candidate>>,
    left: usize,
}

impl<const N: usize> Simplifier<N> {
    fn new(mesh: &Mesh) -> Self {
        let points: Vec<[f64; N]> = (0..mesh.positions.len()).map(|i| point(mesh, i)).collect();
        let mut quadrics = vec![Quadric::ZERO; points.len()];
        let mut around = vec![Vec::new(); points.len()];
        for (place, triangle) in mesh.triangles.iter().enumerate() {
            let [a, b, c] = mesh.corners(*triangle);
            let area = f64::from((b - a).cross(c - a).length()) / 2.0;
            let plane = Quadric::of_plane(triangle.map(|i| points[i as usize]), area);
            for &corner in triangle {
                let stay = Quadric::of_point(points[corner as usize], STAY * area);
                quadrics[corner as usize] = quadrics[corner as usize].plus(&plane).plus(&stay);
                around[corner as usize].push(place as u32);
            }
        }
        let versions = vec![0; points.len()];
        Self { points, quadrics, around, versions, queue: BinaryHeap::new(), left: mesh.triangles.len() }
    }

    fn run(&mut self, mesh: &mut Mesh, faces: usize, cancel: &Cancel) -> Result<()> {
        for &[a, b, c] in &mesh.triangles {
            // Both triangles of an edge name it, in either direction.
            [(a, b), (b, c), (c, a)].iter().filter(|(p, q)| p < q).for_each(|&(p, q)| self.consider(p, q));
        }
        while self.left > faces
            && let Some(Reverse(candidate)) = self.queue.pop()
        {
            ensure!(!cancel.is_cancelled(), "interrupted");
            if candidate.version == self.version(candidate.corners) {
                self.draw_together(mesh, candidate.corners);
            }
        }
        // What was removed is marked by equal corners.
        mesh.triangles.retain(|[a, b, _]| a != b);
        for (i, point) in self.points.iter().enumerate() {
            mesh.positions[i] = position(point);
            if let (Some(colour), [_, _, _, r, g, b]) = (mesh.colours.get_mut(i), &point[..]) {
                *colour = Vec3::new((r / COLOUR) as f32, (g / COLOUR) as f32, (b / COLOUR) as f32)
                    .clamp(Vec3::ZERO, Vec3::ONE);
            }
        }
        Ok(())
    }

    fn version(&self, corners: [u32; 2]) -> u32 {
        corners.iter().map(|&i| self.versions[i as usize]).sum()
    }

    fn consider(&mut self, a: u32, b: u32) {
        let (cost, _) = self.target(a, b);
        let corners = [a.min(b), a.max(b)];
        self.queue.push(Reverse(Candidate { cost, corners, version: self.version(corners) }));
    }

    /// Where two corners would go, and what it costs: the point of least error, else the best of both ends and the middle.
    fn target(&self, a: u32, b: u32) -> (f64, [f64; N]) {
        let (a, b) = (a as usize, b as usize);
        let quadric = self.quadrics[a].plus(&self.quadrics[b]);
        let ends = [self.points[a], self.points[b]];
        let reach = position(&ends[0]).distance(position(&ends[1]));
        let near = |p: &[f64; N]| ends.iter().any(|end| position(end).distance(position(p)) <= 2.0 * reach);
        if let Some(lowest) = quadric.lowest().filter(near) {
            return (quadric.error(&lowest), lowest);
        }
        let middle = std::array::from_fn(|i| (ends[0][i] + ends[1][i]) / 2.0);
        let costs = [middle, ends[0], ends[1]].map(|point| (quadric.error(&point), point));
        costs.into_iter().min_by(|x, y| x.0.total_cmp(&y.0)).unwrap_or((f64::MAX, middle))
    }

    fn draw_together(&mut self, mesh: &mut Mesh, [a, b]: [u32; 2]) {
        let (_, target) = self.target(a, b);
        if !self.stays_manifold(mesh, a, b) || self.turns(mesh, [a, b], position(&target)) {
            return;
        }
        let (keep, gone) = (a as usize, b as usize);
        self.points[keep] = target;
        mesh.positions[keep] = position(&target);
        self.quadrics[keep] = self.quadrics[keep].plus(&self.quadrics[gone]);
        for place in std::mem::take(&mut self.around[gone]) {
            let triangle = &mut mesh.triangles[place as usize];
            if triangle.contains(&a) {
                let removed = *triangle;
                *triangle = [0; 3];
                removed.iter().for_each(|&i| self.around[i as usize].retain(|&t| t != place));
                self.left -= 1;
            } else {
                triangle.iter_mut().filter(|i| **i == b).for_each(|i| *i = a);
                self.around[keep].push(place);
            }
        }
        self.versions[gone] += 1;
        self.versions[keep] += 1;
        for neighbour in self.neighbours(mesh, a) {
            self.consider(a, neighbour);
        }
    }

    fn neighbours(&self, mesh: &Mesh, corner: u32) -> Vec<u32> {
        let triangles = self.around[corner as usize].iter().map(|&place| mesh.triangles[place as usize]);
        let mut all: Vec<u32> = triangles.flatten().filter(|&i| i != corner).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The link condition (Dey et al. 1999): the two corners may have no neighbours in common but those of the two triangles at
    /// their edge, and a tetrahedron stays one.
    fn stays_manifold(&self, mesh: &Mesh, a: u32, b: u32) -> bool {
        let of_b = self.neighbours(mesh, b);
        let common = self.neighbours(mesh, a).into_iter().filter(|i| of_b.binary_search(i).is_ok()).count();
        let at_edge = self.around[a as usize].iter().filter(|&&t| mesh.triangles[t as usize].contains(&b)).count();
        let smallest = self.around[a as usize].len().max(self.around[b as usize].len());
        common == 2 && at_edge == 2 && smallest > 3
    }

    /// Whether a triangle that remains would turn over, or lose its area.
    fn turns(&self, mesh: &Mesh, [a, b]: [u32; 2], target: Vec3) -> bool {
        let places = self.around[a as usize].iter().chain(&self.around[b as usize]);
        places.map(|&place| mesh.triangles[place as usize]).any(|triangle| {
            if triangle.contains(&a) && triangle.contains(&b) {
                return false;
            }
            let before = mesh.corners(triangle);
            let mut after = before;
            for (corner, i) in after.iter_mut().zip(triangle) {
                if i == a || i == b {
                    *corner = target;
                }
            }
            let normal = |[p, q, r]: [Vec3; 3]| (q - p).cross(r - p).normalize_or_zero();
            normal(after) == Vec3::ZERO || normal(before) != Vec3::ZERO && normal(before).dot(normal(after)) < TURN
        })
    }
}

fn point<const N: usize>(mesh: &Mesh, place: usize) -> [f64; N] {
    let position = mesh.positions[place].to_array();
    let colour = mesh.colours.get(place).map(|colour| colour.to_array()).unwrap_or_default();
    let all = position.into_iter().map(f64::from).chain(colour.into_iter().map(|value| f64::from(value) * COLOUR));
    let mut point = [0.0; N];
    point.iter_mut().zip(all).for_each(|(to, from)| *to = from);
    point
}

fn position<const N: usize>(point: &[f64; N]) -> Vec3 {
    Vec3::new(point[0] as f32, point[1] as f32, point[2] as f32)
}
