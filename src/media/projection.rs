//! A linear map from latents to pixels, fitted to a decoder: what a picture looks like, in no time.

use anyhow::{Context, Result, bail};
use edrun_modalities::image::Picture;
use edrun_onnx::Cancel;

use super::{Decode, Extent, Media};
use crate::sampling::{Latent, Noise};

/// Red, green and blue as sums over a latent's channels: one weight each, and a constant.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Projection {
    /// `[3][channels + 1]`.
    weights: Vec<Vec<f64>>,
}

/// Latents of one colour field along a side: what a decoder makes of its middle does not know the neighbours.
const FIELD: usize = 4;
/// Colour fields along a side.
const FIELDS: usize = 8;
/// Any seed will do, but always the same.
const SEED: u64 = 1;

impl Projection {
    /// Fits a map to what a decoder makes of fields of random values, by least squares.
    pub(super) fn fit(
        decoder: &mut dyn Decode,
        channels: usize,
        factor: usize,
        step: usize,
        cancel: &Cancel,
    ) -> Result<Self> {
        let side = (FIELD * FIELDS).next_multiple_of(step);
        let colours = Noise::torch(SEED).normal(&[channels, FIELDS + 1, FIELDS + 1]);
        let latent = Latent::from_shape_fn(vec![channels, side, side], |i| colours[[i[0], i[1] / FIELD, i[2] / FIELD]]);
        let extent = Extent::Picture { width: side * factor, height: side * factor };
        let media = decoder.decode(&latent, extent, cancel)?;
        let picture = media.picture().context("the decoder makes no pictures")?;
        let mut rows = Vec::new();
        for (y, x) in (0..FIELDS).flat_map(|y| (0..FIELDS).map(move |x| (y, x))) {
            let values: Vec<f64> = (0..channels).map(|c| f64::from(colours[[c, y, x]])).chain([1.0]).collect();
            rows.push((values, middle(picture, x, y, factor)));
        }
        let weights = (0..3).map(|colour| solve(&rows, colour)).collect::<Option<Vec<_>>>();
        Ok(Self { weights: weights.context("the decoder's colours do not depend on its latents")? })
    }

    fn colour(&self, colour: usize, values: impl Iterator<Item = f32>) -> f32 {
        let weights = self.weights.get(colour).into_iter().flatten();
        let sum: f64 = weights.zip(values.map(f64::from).chain([1.0])).map(|(w, v)| w * v).sum();
        sum.clamp(0.0, 1.0) as f32
    }
}

impl Decode for Projection {
    fn decode(&mut self, latent: &Latent, extent: Extent, _: &Cancel) -> Result<Media> {
        let (&[channels, height, width], Extent::Picture { width: full_width, height: full_height }) =
            (latent.shape(), extent)
        else {
            bail!("a latent of {:?} is none of a picture", latent.shape())
        };
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let colours = pixels.flat_map(|at| (0..3).map(move |colour| (at, colour)));
        let rgb = colours.map(|((y, x), colour)| self.colour(colour, (0..channels).map(|c| latent[[c, y, x]])));
        Picture::new(width, height, rgb.collect())?.resized(full_width, full_height).map(Media::Picture)
    }
}

/// The mean colour in the middle of a field.
fn middle(picture: &Picture, x: usize, y: usize, factor: usize) -> [f64; 3] {
    let (start, size) = (FIELD * factor / 4, FIELD * factor / 2);
    let mut sum = [0.0; 3];
    for row in 0..size {
        let first = (y * FIELD * factor + start + row) * picture.width + x * FIELD * factor + start;
        for pixel in picture.rgb.get(first * 3..(first + size) * 3).into_iter().flatten().collect::<Vec<_>>().chunks(3)
        {
            sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += f64::from(**value));
        }
    }
    sum.map(|sum| sum / (size * size) as f64)
}

