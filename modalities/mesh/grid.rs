//! A field known at the points of a grid.

use super::{Field, Region};
use anyhow::{Result, ensure};
use glam::Vec3;

/// Distances, and colours where the decoder gives them, at the points of a cubic grid over a region, the outermost points on its
/// faces. Distances are interpolated by cubic splines through the points (Catmull and Rom 1974), so that the surface has no
/// facets; colours linearly.
pub struct Grid {
    region: Region,
    side: usize,
    /// x slowest, z fastest.
    distances: Vec<f32>,
    colours: Option<Vec<Vec3>>,
}

/// Four neighbouring points along an axis, and their shares.
type Along = ([usize; 4], [f32; 4]);

impl Grid {
    /// A grid of `side` points along each axis; the lists run over x slowest and over z fastest.
    ///
    /// # Errors
    /// When a list does not have a value for each point.
    pub fn new(region: Region, side: usize, distances: Vec<f32>, colours: Option<Vec<Vec3>>) -> Result<Self> {
        let points = side.pow(3);
        ensure!(
            side >= 2 && distances.len() == points && colours.as_ref().is_none_or(|colours| colours.len() == points),
            "a grid of {side} points a side has {points} values, not {}",
            distances.len()
        );
        Ok(Self { region, side, distances, colours })
    }

    /// Where a point lies between the grid's points: below, and the share of the way to the next, for each axis.
    fn place(&self, point: Vec3) -> [(usize, f32); 3] {
        let last = (self.side - 1) as f32;
        let at = ((point - self.region.min) / self.region.side * last).clamp(Vec3::ZERO, Vec3::splat(last));
        at.to_array().map(|at| {
            let below = (at as usize).min(self.side - 2);
            (below, at - below as f32)
        })
    }

    fn index(&self, x: usize, y: usize, z: usize) -> usize {
        (x * self.side + y) * self.side + z
    }

    fn along(&self, (below, share): (usize, f32)) -> Along {
        let places = [below.saturating_sub(1), below, below + 1, (below + 2).min(self.side - 1)];
        let (t, t2, t3) = (share, share * share, share.powi(3));
        let weights = [-t3 + 2.0 * t2 - t, 3.0 * t3 - 5.0 * t2 + 2.0, -3.0 * t3 + 4.0 * t2 + t, t3 - t2];
        (places, weights.map(|weight| weight / 2.0))
    }

    fn distance(&self, point: Vec3) -> f32 {
        let [x, y, z] = self.place(point).map(|place| self.along(place));
        let mut sum = 0.0;
        for (i, wx) in x.0.into_iter().zip(x.1) {
            for (j, wy) in y.0.into_iter().zip(y.1) {
                let row = z.0.into_iter().zip(z.1).map(|(k, wz)| wz * self.distances[self.index(i, j, k)]);
                sum += wx * wy * row.sum::<f32>();
            }
        }
        sum
    }

    fn colour(&self, colours: &[Vec3], point: Vec3) -> Vec3 {
        let [x, y, z] = self.place(point);
        let mut sum = Vec3::ZERO;
        for corner in 0..8 {
            let step = |(below, share): (usize, f32), bit: usize| match corner >> bit & 1 {
                0 => (below, 1.0 - share),
                _ => (below + 1, share),
            };
            let ((i, wx), (j, wy), (k, wz)) = (step(x, 0), step(y, 1), step(z, 2));
            sum += wx * wy * wz * colours[self.index(i, j, k)];
        }
        sum
    }
}

impl Field for Grid {
    fn region(&self) -> Region {
        self.region
    }

    fn distances(&mut self, points: &[Vec3], out: &mut [f32]) -> Result<()> {
        out.iter_mut().zip(points).for_each(|(out, &point)| *out = self.distance(point));
        Ok(())
    }

    fn colours(&mut self, points: &[Vec3]) -> Result<Option<Vec<Vec3>>> {
        let of = |colours: &Vec<Vec3>| points.iter().map(|&point| self.colour(colours, point)).collect();
        Ok(self.colours.as_ref().map(of))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid of a function over the region from 1 to 3.
    fn grid(side: usize, value: impl Fn(Vec3) -> f32) -> Grid {
        let region = Region { min: Vec3::ONE, side: 2.0 };
        let at = |i: usize| 1.0 + 2.0 * i as f32 / (side - 1) as f32;
        let points = (0..side.pow(3)).map(|i| Vec3::new(at(i / side / side), at(i / side % side), at(i % side)));
        let points: Vec<Vec3> = points.collect();
        let colours = points.iter().map(|p| (*p - Vec3::ONE) / 2.0).collect();
        Grid::new(region, side, points.into_iter().map(value).collect(), Some(colours)).unwrap()
    }

    #[test]
    fn lines_and_squares_are_met_exactly() {
        let value = |p: Vec3| 2.0 * p.x - p.y + 0.5 * p.z * p.z;
        let mut grid = grid(9, value);
        // Away from the faces, where the curve has no neighbour to follow.
        let inner = [Vec3::new(1.7, 2.1, 1.55), Vec3::splat(2.0), Vec3::new(1.26, 2.7, 2.49)];
        let mut out = [0.0; 3];
        grid.distances(&inner, &mut out).unwrap();
        for (point, given) in inner.into_iter().zip(out) {
            assert!((given - value(point)).abs() < 1e-4, "{point} {given}");
        }
        let colours = grid.colours(&inner).unwrap().unwrap();
        assert!(colours.iter().zip(inner).all(|(c, p)| c.distance((p - Vec3::ONE) / 2.0) < 1e-5));
    }

    #[test]
    fn points_beyond_the_faces_have_the_values_of_the_faces() {
        let mut grid = grid(4, |p| p.x);
        let mut out = [0.0; 2];
        grid.distances(&[Vec3::splat(-5.0), Vec3::splat(9.0)], &mut out).unwrap();
        assert_eq!(out, [1.0, 3.0]);
        let flat = Region::around(1.0);
        assert!(Grid::new(flat, 4, vec![0.0; 63], None).is_err());
        assert!(Grid::new(flat, 1, vec![0.0], None).is_err());
    }
}
