//! The random numbers of Python's `random` module, with which the paper drew its folds and samples.
//!
//! MT19937 (Matsumoto and Nishimura 1998) with the seeding and the derived draws of `CPython` 3.11. Not for other uses.

use std::collections::HashSet;
use std::ops::Range;

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// A Mersenne Twister seeded like Python's `random`.
#[derive(Debug, Clone)]
pub struct Mersenne {
    state: [u32; WORDS],
    next: usize,
}

impl Mersenne {
    /// The generator after `random.seed(seed)`.
    pub fn seeded(seed: u64) -> Self {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = seed.to_le_bytes();
        let words = [u32::from_le_bytes([b0, b1, b2, b3]), u32::from_le_bytes([b4, b5, b6, b7])];
        // Python uses as many words as the number needs, but one for zero.
        let needed = if words[1] == 0 { 1 } else { 2 };
        Self::from_key(&words[..needed])
    }

    /// The state for a key (`init_by_array` in the authors' code).
    fn from_key(key: &[u32]) -> Self {
        let mut mt = Self::from_word(19_650_218);
        let (mut at, mut from) = (1, 0);
        for _ in 0..WORDS.max(key.len()) {
            let mixed = mt.state[at] ^ mt.mixed_before(at).wrapping_mul(1_664_525);
            let position = u32::try_from(from).expect("a key has at most two words");
            mt.state[at] = mixed.wrapping_add(key[from]).wrapping_add(position);
            at = mt.step(at);
            from = (from + 1) % key.len();
        }
        for _ in 1..WORDS {
            let mixed = mt.state[at] ^ mt.mixed_before(at).wrapping_mul(1_566_083_941);
            mt.state[at] = mixed.wrapping_sub(u32::try_from(at).expect("a state has 624 words"));
            at = mt.step(at);
        }
        mt.state[0] = 0x8000_0000;
        mt
    }

    /// The state for one word (`init_genrand` in the authors' code).
    fn from_word(word: u32) -> Self {
        let mut state = [word; WORDS];
        for (at, position) in (1..WORDS).zip(1_u32..) {
            let before = state[at - 1];
            state[at] = (before ^ (before >> 30)).wrapping_mul(1_812_433_253).wrapping_add(position);
        }
        Self { state, next: WORDS }
    }

    fn mixed_before(&self, at: usize) -> u32 {
        let before = self.state[at - 1];
        before ^ (before >> 30)
    }

    /// The next position while the state is filled: 1 follows the last position, whose word is copied to position 0.
    fn step(&mut self, at: usize) -> usize {
        if at + 1 < WORDS {
            return at + 1;
        }
        self.state[0] = self.state[WORDS - 1];
        1
    }

