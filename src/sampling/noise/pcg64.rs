//! PCG64 (O'Neill 2014; XSL-RR on 128 bits), seeded as NumPy seeds it.

use super::seed_sequence::SeedSequence;

const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;

/// `numpy.random.PCG64(seed)`.
#[derive(Clone, Debug)]
pub(super) struct Pcg64 {
    state: u128,
    increment: u128,
}

impl Pcg64 {
    /// Seeds through NumPy's `SeedSequence`.
    pub(super) fn new(seed: u64) -> Self {
        let sequence = SeedSequence::new(seed, &[], 4);
        let mut state = sequence.state();
        let (start, increment) = (wide(&mut state), wide(&mut state));
        let mut generator = Self { state: 0, increment: increment << 1 | 1 };
        generator.step();
        generator.state = generator.state.wrapping_add(start);
        generator.step();
        generator
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    /// The next 64 random bits.
    pub(super) fn next_u64(&mut self) -> u64 {
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        folded.rotate_right((self.state >> 122) as u32)
    }

    /// 53 random bits as a fraction.
    pub(super) fn double(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// 128 bits: two 64-bit words, the high one first, of two 32-bit words each, the low one first.
fn wide(words: &mut impl Iterator<Item = u32>) -> u128 {
    let [a, b, c, d] = std::array::from_fn(|_| u128::from(words.next().unwrap_or_default()));
    b << 96 | a << 64 | d << 32 | c
}
