//! PyTorch's CPU generator: the same seed gives the same numbers as a Python deployment.
//!
//! Facts from ATen (`CPUGeneratorImpl`, `cpu/DistributionTemplates.h`): draws of 16 and more
//! numbers fill the buffer with uniforms and transform blocks of 16 by Box-Muller; smaller draws
//! use a scalar path in f64 that keeps every second number for later.

use super::mt19937::Mt19937;

/// `torch.Generator("cpu")`.
#[derive(Clone, Debug)]
pub(super) struct Generator {
    twister: Mt19937,
    /// The second number of the scalar path's last pair.
    spare: Option<f64>,
}

const BLOCK: usize = 16;

impl Generator {
    /// `manual_seed(seed)`: the Mersenne Twister takes the low 32 bits.
    pub(super) fn new(seed: u64) -> Self {
        Self { twister: Mt19937::new((seed & 0xffff_ffff) as u32), spare: None }
    }

    /// `torch.randn` into a contiguous f32 buffer.
    pub(super) fn fill_normal(&mut self, values: &mut [f32]) {
        if values.len() < BLOCK {
            return values.iter_mut().for_each(|v| *v = self.scalar_normal() as f32);
        }
        self.twister.fill(values, uniform);
        let (blocks, rest) = values.as_chunks_mut::<BLOCK>();
        box_muller(blocks);
        if !rest.is_empty() {
            self.redo_tail(values);
        }
    }

    /// A size that is no multiple of 16 draws its last 16 numbers anew.
    fn redo_tail(&mut self, values: &mut [f32]) {
        let mut tail = [[0.0f32; BLOCK]];
        self.twister.fill(tail.as_flattened_mut(), uniform);
        box_muller(&mut tail);
        let start = values.len() - BLOCK;
        if let Some(end) = values.get_mut(start..) {
            end.copy_from_slice(tail.as_flattened());
        }
    }

    /// 53 random bits as a fraction.
    pub(super) fn uniform_f64(&mut self) -> f64 {
        (self.twister.next_u64() & ((1 << 53) - 1)) as f64 / (1u64 << 53) as f64
    }

    fn scalar_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let (u1, u2) = (self.uniform_f64(), self.uniform_f64());
        let radius = (-2.0 * (-u2).ln_1p()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * u1;
        self.spare = Some(radius * angle.sin());
        radius * angle.cos()
    }
}

/// 24 random bits as a fraction.
fn uniform(word: u32) -> f32 {
    (word & 0x00ff_ffff) as f32 / 16_777_216.0
}

/// Turns blocks of uniforms into normal numbers.
///
/// A fused multiply-add is one correctly rounded operation everywhere; but where the build may not assume that the
/// processor has it, every single one is a call of the mathematics library. So it is asked for at run time.
fn box_muller(blocks: &mut [[f32; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
        #[allow(unsafe_code, reason = "what the processor has is not known to the compiler")]
        // SAFETY: the processor was just asked for the features.
        return unsafe { box_muller_fused(blocks) };
    }
    for block in blocks {
        transform(block);
    }
}

/// The same code, compiled for processors that fuse. Loops, for a closure would be compiled for any.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn box_muller_fused(blocks: &mut [[f32; BLOCK]]) {
    for block in blocks {
        transform(block);
    }
}

/// Turns 8 pairs of uniforms (`i` and `i + 8`) into 16 normal numbers.
#[inline(always)]
fn transform(block: &mut [f32; BLOCK]) {
    let (first, second) = block.split_at_mut(BLOCK / 2);
    for (a, b) in first.iter_mut().zip(second) {
        let radius = (-2.0 * ln(1.0 - *a)).sqrt();
        let (sin, cos) = sin_cos(2.0 * std::f32::consts::PI * *b);
        // Adding zero leaves no negative zero, as scaling by deviation and mean does in torch.
        (*a, *b) = (radius * cos + 0.0, radius * sin + 0.0);
    }
}

#[allow(clippy::excessive_precision, reason = "Cephes' own digits can be compared with its source")]
/// Natural logarithm of a normal number in `(0, 1]`: Cephes' polynomial with the roundings of
/// torch's AVX2 kernel, which every current x86 deployment runs. Portable to any CPU.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const TAIL: [f32; 8] = [
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    ];
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 126;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let below = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = exponent as f32 - f32::from(u8::from(below));
    let x = (mantissa - 1.0) + if below { mantissa } else { 0.0 };
    let square = x * x;
    let mut y = 7.0376836292e-2f32;
    for c in TAIL {
        y = y.mul_add(x, c);
    }
    let y = (y * x).mul_add(square, exponent * -2.12194440e-4);
    let y = (-square).mul_add(0.5, y);
    exponent.mul_add(0.693359375, x + y)
}

#[allow(clippy::excessive_precision, reason = "Cephes' own digits can be compared with its source")]
/// Sine and cosine of an angle in `[0, 2 pi)`, like [`ln`] Cephes' with torch's roundings.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    let octant = ((x * 1.27323954473516) as i32 + 1) & !1;
    let turns = octant as f32;
    let mut x = x;
    for part in [-0.78515625f32, -2.4187564849853515625e-4, -3.77489497744594108e-8] {
        x = turns.mul_add(part, x);
    }
    let z = x * x;
    let c = 2.443315711809948e-5f32.mul_add(z, -1.388731625493765e-3).mul_add(z, 4.166664568298827e-2) * z;
    let c = c.mul_add(z, -(z * 0.5)) + 1.0;
    let s = (-1.9515295891e-4f32).mul_add(z, 8.3321608736e-3).mul_add(z, -1.6666654611e-1) * z;
    let s = s.mul_add(x, x);
    let (sin, cos) = if octant & 2 == 0 { (s, c) } else { (c, s) };
    let sin = if octant & 4 == 0 { sin } else { -sin };
    let cos = if (octant - 2) & 4 == 0 { -cos } else { cos };
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many draws, with and without the processor's own multiply-add.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn both_ways_give_the_same_bits() {
        let mut twister = Mt19937::new(3);
        let mut fused = vec![[0.0; BLOCK]; 20_000];
        twister.fill(fused.as_flattened_mut(), uniform);
        let mut plain = fused.clone();
        box_muller(&mut fused);
        plain.iter_mut().for_each(transform);
        let bits = |blocks: &[[f32; BLOCK]]| blocks.as_flattened().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&fused), bits(&plain));
    }
}
