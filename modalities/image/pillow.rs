//! Resizing as Pillow does it, to the bit: image encoders see what the reference's preprocessing gives them.

/// Reach of the cubic filter, in pixels of the coarser picture.
const REACH: f64 = 2.0;
/// Bits of a weight behind the point.
const BITS: u32 = 22;

/// The weights of a filtered pixel, and the first pixel that they belong to.
struct Taps {
    first: usize,
    weights: Vec<i64>,
}

/// 8 bits a channel, `[height, width, 3]`, brought to another size by the cubic filter: first along rows, then along columns.
pub(super) fn resized(rgb: &[u8], from: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let rows = along(rgb, [from.1, from.0, 3], &taps(from.0, to.0));
    along(&rows, [1, from.1, to.0 * 3], &taps(from.1, to.1))
}

/// Filters the middle one of three axes.
fn along(values: &[u8], [outer, length, inner]: [usize; 3], taps: &[Taps]) -> Vec<u8> {
    let mut out = Vec::with_capacity(outer * taps.len() * inner);
    for block in values.chunks_exact(length * inner).take(outer) {
        for tap in taps {
            let value = |at: usize| {
                let column = block.iter().skip(tap.first * inner + at).step_by(inner);
                let sum: i64 = column.zip(&tap.weights).map(|(value, weight)| i64::from(*value) * weight).sum();
                ((sum + (1 << (BITS - 1))) >> BITS).clamp(0, 255) as u8
            };
            out.extend((0..inner).map(value));
        }
    }
    out
}

fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to.max(1) as f64;
    let wide = scale.max(1.0);
    let tap = |at: usize| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - REACH * wide + 0.5).max(0.0) as usize;
        let end = ((centre + REACH * wide + 0.5) as usize).min(from);
        let weights: Vec<f64> = (first..end).map(|pixel| cubic((pixel as f64 - centre + 0.5) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |weight: f64| (weight / sum * f64::from(1 << BITS)).round() as i64;
        Taps { first, weights: weights.into_iter().map(fixed).collect() }
    };
    (0..to).map(tap).collect()
}

/// Keys' filter with a slope of -0.5.
fn cubic(x: f64) -> f64 {
    const SLOPE: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((SLOPE + 2.0) * x - (SLOPE + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * SLOPE,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Image.fromarray(a).resize((4, 5), Image.BICUBIC)` of Pillow 13, with values `(i * 37 + 11) % 256`.
    #[test]
    fn pixels_equal_those_of_pillow() {
        let values: Vec<u8> = (0..7 * 6 * 3).map(|i| ((i * 37 + 11) % 256) as u8).collect();
        assert_eq!(resized(&values, (7, 6), (4, 5)), SMALLER);
    }

    #[rustfmt::skip]
    const SMALLER: [u8; 60] = [
        66, 96, 133, 178, 73, 114, 138, 179, 74, 119, 156, 192,
        77, 107, 144, 197, 83, 125, 148, 198, 87, 130, 167, 153,
        84, 118, 155, 129, 97, 136, 162, 130, 105, 141, 174, 58,
        91, 128, 165, 60, 110, 146, 175, 61, 115, 151, 181, 77,
        102, 139, 176, 79, 120, 157, 185, 80, 126, 162, 192, 88,
    ];
}
