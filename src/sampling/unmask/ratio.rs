//! Between what a token is likely to be and the ratios that score-entropy networks predict (SEDD: Lou et al. 2024,
//! arXiv 2310.16834): `s(y) = p_t(x with y at this place) / p_t(x)`.

use super::canvas::Process;
use super::choice::normalise;

/// Replaces a place's log-ratios by log-weights of clean tokens. `token` stands there now, `alpha` survives.
///
/// Behind a mask, `p(y) = s(y) alpha^-1 (1 - alpha)`: exact, whatever the weights sum to. On a scrambled place the
/// ratios give the place's distribution without its own token (leave-one-out), and Bayes the clean token's; ratios
/// that no distribution has are moved to the nearest that one has.
pub fn weights_of_ratios(process: Process, token: u32, alpha: f64, values: &mut [f32]) {
    match process {
        Process::Absorbing { mask } => {
            let shift = ((1.0 - alpha) / alpha).ln() as f32;
            values.iter_mut().for_each(|v| *v += shift);
            if let Some(own) = values.get_mut(mask as usize) {
                *own = f32::NEG_INFINITY;
            }
        }
        Process::Uniform => uniform_weights(token as usize, alpha, values),
    }
}

fn uniform_weights(token: usize, alpha: f64, values: &mut [f32]) {
    let floor = (1.0 - alpha) / values.len() as f64;
    if let Some(own) = values.get_mut(token) {
        *own = 0.0;
    }
    let top = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = values.iter().map(|v| f64::from(v - top).exp()).sum();
    for (i, value) in values.iter_mut().enumerate() {
        let share = f64::from(*value - top).exp() / sum;
        let clean = ((share - floor) / alpha).max(0.0);
        *value = (clean * reach(i == token, alpha, floor)).ln() as f32;
    }
}

/// The chance that a clean token becomes the observed one: `alpha 1[same] + (1 - alpha) / K`.
fn reach(same: bool, alpha: f64, floor: f64) -> f64 {
    if same { alpha + floor } else { floor }
}

/// Takes the observation of the token itself out of a place's clean distribution (leave-one-out), and adds the noise
/// of `alpha` again: the place's distribution at that noise, given all other places.
pub(super) fn leave_one_out(token: u32, alpha: f64, probabilities: &mut [f64]) {
    let floor = (1.0 - alpha) / probabilities.len() as f64;
    if floor > 0.0 {
        let observed = |i: usize| reach(i == token as usize, alpha, floor);
        probabilities.iter_mut().enumerate().for_each(|(i, p)| *p /= observed(i));
        normalise(probabilities);
    }
    probabilities.iter_mut().for_each(|p| *p = alpha * *p + floor);
}

/// Turns a place's clean distribution into its ratios `s(y)`; `s` of the token itself is 1.
pub(super) fn ratios(process: Process, token: u32, alpha: f64, weights: &mut [f64]) {
    match process {
        Process::Absorbing { mask } => {
            weights.iter_mut().for_each(|w| *w *= alpha / (1.0 - alpha));
            if let Some(own) = weights.get_mut(mask as usize) {
                *own = 1.0;
            }
        }
        Process::Uniform => {
            leave_one_out(token, alpha, weights);
            let own = weights.get(token as usize).copied().unwrap_or(1.0);
            weights.iter_mut().for_each(|w| *w /= own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_and_back() {
        let clean = [0.5, 0.3, 0.2, 0.0];
        for (process, token) in [(Process::Absorbing { mask: 3 }, 3), (Process::Uniform, 1)] {
            for alpha in [0.1, 0.5, 0.9] {
                let mut weights = clean;
                ratios(process, token, alpha, &mut weights);
                let mut values = weights.map(|w| w.ln() as f32);
                weights_of_ratios(process, token, alpha, &mut values);
                let back = values.map(|v| f64::from(v).exp());
                let sum: f64 = back.iter().sum();
                for (b, c) in back.iter().zip(clean) {
                    assert!((b / sum - c).abs() < 1e-5, "{process:?} at {alpha}: {back:?}");
                }
            }
        }
    }

    #[test]
    fn weights_behind_a_mask_keep_their_sum() {
        let mut values = [1.0f32, 2.0, 0.5, 0.0];
        weights_of_ratios(Process::Absorbing { mask: 3 }, 3, 0.25, &mut values);
        assert!((values[0] - 1.0 - 3f32.ln()).abs() < 1e-6 && values[3] == f32::NEG_INFINITY);
    }
}
