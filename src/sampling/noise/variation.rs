//! Variations of a picture: noise between that of two seeds.

use ndarray::{Axis, Zip};

use crate::sampling::Latent;
use crate::sampling::latent::{values, values_mut};

/// Turns `noise` towards `other` by a share of the angle between them, so that it stays as long as
/// noise is (Shoemake 1985). 0 leaves it, 1 makes it `other`.
///
/// A picture's latent is turned column by column, as A1111's `Variation strength` does: there the
/// angle is taken along axis 1 of `[channels, height, width]`. Other latents are turned as a whole.
///
/// # Panics
/// When the shapes differ: a bug of the caller, who draws both.
pub fn variation(noise: &mut Latent, other: &Latent, strength: f64) {
    assert_eq!(noise.shape(), other.shape(), "the noise of both seeds has the latent's shape");
    if noise.ndim() == 3 {
        Zip::from(noise.lanes_mut(Axis(1))).and(other.lanes(Axis(1))).for_each(|mut lane, other| {
            let turn = turn(lane.iter().zip(&other), strength);
            lane.iter_mut().zip(&other).for_each(|(a, b)| *a = turn.of(*a, *b));
        });
    } else {
        let turn = turn(values(noise).iter().zip(values(other)), strength);
        values_mut(noise).iter_mut().zip(values(other)).for_each(|(a, b)| *a = turn.of(*a, *b));
    }
}

/// Shares of the two ends.
struct Turn(f64, f64);

impl Turn {
    fn of(&self, a: f32, b: f32) -> f32 {
        (self.0 * f64::from(a) + self.1 * f64::from(b)) as f32
    }
}

fn turn<'a>(pairs: impl Iterator<Item = (&'a f32, &'a f32)>, strength: f64) -> Turn {
    let products = pairs.map(|(a, b)| (f64::from(*a), f64::from(*b))).map(|(a, b)| (a * b, a * a, b * b));
    let (dot, a, b) = products.fold((0.0, 0.0, 0.0), |sum, p| (sum.0 + p.0, sum.1 + p.1, sum.2 + p.2));
    let cosine = dot / (a * b).sqrt();
    // Along a line where no arc is defined: equal, opposite or empty ends.
    if cosine.is_nan() || cosine.abs() > 0.9995 {
        return Turn(1.0 - strength, strength);
    }
    let angle = cosine.acos();
    Turn(((1.0 - strength) * angle).sin() / angle.sin(), (strength * angle).sin() / angle.sin())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampling::Noise;

    fn varied(shape: &[usize], strength: f64) -> (Latent, Latent, Latent) {
        let (a, b) = (Noise::torch(1).normal(shape), Noise::torch(2).normal(shape));
        let mut mixed = a.clone();
        variation(&mut mixed, &b, strength);
        (a, b, mixed)
    }

    fn off(a: &Latent, b: &Latent) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn the_ends_are_the_two_seeds() {
        for shape in [vec![4, 8, 8], vec![4, 2, 8, 8], vec![64]] {
            let (a, _, none) = varied(&shape, 0.0);
            let (_, b, full) = varied(&shape, 1.0);
            assert!(off(&a, &none) < 1e-6 && off(&b, &full) < 1e-6, "{shape:?}");
        }
    }

    #[test]
    fn lengths_run_evenly_and_the_angle_is_shared_out() {
        let (a, b, mixed) = varied(&[4096], 0.3);
        let dot = |p: &Latent, q: &Latent| p.iter().zip(q).map(|(p, q)| f64::from(p * q)).sum::<f64>();
        let angle = |p: &Latent, q: &Latent| (dot(p, q) / (dot(p, p) * dot(q, q)).sqrt()).acos();
        let unit = |x: &Latent| x.mapv(|v| v / dot(x, x).sqrt() as f32);
        let (a, b) = (unit(&a), unit(&b));
        let mut even = a.clone();
        variation(&mut even, &b, 0.3);
        assert!((angle(&a, &even) / angle(&a, &b) - 0.3).abs() < 1e-4);
        assert!((dot(&even, &even) - 1.0).abs() < 1e-5);
        assert!((dot(&mixed, &mixed) / 4096.0 - 1.0).abs() < 0.1, "noise stays noise");
    }

    #[test]
    fn pictures_are_turned_column_by_column() {
        let (a, b, mixed) = varied(&[2, 16, 3], 0.5);
        let column = |x: &Latent| x.index_axis(Axis(0), 1).index_axis(Axis(1), 2).to_owned().into_dyn();
        let mut want = column(&a);
        variation(&mut want, &column(&b), 0.5);
        assert!(off(&column(&mixed), &want) < 1e-6);
    }

    #[test]
    fn equal_noise_stays() {
        let a = Noise::torch(1).normal(&[4, 8, 8]);
        let mut mixed = a.clone();
        variation(&mut mixed, &a, 0.5);
        assert!(off(&a, &mixed) < 1e-6);
    }
}
