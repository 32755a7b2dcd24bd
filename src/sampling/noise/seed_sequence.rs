//! NumPy's way from a seed to the state of a generator (`numpy.random.SeedSequence`, after
//! O'Neill's `seed_seq_fe`).

/// A pool of hashed words that states are drawn from.
#[derive(Clone, Debug)]
pub(super) struct SeedSequence {
    pool: Vec<u32>,
}

impl SeedSequence {
    /// `SeedSequence(entropy, spawn_key=spawned, pool_size=size)`.
    pub(super) fn new(entropy: u64, spawned: &[u64], size: usize) -> Self {
        let mut words = words(entropy);
        if !spawned.is_empty() {
            words.resize(size.max(words.len()), 0);
            words.extend(spawned.iter().flat_map(|key| self::words(*key)));
        }
        let mut hash = Hash { constant: 0x43b0_d7e5, multiplier: 0x931e_8875 };
        let mut pool: Vec<u32> = (0..size).map(|i| hash.digest(words.get(i).copied().unwrap_or(0))).collect();
        for from in 0..size {
            for to in (0..size).filter(|to| *to != from) {
                pool[to] = mix(pool[to], hash.digest(pool[from]));
            }
        }
        for word in words.iter().skip(size) {
            pool.iter_mut().for_each(|mixed| *mixed = mix(*mixed, hash.digest(*word)));
        }
        Self { pool }
    }

    /// `generate_state(...)`: as many 32-bit words as are taken.
    pub(super) fn state(&self) -> impl Iterator<Item = u32> {
        let mut hash = Hash { constant: 0x8b51_f9dd, multiplier: 0x58f3_8ded };
        self.pool.iter().cycle().map(move |word| hash.digest(*word))
    }
}

/// The words of a number, the low one first; at least one.
fn words(number: u64) -> Vec<u32> {
    let (low, high) = (number as u32, (number >> 32) as u32);
    if high == 0 { vec![low] } else { vec![low, high] }
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
