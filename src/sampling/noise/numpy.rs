//! NumPy's legacy generator, which diffusers' ONNX pipelines of old draw their latents from.

use super::mt19937::Mt19937;

/// `numpy.random.RandomState(seed)`.
#[derive(Clone, Debug)]
pub(super) struct RandomState {
    twister: Mt19937,
    /// The second number of the last pair.
    spare: Option<f64>,
}

impl RandomState {
    /// Takes the low 32 bits of the seed; NumPy refuses larger ones.
    pub(super) fn new(seed: u64) -> Self {
        Self { twister: Mt19937::new((seed & 0xffff_ffff) as u32), spare: None }
    }

    /// `randn` by Marsaglia's polar method, the second number of a pair first.
    pub(super) fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        loop {
            let (a, b) = (2.0 * self.double() - 1.0, 2.0 * self.double() - 1.0);
            let square = a * a + b * b;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.spare = Some(a * factor);
                return b * factor;
            }
        }
    }

    /// 53 random bits from two words.
    pub(super) fn double(&mut self) -> f64 {
        let (high, low) = (self.twister.next_u32() >> 5, self.twister.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }
}
