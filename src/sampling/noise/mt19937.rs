//! The Mersenne Twister (Matsumoto and Nishimura 1998), 32-bit.

const SIZE: usize = 624;
const MIDDLE: usize = 397;

/// Generator state.
#[derive(Clone, Debug)]
pub(super) struct Mt19937 {
    state: [u32; SIZE],
    index: usize,
}

impl Mt19937 {
    /// Seeds with 32 bits, as `init_genrand`.
    pub(super) fn new(seed: u32) -> Self {
        let mut state = [seed; SIZE];
        let mut previous = seed;
        for (i, word) in (0u32..).zip(&mut state).skip(1) {
            previous = 1_812_433_253u32.wrapping_mul(previous ^ (previous >> 30)).wrapping_add(i);
            *word = previous;
        }
        Self { state, index: SIZE }
    }

    /// The next 32 random bits.
    pub(super) fn next_u32(&mut self) -> u32 {
        if self.index >= SIZE {
            self.twist();
        }
        let word = self.state.get(self.index).copied().unwrap_or_default();
        self.index += 1;
        temper(word)
    }

    /// The next 64 random bits, the high half first.
    pub(super) fn next_u64(&mut self) -> u64 {
        let (high, low) = (self.next_u32(), self.next_u32());
        u64::from(high) << 32 | u64::from(low)
    }

    fn twist(&mut self) {
        for i in 0..SIZE {
            let upper = self.state[i] & 0x8000_0000;
            let word = upper | (self.state[(i + 1) % SIZE] & 0x7fff_ffff);
            let mix = if word & 1 == 0 { 0 } else { 0x9908_b0df };
            self.state[i] = self.state[(i + MIDDLE) % SIZE] ^ (word >> 1) ^ mix;
        }
        self.index = 0;
    }
}

fn temper(mut word: u32) -> u32 {
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c_5680;
    word ^= (word << 15) & 0xefc6_0000;
    word ^ (word >> 18)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_ten_thousandth_word_of_the_reference() {
        let mut twister = Mt19937::new(5489);
        assert_eq!(twister.next_u32(), 3_499_211_612);
        let last = (1..10_000).map(|_| twister.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }
}
