//! Triangles to pixels, without a GPU.

use super::Mesh;
use super::colour::{to_linear, to_srgb};
use super::normals::{Shaded, shaded};
use crate::image::Picture;
use anyhow::Result;
use glam::{Mat3, Vec2, Vec3};

/// Samples along each side of a pixel.
const FINE: usize = 3;

/// Half the angle that the camera sees, as its tangent: 15 degrees.
const HALF_VIEW: f32 = 0.268;

/// Share of the picture's side that the object's sphere fills.
const FILLED: f32 = 0.95;

/// Background, in sRGB.
const BACKGROUND: f32 = 0.96;

/// What a mesh without colours looks like, in sRGB.
const CLAY: Vec3 = Vec3::new(0.72, 0.72, 0.74);

/// Where a mesh is seen from.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// Degrees around the vertical axis; 0 looks at the front, from +Z.
    pub(super) turn: f32,
    /// Degrees above the horizon.
    pub(super) height: f32,
}

/// A mesh ready to be drawn from many sides.
pub(super) struct Scene<'m> {
    mesh: &'m Mesh,
    shaded: Shaded,
    /// In linear light.
    colours: Vec<Vec3>,
    centre: Vec3,
    radius: f32,
}

/// A corner as the camera sees it.
#[derive(Clone, Copy)]
struct Seen {
    /// In samples.
    at: Vec2,
    /// One over the distance, which changes evenly over a triangle in the picture, as distance does not.
    near: f32,
}

impl<'m> Scene<'m> {
    pub(super) fn new(mesh: &'m Mesh) -> Self {
        let (low, high) = mesh.bounds();
        let centre = (low + high) / 2.0;
        let radius = mesh.positions.iter().map(|p| p.distance(centre)).fold(1e-6, f32::max);
        let linear = |c: &Vec3| Vec3::new(to_linear(c.x), to_linear(c.y), to_linear(c.z));
        let colours = match mesh.colours.is_empty() {
            true => vec![linear(&CLAY); mesh.positions.len()],
            false => mesh.colours.iter().map(linear).collect(),
        };
        Self { mesh, shaded: shaded(mesh), colours, centre, radius }
    }

    /// A square picture of `side` pixels.
    pub(super) fn draw(&self, view: View, side: usize) -> Result<Picture> {
        let turned = Mat3::from_rotation_x(view.height.to_radians()) * Mat3::from_rotation_y(-view.turn.to_radians());
        let distance = self.radius / (HALF_VIEW * FILLED) * (1.0 + HALF_VIEW * HALF_VIEW).sqrt();
        let mut canvas = Canvas::new(side * FINE);
        let zoom = canvas.side as f32 / 2.0;
        let seen: Vec<Seen> = self
            .mesh
            .positions
            .iter()
            .map(|&p| turned * (p - self.centre))
            .map(|p| {
                let near = 1.0 / (distance - p.z);
                let at = Vec2::new(p.x, -p.y) * near / HALF_VIEW * zoom + Vec2::splat(zoom);
                Seen { at, near }
            })
            .collect();
        let normals: Vec<Vec3> = self.shaded.normals.iter().map(|n| turned * *n).collect();
        for (places, own) in self.mesh.triangles.iter().zip(&self.shaded.triangles) {
            canvas.triangle(places.map(|i| seen[i as usize]), |weights| {
                let mix = |list: &[Vec3], at: &[u32; 3]| -> Vec3 {
                    at.iter().zip(weights).map(|(&i, w)| list[i as usize] * w).sum()
                };
                lit(mix(&self.colours, places), mix(&normals, own).normalize_or_zero())
            });
        }
        canvas.picture(side)
    }
}

/// A surface in the light of a sky, of a lamp above the camera's left shoulder and of a weak one behind, with a slight gloss.
fn lit(colour: Vec3, normal: Vec3) -> Vec3 {
    let lamp = Vec3::new(-0.45, 0.65, 0.61);
    let back = Vec3::new(0.7, 0.2, -0.68);
    let sky = 0.30 + 0.16 * normal.y;
    let light = sky + 0.72 * normal.dot(lamp).max(0.0) + 0.12 * normal.dot(back).max(0.0);
    let half = (lamp + Vec3::Z).normalize();
    let gloss = 0.05 * normal.dot(half).max(0.0).powi(24);
    colour * light + Vec3::splat(gloss)
}

/// Samples with the nearest surface in each.
struct Canvas {
    side: usize,
    near: Vec<f32>,
    /// Linear light.
    light: Vec<Vec3>,
}

impl Canvas {
    fn new(side: usize) -> Self {
        let background = Vec3::splat(to_linear(BACKGROUND));
        Self { side, near: vec![0.0; side * side], light: vec![background; side * side] }
    }

    /// Draws a triangle; `shade` gets the weights of its corners at a sample.
    fn triangle(&mut self, corners: [Seen; 3], shade: impl Fn([f32; 3]) -> Vec3) {
        let [a, b, c] = corners.map(|corner| corner.at);
        // Counter-clockwise is outside; the picture's rows run downwards.
        let area = (b - a).perp_dot(c - a);
        if area >= -1e-9 {
            return;
        }
        let last = self.side as f32 - 1.0;
        let low = a.min(b).min(c).ceil().clamp(Vec2::ZERO, Vec2::splat(last));
        let high = a.max(b).max(c).floor().clamp(Vec2::ZERO, Vec2::splat(last));
        for y in low.y as usize..=high.y as usize {
            for x in low.x as usize..=high.x as usize {
                let p = Vec2::new(x as f32, y as f32);
                let flat = [(b - p).perp_dot(c - p), (c - p).perp_dot(a - p), (a - p).perp_dot(b - p)];
                if flat.iter().any(|&part| part > 0.0) {
                    continue;
                }
                let parts: [f32; 3] = std::array::from_fn(|i| flat[i] / area * corners[i].near);
                let near = parts.iter().sum::<f32>();
                let sample = y * self.side + x;
                if near > self.near[sample] {
                    self.near[sample] = near;
                    self.light[sample] = shade(parts.map(|part| part / near));
                }
            }
        }
    }

    /// The mean of the samples of each pixel.
    fn picture(&self, side: usize) -> Result<Picture> {
        let mut rgb = Vec::with_capacity(3 * side * side);
        for y in 0..side {
            for x in 0..side {
                let row = |dy: usize| &self.light[(y * FINE + dy) * self.side + x * FINE..][..FINE];
                let sum: Vec3 = (0..FINE).flat_map(row).copied().map(|light| light.min(Vec3::ONE)).sum();
                let mean = sum / (FINE * FINE) as f32;
                rgb.extend(mean.to_array().map(|value| to_srgb(value).clamp(0.0, 1.0)));
            }
        }
        Picture::new(side, side, rgb)
    }
}
