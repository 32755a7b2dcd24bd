//! PCG64 (O'Neill 2014; XSL-RR on 128 bits), seeded as NumPy seeds it.

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
        let [a, b, c, d] = spread(seed);
        let wide = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
        let mut generator = Self { state: 0, increment: wide(c, d) << 1 | 1 };
        generator.step();
        generator.state = generator.state.wrapping_add(wide(a, b));
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

/// `SeedSequence(seed).generate_state(4, uint64)` (NumPy's design after O'Neill's `seed_seq_fe`).
fn spread(seed: u64) -> [u64; 4] {
    let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
    let mut pool = [seed as u32, (seed >> 32) as u32, 0, 0].map(|word| hash.digest(word));
    for from in 0..pool.len() {
        for to in (0..pool.len()).filter(|to| *to != from) {
            pool[to] = mix(pool[to], hash.digest(pool[from]));
        }
    }
    let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
    [0, 2, 0, 2].map(|i| {
        let (low, high) = (hash.digest(pool[i]), hash.digest(pool[i + 1]));
        u64::from(high) << 32 | u64::from(low)
    })
}

struct Hash {
    constant: u32,
    multiplier: u32,
}

impl Hash {
    fn digest(&mut self, word: u32) -> u32 {
        let word = word ^ self.constant;
        self.constant = self.constant.wrapping_mul(self.multiplier);
        fold(word.wrapping_mul(self.constant))
    }
}

fn mix(a: u32, b: u32) -> u32 {
    fold(a.wrapping_mul(0xca01_f9dd).wrapping_sub(b.wrapping_mul(0x4973_f715)))
}

fn fold(word: u32) -> u32 {
    word ^ (word >> 16)
}