    fn word(&mut self) -> u32 {
        if self.next == WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for at in 0..WORDS {
            let joined = (self.state[at] & 0x8000_0000) | (self.state[(at + 1) % WORDS] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[at] = self.state[(at + SHIFT) % WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// `random.getrandbits(bits)`.
    ///
    /// # Panics
    /// If `bits` is not in 1..=32.
    pub fn getrandbits(&mut self, bits: u32) -> u32 {
        assert!((1..=32).contains(&bits), "draw {bits} random bits: expected 1 to 32");
        self.word() >> (32 - bits)
    }

    /// `random.random()`: a number in 0..1 with 53 random bits.
    pub fn random(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// A uniformly distributed number in `0..below`.
    ///
    /// # Panics
    /// If `below` is 0.
    pub fn randbelow(&mut self, below: u32) -> u32 {
        assert!(below > 0, "draw a number below 0: expected at least 1");
        let bits = u32::BITS - below.leading_zeros();
        loop {
            let drawn = self.getrandbits(bits);
            if drawn < below {
                return drawn;
            }
        }
    }

    /// A random index of a list of `len` items.
    fn index(&mut self, len: usize) -> usize {
        let len = u32::try_from(len).expect("lists to draw from have under 2^32 items");
        self.randbelow(len) as usize
    }

    /// `random.shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }

    /// `random.sample(range(of), count)`: `count` different numbers of `0..of` in the order drawn.
    ///
    /// # Panics
    /// If `count` is greater than `of`.
    pub fn sample(&mut self, of: u32, count: u32) -> Vec<u32> {
        assert!(count <= of, "draw {count} different numbers from {of}: expected at most {of}");
        if u64::from(of) <= pool_limit(count) { self.sample_pool(0..of, count) } else { self.sample_set(of, count) }
    }

    fn sample_pool(&mut self, numbers: Range<u32>, count: u32) -> Vec<u32> {
        let mut pool: Vec<u32> = numbers.collect();
        let draw = |_| {
            let at = self.index(pool.len());
            pool.swap_remove(at)
        };
        (0..count).map(draw).collect()
    }

    /// `count` different numbers of `0..of` in the order drawn, of which each beginning is a sample. As long as `of` is large
    /// in relation to `count`, they are those of [`Self::sample`].
    ///
    /// # Panics
    /// If `count` is greater than `of`.
    pub fn sample_in_order(&mut self, of: u32, count: u32) -> Vec<u32> {
        assert!(count <= of, "draw {count} different numbers from {of}: expected at most {of}");
        self.sample_set(of, count)
    }

    fn sample_set(&mut self, of: u32, count: u32) -> Vec<u32> {
        let mut seen = HashSet::new();
        let mut drawn = Vec::new();
        while seen.len() < count as usize {
            let number = self.randbelow(of);
            if seen.insert(number) {
                drawn.push(number);
            }
        }
        drawn
    }
}

/// The largest population that `sample` copies into a pool. For larger ones a set of the draws takes less memory.
///
/// Python rounds up the logarithm of `3 * count` to the base 4; here a loop computes that power of 4.
fn pool_limit(count: u32) -> u64 {
    let small_set = 21;
    if count <= 5 {
        return small_set;
    }
    let mut power = 1_u64;
    while power < 3 * u64::from(count) {
        power *= 4;
    }
    small_set + power
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// What `CPython` 3.11 gives for `random.seed(seed)` and `random.getrandbits(32)`.
    #[test]
    fn seeds_of_every_length_give_pythons_numbers() {
        let seeds = [
            (0, 3_626_764_237),
            (1, 577_090_037),
            (42, 2_746_317_213),
            (u64::from(u32::MAX), 2_728_839_433),
            (1 << 32, 485_306_839),
            (u64::MAX, 93_740_670),
        ];
        for (seed, expected) in seeds {
            assert_eq!(Mersenne::seeded(seed).getrandbits(32), expected, "seed {seed}");
        }
    }

    #[test]
    fn pool_or_set_is_chosen_as_in_python() {
        #[derive(Deserialize)]
        struct Branch {
            n: u64,
            k: u32,
            setsize: u64,
            #[serde(rename = "branch")]
            chosen: String,
        }
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/golden.json")).expect("golden.json is JSON");
        let branches: Vec<Branch> =
            serde_json::from_value(golden["sample_algorithm"]["branches"].clone()).expect("a list of branches");
        assert!(branches.len() > 10);
        for Branch { n, k, setsize, chosen } in branches {
            let limit = pool_limit(k);
            assert_eq!(limit, setsize, "{k} of {n}");
            assert_eq!(if n <= limit { "pool" } else { "set" }, chosen, "{k} of {n}");
        }
    }

    #[test]
    fn a_sample_of_everything_is_a_permutation() {
        let mut drawn = Mersenne::seeded(1).sample(500, 500);
        drawn.sort_unstable();
        assert!(drawn.iter().copied().eq(0..500));
    }

    #[test]
    fn nothing_can_be_drawn_from_nothing() {
        assert!(Mersenne::seeded(1).sample(0, 0).is_empty());
        Mersenne::seeded(1).shuffle::<u8>(&mut []);
    }
}
