//! Finding a surface without asking everywhere: from a coarse lattice down, then along the surface itself.

use super::cube::{CUBE, corner, faces};
use super::field::{Queries, Region};
use super::lattice::{Lattice, Place};
use anyhow::{Result, ensure};
use glam::Vec3;

/// Cells a side of the coarsest lattice. What is smaller than one of its cells may be missed, unless the field is a distance.
const COARSEST: usize = 32;

/// How much more than its values the corners and triangles of a surface take, roughly.
const AFTERWARDS: u64 = 4;

/// Not asked for yet.
const UNKNOWN: f32 = f32::NAN;

/// Asked for, the answer is to come.
const PENDING: f32 = f32::INFINITY;

/// The cells that a surface passes through, and the field's values at their corners.
pub(super) struct Surface {
    pub(super) values: Lattice<f32>,
    pub(super) cells: Vec<Place>,
    pub(super) grid: Grid,
}

/// A lattice of cells over a region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grid {
    pub(super) region: Region,
    /// Cells a side.
    pub(super) cells: usize,
}

impl Grid {
    pub(super) fn step(self) -> f32 {
        self.region.side / self.cells as f32
    }

    pub(super) fn point(self, place: Place) -> Vec3 {
        self.region.min + Vec3::from_array(place.map(f32::from)) * self.step()
    }

    fn outermost(self, place: Place) -> bool {
        place.iter().any(|&i| i == 0 || usize::from(i) == self.cells)
    }
}

/// How often a lattice of `cells` a side is halved before its points are asked for in whole.
fn halvings(cells: usize, refine: bool) -> usize {
    let mut halvings = 0;
    while refine && cells.is_multiple_of(2 << halvings) && cells >> (halvings + 1) >= COARSEST {
        halvings += 1;
    }
    halvings
}

/// Refuses a lattice that takes more than `limit` bytes wherever the surface is: the coarsest one is asked for in whole.
pub(super) fn check_coarsest(cells: usize, refine: bool, limit: u64) -> Result<()> {
    let coarsest = (cells as u64 >> halvings(cells, refine)).pow(3);
    check_memory(cells, coarsest * size_of::<f32>() as u64, limit)
}

/// Walks the surface of a field through a lattice of `cells` a side. With `refine`, only near it.
pub(super) fn find(queries: &mut Queries<'_>, cells: usize, refine: bool, limit: u64) -> Result<Surface> {
    let halvings = halvings(cells, refine);
    let region = queries.region();
    let mut level = Level::new(Grid { region, cells: cells >> halvings }, limit);
    let mut near = level.all(queries)?;
    let slope = level.slope();
    for _ in 0..halvings {
        (level, near) = level.finer(queries, &near, slope)?;
    }
    let cells = level.follow(queries, near)?;
    Ok(Surface { values: level.values, cells, grid: level.grid })
}

fn check_memory(cells: usize, bytes: u64, limit: u64) -> Result<()> {
    let (bytes, limit) = (bytes.div_ceil(1 << 20), limit >> 20);
    ensure!(
        bytes <= limit,
        "a grid of {cells} cells a side takes {bytes} MiB or more, and {limit} MiB are allowed: lower the resolution or raise the \
         limit of memory"
    );
    Ok(())
}

struct Level {
    grid: Grid,
    values: Lattice<f32>,
    pending: Vec<Place>,
    limit: u64,
}

impl Level {
    fn new(grid: Grid, limit: u64) -> Self {
        Self { grid, values: Lattice::new(grid.cells + 1, UNKNOWN), pending: Vec::new(), limit }
    }

    /// Asks for every point; all cells.
    fn all(&mut self, queries: &mut Queries<'_>) -> Result<Vec<Place>> {
        let side = self.grid.cells as u16;
        // One layer at a time, so that the points of a dense lattice are never all in memory beside their values.
        for z in 0..=side {
            (0..=side).flat_map(|y| (0..=side).map(move |x| [x, y, z])).for_each(|place| self.want(place));
            self.ask(queries)?;
        }
        Ok(cube(side).collect())
    }

    fn want(&mut self, place: Place) {
        if self.values.get(place).is_nan() {
            self.values.set(place, PENDING);
            self.pending.push(place);
        }
    }

