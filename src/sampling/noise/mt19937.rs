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

    /// Fills a buffer with a function of as many words.
    pub(super) fn fill(&mut self, mut values: &mut [f32], f: impl Fn(u32) -> f32) {
        while !values.is_empty() {
            if self.index >= SIZE {
                self.twist();
            }
            let words = self.state.get(self.index..).unwrap_or_default();
            let (now, later) = values.split_at_mut(words.len().min(values.len()));
            now.iter_mut().zip(words).for_each(|(value, word)| *value = f(temper(*word)));
            self.index += now.len();
            values = later;
        }
    }

    /// In three parts, so that no index wraps inside a loop and the compiler takes several words at once.
    fn twist(&mut self) {
        let state = &mut self.state;
        for i in 0..SIZE - MIDDLE {
            state[i] = state[i + MIDDLE] ^ mixed(state[i], state[i + 1]);
        }
        for i in SIZE - MIDDLE..SIZE - 1 {
            state[i] = state[i + MIDDLE - SIZE] ^ mixed(state[i], state[i + 1]);
        }
        state[SIZE - 1] = state[MIDDLE - 1] ^ mixed(state[SIZE - 1], state[0]);
        self.index = 0;
    }
}

/// The upper bit of one word and the lower ones of the next, moved on.
fn mixed(upper: u32, lower: u32) -> u32 {
    let word = (upper & 0x8000_0000) | (lower & 0x7fff_ffff);
    (word >> 1) ^ ((word & 1).wrapping_neg() & 0x9908_b0df)
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

    #[test]
    fn filling_takes_the_words_that_single_calls_take() {
        let (mut one, mut many) = (Mt19937::new(7), Mt19937::new(7));
        for count in [1, 600, 700, 3] {
            let mut values = vec![0.0; count];
            many.fill(&mut values, |word| word as f32);
            assert!(values.iter().all(|value| *value == one.next_u32() as f32), "{count}");
        }
    }
}
