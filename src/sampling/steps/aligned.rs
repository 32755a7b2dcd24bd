//! Align Your Steps (Sabour, Fidler and Kreis 2024, arXiv 2404.14507): the closed form for Gaussian
//! data and the tables that were found for Stable Diffusion. `fit` finds new ones.

use super::{Span, lerp};

/// Noise scales of ten steps with their end, as published on the paper's page.
pub(super) type Published = [f64; 11];

/// Stable Diffusion 1.5.
pub(super) const SD15: Published = [14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029];
/// Stable Diffusion XL.
pub(super) const SDXL: Published = [14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029];
/// Stable Video Diffusion.
pub(super) const SVD: Published = [700.0, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002];

/// A published table at any number of steps: its own numbers where the model covers them,
/// otherwise stretched over the model in the logarithm.
pub(super) fn published(span: &Span<'_>, table: &Published) -> Vec<f64> {
    let mut sigmas = log_linear(table, span.steps + 1);
    sigmas.pop();
    let (low, high) = span.schedule.sigmas();
    let (clean, noisy) = (table[10], table[0]);
    // The tables are rounded to three decimals.
    if noisy > high * 1.0001 || clean < low * 0.98 {
        let stretch = (high / low).ln() / (noisy / clean).ln();
        sigmas.iter_mut().for_each(|sigma| *sigma = low * (*sigma / clean).powf(stretch));
    }
    sigmas
}

/// A list of noise scales at another number of points, interpolated in the logarithm.
pub fn log_linear(sigmas: &[f64], points: usize) -> Vec<f64> {
    let Some(last) = sigmas.len().checked_sub(1) else { return Vec::new() };
    let at = |place: f64| {
        let below = (place.floor() as usize).min(last);
        let (a, b) = (sigmas[below], sigmas[(below + 1).min(last)]);
        a * (b / a).powf(place - below as f64)
    };
    (0..points).map(|i| at(lerp(0.0, last as f64, i, points))).collect()
}

/// The angle whose tangent is the noise-to-signal ratio, evenly spaced: no other list brings Euler's
/// method nearer to a Gaussian of unit variance.
pub(super) fn kl_optimal(span: &Span<'_>) -> Vec<f64> {
    let angle = |sigma: f64| span.schedule.at_sigma(sigma).ratio().atan();
    let back = |angle: f64| span.schedule.sigma(span.schedule.at_half_log_snr(-angle.tan().ln()));
    let (noisy, clean) = (angle(span.high), angle(span.low));
    (0..span.steps).map(|i| if i == 0 { span.high } else { back(lerp(noisy, clean, i, span.steps)) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_steps_of_a_table_are_its_own_numbers() {
        for table in [SD15, SDXL, SVD] {
            let again = log_linear(&table, 11);
            assert!(again.iter().zip(table).all(|(a, b)| (a / b - 1.0).abs() < 1e-12), "{again:?}");
            let finer = log_linear(&table, 21);
            assert!((finer[1] - (table[0] * table[1]).sqrt()).abs() < 1e-9);
        }
    }

    #[test]
    fn lists_too_short_to_interpolate() {
        assert_eq!(log_linear(&[], 3), Vec::<f64>::new());
        assert_eq!(log_linear(&[2.0], 3), [2.0; 3]);
        assert_eq!(log_linear(&[4.0, 1.0], 1), [4.0]);
    }
}
