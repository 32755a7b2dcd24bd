//! Philox4x32-10 (Salmon et al. 2011), and PyTorch's CUDA generator on top of it.
//!
//! CUDA's normals as A1111 ("NV" noise source) and stable-diffusion.cpp (`--rng cuda`) know them:
//! element `i` of draw `k` is the first Box-Muller number of the block at counter `(k, 0, i, 0)`.
//! A real GPU does just that while a draw has at most as many numbers as the GPU runs threads at
//! once: 40 960 on a T4, 221 184 on an A100. Larger draws depend on the GPU's model there, not here.
//! CUDA's fast sine and logarithm differ from these by about 1e-6. Checked against Random123's known
//! answers and three draws that a GPU printed; larger draws were not compared with one.

use std::f32::consts::TAU;

/// A block of four random words: a function of a counter and a key.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        counter = round(counter, key);
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

fn round([a, b, c, d]: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let (p, q) = (u64::from(a) * 0xd251_1f53, u64::from(c) * 0xcd9e_8d57);
    [(q >> 32) as u32 ^ b ^ key[0], q as u32, (p >> 32) as u32 ^ d ^ key[1], p as u32]
}

/// The two halves of a 64-bit word, the low one first.
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// `torch.Generator("cuda")`.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    key: [u32; 2],
    /// Number of draws so far; each moves the counter on by one block.
    draws: u64,
}

impl Generator {
    /// `manual_seed(seed)`.
    pub(super) fn new(seed: u64) -> Self {
        Self { key: halves(seed), draws: 0 }
    }

    /// `torch.randn(..., device="cuda")` into a contiguous f32 buffer.
    pub(super) fn fill_normal(&mut self, values: &mut [f32]) {
        for (value, i) in values.iter_mut().zip(0u64..) {
            let [x, y, ..] = self.block(i);
            *value = normal(x, y);
        }
        self.draws += 1;
    }

    /// 53 bits of each element's block; not compared with a GPU.
    pub(super) fn fill_uniform(&mut self, values: &mut [f64]) {
        for (value, i) in values.iter_mut().zip(0u64..) {
            let [x, y, ..] = self.block(i);
            let bits = (u64::from(x) | u64::from(y) << 32) >> 11;
            *value = bits as f64 / (1u64 << 53) as f64;
        }
        self.draws += 1;
    }

    fn block(&self, thread: u64) -> [u32; 4] {
        let ([a, b], [c, d]) = (halves(self.draws), halves(thread));
        philox([a, b, c, d], self.key)
    }
}

/// The first of a Box-Muller pair with cuRAND's roundings of the uniforms.
fn normal(x: u32, y: u32) -> f32 {
    const STEP: f32 = 1.0 / 4_294_967_296.0;
    let radius = (x as f32).mul_add(STEP, STEP / 2.0);
    let angle = (y as f32).mul_add(STEP * TAU, STEP * TAU / 2.0);
    // In f64, so that every platform's mathematics library rounds to the same f32.
    ((-2.0 * f64::from(radius).ln()).sqrt() * f64::from(angle).sin()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers_of_random123() {
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ];
        for (counter, key, want) in cases {
            assert_eq!(philox(counter, key), want);
        }
    }
}