/// The weights that give one colour from the values, by the normal equations.
fn solve(rows: &[(Vec<f64>, [f64; 3])], colour: usize) -> Option<Vec<f64>> {
    let count = rows.first()?.0.len();
    let mut equations = vec![vec![0.0; count + 1]; count];
    for (values, target) in rows {
        for (equation, value) in equations.iter_mut().zip(values) {
            let known = values.iter().chain(target.get(colour));
            equation.iter_mut().zip(known).for_each(|(sum, other)| *sum += value * other);
        }
    }
    eliminate(equations)
}

/// Gauss-Jordan elimination with the largest pivot; each row ends with its right-hand side.
fn eliminate(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let count = rows.len();
    for column in 0..count {
        let at = |row: &Vec<f64>| row.get(column).copied().unwrap_or(0.0);
        let pivot = (column..count).max_by(|a, b| at(&rows[*a]).abs().total_cmp(&at(&rows[*b]).abs()))?;
        rows.swap(column, pivot);
        let scale = at(&rows[column]);
        if scale.abs() < 1e-9 {
            return None;
        }
        let leading: Vec<f64> = rows[column].iter().map(|v| v / scale).collect();
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let share = at(row);
            row.iter_mut().zip(&leading).for_each(|(v, lead)| *v -= share * lead);
        }
        rows[column] = leading;
    }
    rows.iter().map(|row| row.last().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A decoder whose colours are a known linear map, with a dark seam around each field.
    struct Known;

    const WEIGHTS: [[f64; 3]; 3] = [[0.1, -0.05, 0.5], [0.0, 0.08, 0.45], [-0.07, 0.02, 0.55]];

    impl Decode for Known {
        fn decode(&mut self, latent: &Latent, _: Extent, _: &Cancel) -> Result<Media> {
            let (height, width) = (latent.shape()[1] * 2, latent.shape()[2] * 2);
            let value = |y: usize, x: usize, c: usize| {
                let [a, b, constant] = WEIGHTS[c];
                let inner = (1..7).contains(&(y % 8)) && (1..7).contains(&(x % 8));
                let sum =
                    a * f64::from(latent[[0, y / 2, x / 2]]) + b * f64::from(latent[[1, y / 2, x / 2]]) + constant;
                if inner { sum as f32 } else { 0.0 }
            };
            let at = (0..height * width * 3).map(|i| value(i / 3 / width, i / 3 % width, i % 3));
            Picture::new(width, height, at.collect()).map(Media::Picture)
        }
    }

    #[test]
    fn a_linear_decoder_is_found_again() {
        let mut fitted = Projection::fit(&mut Known, 2, 2, 1, &Cancel::new()).unwrap();
        for (found, known) in fitted.weights.iter().flatten().zip(WEIGHTS.iter().flatten()) {
            assert!((found - known).abs() < 1e-5, "{:?}", fitted.weights);
        }
        let latent = Latent::from_shape_vec(vec![2, 1, 1], vec![1.0, 2.0]).unwrap();
        let media = fitted.decode(&latent, Extent::Picture { width: 1, height: 1 }, &Cancel::new()).unwrap();
        let rgb = &media.picture().unwrap().rgb;
        assert!(rgb.iter().zip([0.5, 0.61, 0.52]).all(|(a, b)| (a - b).abs() < 3e-3), "{rgb:?}");
    }

    #[test]
    fn a_decoder_of_one_colour_has_a_map_too() {
        struct Grey;
        impl Decode for Grey {
            fn decode(&mut self, _: &Latent, extent: Extent, _: &Cancel) -> Result<Media> {
                let Extent::Picture { width, height } = extent else { bail!("no picture") };
                Picture::new(width, height, vec![0.25; width * height * 3]).map(Media::Picture)
            }
        }
        let fitted = Projection::fit(&mut Grey, 4, 2, 1, &Cancel::new()).unwrap();
        assert!(fitted.weights.iter().all(|w| (w[4] - 0.25).abs() < 1e-6 && w[..4].iter().all(|w| w.abs() < 1e-6)));
    }
}
