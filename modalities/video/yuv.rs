//! Pictures as brightness and halved colours, as video codecs take them (ITU-R BT.709, limited range, 4:2:0).

use crate::image::Picture;

/// Three planes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Yuv {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Brightness, `[height, width]`, 16 to 235.
    pub(super) y: Vec<u8>,
    /// Blueness, `[height / 2, width / 2]`, 16 to 240.
    pub(super) u: Vec<u8>,
    /// Redness likewise.
    pub(super) v: Vec<u8>,
}

/// Shares of red, green and blue in brightness.
const RED: f32 = 0.2126;
const GREEN: f32 = 1.0 - RED - BLUE;
const BLUE: f32 = 0.0722;

fn luma(pixel: &[f32; 3]) -> f32 {
    RED * pixel[0] + GREEN * pixel[1] + BLUE * pixel[2]
}

fn byte(value: f32) -> u8 {
    (value + 0.5) as u8
}

impl Yuv {
    /// Of a picture whose sides are even.
    pub(super) fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width, picture.height);
        let pixels = picture.rgb.as_chunks::<3>().0;
        let y = pixels.iter().map(|pixel| byte(16.0 + 219.0 * luma(pixel))).collect();
        let (mut u, mut v) = (Vec::with_capacity(pixels.len() / 4), Vec::with_capacity(pixels.len() / 4));
        for rows in pixels.chunks_exact(2 * width) {
            let (upper, lower) = rows.split_at(width);
            for (above, below) in upper.as_chunks::<2>().0.iter().zip(lower.as_chunks::<2>().0) {
                let mean = [0, 1, 2].map(|c| (above[0][c] + above[1][c] + below[0][c] + below[1][c]) / 4.0);
                let luma = luma(&mean);
                u.push(byte(128.0 + 224.0 * (mean[2] - luma) / (2.0 * (1.0 - BLUE))));
                v.push(byte(128.0 + 224.0 * (mean[0] - luma) / (2.0 * (1.0 - RED))));
            }
        }
        Self { width, height, y, u, v }
    }

    /// The picture again.
    #[cfg(test)]
    pub(super) fn picture(&self) -> Picture {
        let pixel = |i: usize| {
            let at = i / self.width / 2 * (self.width / 2) + i % self.width / 2;
            let luma = (f32::from(self.y[i]) - 16.0) / 219.0;
            let [blue, red] = [self.u[at], self.v[at]].map(|value| (f32::from(value) - 128.0) / 224.0);
            let (red, blue) = (luma + 2.0 * (1.0 - RED) * red, luma + 2.0 * (1.0 - BLUE) * blue);
            [red, (luma - RED * red - BLUE * blue) / GREEN, blue].map(|value| value.clamp(0.0, 1.0))
        };
        Picture::new(self.width, self.height, (0..self.y.len()).flat_map(pixel).collect()).unwrap()
    }
}
