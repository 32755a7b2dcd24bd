//! Solids whose every figure is known, as fields.

use super::{Field, Region};
use anyhow::Result;
use glam::{Vec2, Vec3};

/// A solid in the region from -1 to 1.
pub(super) struct Solid {
    pub(super) name: &'static str,
    pub(super) distance: fn(Vec3) -> f32,
    /// What it encloses, where that has a closed form.
    pub(super) volume: Option<f64>,
    /// Of its surface, where it is known.
    pub(super) euler_characteristic: Option<i64>,
    /// Points asked for, whatever the batches.
    pub(super) asked: u64,
    pub(super) largest_query: usize,
}

impl Field for Solid {
    fn region(&self) -> Region {
        Region::around(1.0)
    }

    fn distances(&mut self, points: &[Vec3], out: &mut [f32]) -> Result<()> {
        self.asked += points.len() as u64;
        self.largest_query = self.largest_query.max(points.len());
        out.iter_mut().zip(points).for_each(|(out, point)| *out = (self.distance)(*point));
        Ok(())
    }

    fn colours(&mut self, points: &[Vec3]) -> Result<Option<Vec<Vec3>>> {
        // Red above, blue below, sharply.
        Ok(Some(points.iter().map(|p| if p.y > 0.0 { Vec3::X } else { Vec3::Z }).collect()))
    }
}

/// Half the sides of the box.
pub(super) const BOX: Vec3 = Vec3::new(0.71, 0.37, 0.53);

/// Two periods of the gyroid in a region.
const WAVES: f32 = 2.0 * std::f32::consts::PI;

pub(super) fn solids() -> Vec<Solid> {
    use std::f64::consts::PI;
    let solid = |name, distance, volume, euler_characteristic| Solid {
        name,
        distance,
        volume,
        euler_characteristic,
        asked: 0,
        largest_query: 0,
    };
    vec![
        solid("sphere", |p| p.length() - 0.8, Some(4.0 / 3.0 * PI * 0.8f64.powi(3)), Some(2)),
        solid("torus", torus, Some(2.0 * PI * PI * 0.6 * 0.25 * 0.25), Some(0)),
        solid("box", cuboid, Some(8.0 * 0.71 * 0.37 * 0.53), Some(2)),
        solid("gyroid", gyroid, None, None),
    ]
}

fn torus(p: Vec3) -> f32 {
    Vec2::new(Vec2::new(p.x, p.z).length() - 0.6, p.y).length() - 0.25
}

fn cuboid(p: Vec3) -> f32 {
    let q = p.abs() - BOX;
    q.max(Vec3::ZERO).length() + q.max_element().min(0.0)
}

/// One side of the gyroid, ending smoothly towards a ball: a crease would leave splinters that no lattice resolves. Not a
/// distance: its slope is around 1.5 near the surface.
pub(super) fn gyroid(p: Vec3) -> f32 {
    // Moved, so that no point of a lattice lies on it exactly.
    let q = (p + Vec3::new(0.013, 0.021, 0.034)) * WAVES;
    let value = q.x.sin() * q.y.cos() + q.y.sin() * q.z.cos() + q.z.sin() * q.x.cos();
    value / WAVES + 4.0 * (p.length() - 0.6).max(0.0).powi(2)
}
