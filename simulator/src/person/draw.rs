//! Chance that is not chance: numbers that follow from a prompt's digest, the seed and what they are drawn for.

/// What a number is drawn for: each purpose has draws of its own, so that no fault changes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// How a person reads the odds of a question.
    Answer = 1,
    /// How a backstory is put together.
    Story = 2,
    /// Whether a call fails.
    Fault = 3,
    /// Whether a reply is spoilt.
    Spoil = 4,
    /// How long a reply takes.
    Latency = 5,
    /// Whether a prompt is rejected.
    Rejection = 6,
}

/// A stream of numbers (splitmix64: Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The stream for one purpose; `attempt` tells the tries of one prompt apart.
    pub(crate) fn new(digest: u128, seed: u64, purpose: Purpose, attempt: u64) -> Self {
        let [low, high] = halves(digest);
        let mut state = mix(low ^ mix(high ^ mix(seed)));
        state = mix(state ^ mix(purpose as u64 ^ attempt.rotate_left(32)));
        Self(state)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        mix(self.0)
    }

    /// A number from 0 up to, but not including, 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A whole number below `bound`, which is not zero; the bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).expect("a remainder of a usize fits one")
    }
}

/// A digest as two words, the low one first.
#[expect(clippy::cast_possible_truncation, reason = "the other half is the other word")]
pub(crate) const fn halves(digest: u128) -> [u64; 2] {
    [digest as u64, (digest >> 64) as u64]
}

/// The increment of splitmix64: 2^64 over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of splitmix64.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_attempts_draw_apart() {
        let first = |purpose, attempt| Draw::new(7, 42, purpose, attempt).bits();
        assert_eq!(first(Purpose::Fault, 1), first(Purpose::Fault, 1));
        assert_ne!(first(Purpose::Fault, 1), first(Purpose::Fault, 2));
        assert_ne!(first(Purpose::Fault, 1), first(Purpose::Spoil, 1));
    }

    #[test]
    fn draws_have_the_moments_they_should() {
        let mut draw = Draw::new(1, 2, Purpose::Answer, 0);
        let normals: Vec<f64> = (0..20_000).map(|_| draw.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&draw.uniform())));
    }
}
