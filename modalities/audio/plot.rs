//! A map of colours between labelled axes.

use std::convert::Infallible;

use super::mel::mel;
use crate::image::Picture;
use anyhow::Result;
use embedded_graphics::mono_font::{MonoTextStyle, ascii::FONT_7X13};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, RgbColor, Size};
use embedded_graphics::text::{Alignment, Baseline, Text, TextStyleBuilder};

/// Pixels around the map: left, top, right, bottom.
const MARGINS: [usize; 4] = [64, 28, 92, 44];

/// Width of the scale of colours, and its distance from the map.
const SCALE: (usize, usize) = (16, 16);

/// Length of the marks at an axis.
const TICK: usize = 5;

/// An axis: what it shows, and which values stand where, as shares of its length.
pub(super) struct Axis {
    title: &'static str,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Time from 0 on.
    pub(super) fn seconds(length: f64) -> Self {
        let step = round_step(length / 8.0);
        let digits = (-step.log10().floor()).max(0.0) as usize;
        let values = (0..=10).map(|i| f64::from(i) * step).take_while(|at| *at <= length * 1.0001);
        Self { title: "seconds", ticks: values.map(|at| (at / length, format!("{at:.digits$}"))).collect() }
    }

    /// Frequencies from 0 on, as far apart as they sound.
    pub(super) fn mels(top: f64) -> Self {
        const HERTZ: [f64; 11] =
            [0.0, 200.0, 500.0, 1000.0, 2000.0, 3000.0, 5000.0, 8000.0, 12_000.0, 20_000.0, 40_000.0];
        let name = |hertz: f64| match hertz < 1000.0 {
            true => format!("{hertz}"),
            false => format!("{}k", hertz / 1000.0),
        };
        let near = |hertz: &&f64| **hertz <= top;
        let ticks = HERTZ.iter().filter(near).map(|hertz| (mel(*hertz) / mel(top), name(*hertz))).collect();
        Self { title: "Hz", ticks }
    }

    fn decibels(range: f32) -> Self {
        let ticks = (0..=(range / 20.0) as i32).map(|i| (1.0 - f64::from(i) * 20.0 / f64::from(range), -20 * i));
        Self { title: "dB", ticks: ticks.map(|(at, decibels)| (at, decibels.to_string())).collect() }
    }
}

/// The next of 1, 2, 5, 10, ... and their tenths.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-6).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= least * 0.9999);
    step.unwrap_or(10.0) * power
}

/// What a picture of a map is like.
pub(super) struct Plot {
    /// Pixels of the map.
    pub(super) width: usize,
    /// Pixels of the map.
    pub(super) height: usize,
    pub(super) across: Axis,
    pub(super) up: Axis,
    /// Decibels from the brightest to the darkest.
    pub(super) range: f32,
}

impl Plot {
    /// The picture of a map, whose `brightness` at `(x, y)` from the top left is 0 to 1.
    pub(super) fn picture(&self, brightness: impl Fn(usize, usize) -> f32) -> Result<Picture> {
        let [left, top, right, bottom] = MARGINS;
        let mut canvas = Canvas::new(left + self.width + right, top + self.height + bottom);
        for y in 0..self.height {
            (0..self.width).for_each(|x| canvas.dot(left + x, top + y, colour(brightness(x, y))));
        }
        self.draw_across(&mut canvas);
        let scale = left + self.width + SCALE.1;
        for y in 0..self.height {
            let share = 1.0 - y as f32 / (self.height - 1).max(1) as f32;
            (0..SCALE.0).for_each(|x| canvas.dot(scale + x, top + y, colour(share)));
        }
        self.draw_up(&mut canvas, &self.up, left, true);
        self.draw_up(&mut canvas, &Axis::decibels(self.range), scale + SCALE.0, false);
        Picture::new(canvas.width, canvas.height, canvas.rgb)
    }

    fn draw_across(&self, canvas: &mut Canvas) {
        let [left, top, _, bottom] = MARGINS;
        let below = top + self.height;
        for (at, label) in &self.across.ticks {
            let x = left + (at * (self.width - 1) as f64).round() as usize;
            (0..TICK).for_each(|i| canvas.dot(x, below + i, INK));
            canvas.text(label, x, below + TICK + 2, Alignment::Center, Baseline::Top);
        }
        let middle = left + self.width / 2;
        canvas.text(self.across.title, middle, below + bottom - 4, Alignment::Center, Baseline::Bottom);
    }

    /// An axis at `x`, with its labels on its left or right.
    fn draw_up(&self, canvas: &mut Canvas, axis: &Axis, x: usize, on_left: bool) {
        let top = MARGINS[1];
        let (alignment, label) = match on_left {
            true => (Alignment::Right, x.saturating_sub(TICK + 5)),
            false => (Alignment::Left, x + TICK + 3),
        };
        for (at, text) in &axis.ticks {
            let y = top + ((1.0 - at) * (self.height - 1) as f64).round() as usize;
            (0..TICK).for_each(|i| canvas.dot(if on_left { x - 1 - i } else { x + i }, y, INK));
            canvas.text(text, label, y, alignment, Baseline::Middle);
        }
        canvas.text(axis.title, label, top - 8, alignment, Baseline::Bottom);
    }
}

/// The colour of axes and letters on white.
const INK: [f32; 3] = [0.15; 3];

/// Colours from dark to bright that also print well in grey: matplotlib's magma (van der Walt and Smith, CC0), every eighth.
const MAGMA: [[u8; 3]; 9] = [
    [0, 0, 4],
    [28, 16, 68],
    [79, 18, 123],
    [129, 37, 129],
    [181, 54, 122],
    [229, 80, 100],
    [251, 135, 97],
    [254, 194, 135],
    [252, 253, 191],
];

fn colour(share: f32) -> [f32; 3] {
    let place = share.clamp(0.0, 1.0) * (MAGMA.len() - 1) as f32;
    let at = |i: usize| MAGMA.get(i).copied().unwrap_or([252, 253, 191]);
    let (low, high, part) = (at(place as usize), at(place as usize + 1), place.fract());
    std::array::from_fn(|i| (f32::from(low[i]) * (1.0 - part) + f32::from(high[i]) * part) / 255.0)
}

/// Pixels that are drawn on.
struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<f32>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![1.0; width * height * 3] }
    }

    /// A pixel, if it is on the canvas.
    fn dot(&mut self, x: usize, y: usize, colour: [f32; 3]) {
        let from = 3 * (y * self.width + x);
        if let (true, Some(pixel)) = (x < self.width, self.rgb.get_mut(from..from + 3)) {
            pixel.copy_from_slice(&colour);
        }
    }

    fn text(&mut self, text: &str, x: usize, y: usize, alignment: Alignment, baseline: Baseline) {
        let style = TextStyleBuilder::new().alignment(alignment).baseline(baseline).build();
        let font = MonoTextStyle::new(&FONT_7X13, Rgb888::BLACK);
        let Ok(_) = Text::with_text_style(text, Point::new(x as i32, y as i32), font, style).draw(self);
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, _) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.dot(x, y, INK);
            }
        }
        Ok(())
    }
}