    /// Gets the values of all points that are wanted. The outermost points are outside, so that surfaces end there.
    fn ask(&mut self, queries: &mut Queries<'_>) -> Result<()> {
        let bytes = AFTERWARDS * self.values.bytes() + self.pending.len() as u64 * 24;
        check_memory(self.grid.cells, bytes, self.limit)?;
        let points: Vec<Vec3> = self.pending.iter().map(|&place| self.grid.point(place)).collect();
        let values = queries.distances(&points)?;
        let outside = self.grid.step() * 1e-3;
        for (place, value) in std::mem::take(&mut self.pending).into_iter().zip(values) {
            let value = if self.grid.outermost(place) { value.max(outside) } else { value };
            self.values.set(place, value);
        }
        Ok(())
    }

    fn corners(&self, cell: Place) -> [f32; 8] {
        std::array::from_fn(|c| self.values.get(add(cell, corner(c))))
    }

    /// How much the field changes over the unit of length, at most, away from its surface. Distances change by 1; what saturates
    /// away from the surface changes by nothing there, and is then refined at the surface only.
    fn slope(&self) -> f32 {
        let mut most = 0.0f32;
        for cell in cube(self.grid.cells as u16) {
            let values = self.corners(cell);
            for edge in &CUBE.edges {
                let (from, to) = (values[edge.from], values[edge.to()]);
                if (from < 0.0) == (to < 0.0) {
                    most = most.max((from - to).abs());
                }
            }
        }
        most / self.grid.step()
    }

    /// The next lattice, twice as fine, where this one may hold a piece of the surface.
    fn finer(self, queries: &mut Queries<'_>, near: &[Place], slope: f32) -> Result<(Self, Vec<Place>)> {
        let grid = Grid { cells: 2 * self.grid.cells, ..self.grid };
        let mut next = Self::new(grid, self.limit);
        // No point of a cell is farther from its nearest corner than half the diagonal.
        let reach = slope * self.grid.step() * 3f32.sqrt() / 2.0;
        let mut cells = Vec::new();
        for &cell in near {
            let values = self.corners(cell);
            if !crossed(&values) && values.iter().all(|value| value.abs() > reach) {
                continue;
            }
            let first = cell.map(|i| 2 * i);
            cells.extend((0..8).map(|c| add(first, corner(c))));
            (0..8).for_each(|c| next.values.set(add(first, corner(c).map(|i| 2 * i)), values[c]));
            for place in cube(3).map(|offset| add(first, offset)) {
                next.want(place);
            }
        }
        next.ask(queries)?;
        Ok((next, cells))
    }

    /// The cells that the surface passes through. Where it leaves the cells that were looked at, it is followed, so that it has
    /// no end inside the region.
    fn follow(&mut self, queries: &mut Queries<'_>, near: Vec<Place>) -> Result<Vec<Place>> {
        let mut seen = Lattice::new(self.grid.cells, false);
        let (mut found, mut look) = (Vec::new(), near);
        while !look.is_empty() {
            let mut next = Vec::new();
            for cell in look {
                let values = self.corners(cell);
                if seen.get(cell) || !crossed(&values) {
                    continue;
                }
                seen.set(cell, true);
                found.push(cell);
                next.extend(self.beyond(cell, &values).filter(|&cell| !seen.get(cell)));
            }
            next.iter().for_each(|&cell| (0..8).for_each(|c| self.want(add(cell, corner(c)))));
            self.ask(queries)?;
            look = next;
        }
        Ok(found)
    }

    /// The neighbours of a cell that share a face with it which the surface crosses.
    fn beyond(&self, cell: Place, values: &[f32; 8]) -> impl Iterator<Item = Place> {
        let (values, side) = (*values, self.grid.cells as u16);
        faces().enumerate().filter_map(move |(face, corners)| {
            let inside = corners.iter().filter(|&&c| values[c] < 0.0).count();
            if inside == 0 || inside == 4 {
                return None;
            }
            let mut beyond = cell;
            let along = &mut beyond[face / 2];
            *along = if face % 2 == 0 { along.checked_sub(1)? } else { *along + 1 };
            (*along < side).then_some(beyond)
        })
    }
}

/// Whether a surface passes through a cell with these values at its corners.
fn crossed(values: &[f32; 8]) -> bool {
    let inside = values.iter().filter(|value| **value < 0.0).count();
    inside != 0 && inside != 8
}

pub(super) fn add(a: Place, b: Place) -> Place {
    std::array::from_fn(|i| a[i] + b[i])
}

fn cube(side: u16) -> impl Iterator<Item = Place> {
    (0..side).flat_map(move |z| (0..side).flat_map(move |y| (0..side).map(move |x| [x, y, z])))
}
