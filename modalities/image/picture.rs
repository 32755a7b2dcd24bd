//! A picture, in memory and on disk.

use super::format::names;
use super::{Depth, check_extension, pillow};
use crate::files::write_whole;
use crate::info::Info;
use anyhow::{Context, Result, ensure};
use image::imageops::{FilterType, resize};
use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use std::path::Path;

/// A picture in sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Red, green and blue in 0..=1, `[height, width, 3]`, row by row.
    pub rgb: Vec<f32>,
}

impl Picture {
    /// A picture from `rgb`, `[height, width, 3]` in 0..=1.
    pub fn new(width: usize, height: usize, rgb: Vec<f32>) -> Result<Self> {
        ensure!(
            width > 0 && height > 0 && width.checked_mul(height).and_then(|n| n.checked_mul(3)) == Some(rgb.len()),
            "a picture of {width}x{height} pixels cannot hold {} values: it takes three per pixel",
            rgb.len()
        );
        Ok(Self { width, height, rgb })
    }

    /// A picture from planes `[3, height, width]` of values in -1..=1, the range that image networks work in.
    pub(crate) fn from_planes(width: usize, height: usize, planes: &[f32]) -> Result<Self> {
        let size = width * height;
        let mut rgb = vec![0.0; planes.len()];
        for (channel, plane) in planes.chunks(size.max(1)).enumerate().take(3) {
            for (pixel, y) in rgb.chunks_exact_mut(3).zip(plane) {
                pixel[channel] = (y / 2.0 + 0.5).clamp(0.0, 1.0);
            }
        }
        Self::new(width, height, rgb)
    }

    /// Planes `[3, height, width]` of values in -1..=1.
    pub(crate) fn to_planes(&self) -> Vec<f32> {
        (0..3).flat_map(|channel| self.rgb.iter().skip(channel).step_by(3).map(|v| 2.0 * v - 1.0)).collect()
    }

    /// The picture at another size, by Lanczos' filter as the reference pipelines resize.
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        if (width, height) == (self.width, self.height) {
            return Ok(self.clone());
        }
        let (from, to) = ((side(self.width)?, side(self.height)?), (side(width)?, side(height)?));
        let image = RgbImage::from_raw(from.0, from.1, self.to_rgb8()).context("the picture lacks pixels")?;
        Self::from_rgb8(&resize(&image, to.0, to.1, FilterType::Lanczos3))
    }

    /// The picture at another size, by a cubic filter as image encoders are given theirs.
    pub fn resized_smoothly(&self, width: usize, height: usize) -> Result<Self> {
        let bytes = pillow::resized(&self.to_rgb8(), (self.width, self.height), (width, height));
        Self::new(width, height, bytes.into_iter().map(|byte| f32::from(byte) / 255.0).collect())
    }

    /// Brightness in 0..=1, `[height, width]` (ITU-R BT.601, as the reference turns masks grey).
    pub fn grey(&self) -> Vec<f32> {
        const WEIGHTS: [f32; 3] = [0.299, 0.587, 0.114];
        self.rgb.chunks_exact(3).map(|pixel| pixel.iter().zip(WEIGHTS).map(|(v, weight)| v * weight).sum()).collect()
    }

    fn from_rgb8(rgb: &RgbImage) -> Result<Self> {
        let values = rgb.as_raw().iter().map(|&byte| f32::from(byte) / 255.0).collect();
        Self::new(rgb.width() as usize, rgb.height() as usize, values)
    }

    /// Bytes 0..=255, `[height, width, 3]`. Halves go to the even neighbour, as numpy rounds.
    pub fn to_rgb8(&self) -> Vec<u8> {
        self.rgb.iter().map(|v| (v * 255.0).round_ties_even() as u8).collect()
    }

    /// Numbers 0..=65535, `[height, width, 3]`.
    pub fn to_rgb16(&self) -> Vec<u16> {
        self.rgb.iter().map(|v| (v * 65_535.0).round_ties_even() as u16).collect()
    }

    /// Writes the picture in the format that the ending of `path` names, with `info` in it; whole or not at all.
    pub fn save(&self, path: &Path, info: &Info, depth: Depth) -> Result<()> {
        let format = check_extension(path)?;
        let bytes = format
            .encode(self, info, depth)
            .with_context(|| format!("cannot make the {} file {}", format.name, path.display()))?;
        write_whole(path, &bytes)
    }

    /// Reads a file of any format in [`FORMATS`](super::FORMATS), turned upright as its Exif entry says; transparency is
    /// dropped.
    pub fn open(path: &Path) -> Result<Self> {
        let upright = || -> Result<DynamicImage> {
            let mut decoder = ImageReader::open(path)?.with_guessed_format()?.into_decoder()?;
            let orientation = decoder.orientation()?;
            let mut image = DynamicImage::from_decoder(decoder)?;
            image.apply_orientation(orientation);
            Ok(image)
        };
        let image = upright()
            .with_context(|| format!("cannot read the picture {}: give a {} file", path.display(), names()))?;
        // As few roundings as the file allows: 16 bits stay 16 bits.
        let rgb = image.to_rgb32f();
        Self::new(rgb.width() as usize, rgb.height() as usize, rgb.into_raw())
    }
}

fn side(pixels: usize) -> Result<u32> {
    u32::try_from(pixels).with_context(|| format!("a picture cannot have a side of {pixels} pixels"))
}
