//! Deterministic random numbers, derived from a prompt's digest, the seed and the purpose of the draw.

/// What a number is drawn for. Each purpose has its own stream, so faults do not change answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(crate) enum Purpose {
    /// The noise in the odds of an answer.
    Answer = 1,
    /// The wording of a backstory.
    Story = 2,
    /// Whether a call fails.
    Fault = 3,
    /// Whether a reply has a defect.
    Defect = 4,
    /// How long a reply takes.
    Latency = 5,
    /// Whether a prompt is rejected.
    Rejection = 6,
    /// How long a reply is.
    Length = 7,
}

/// A random number generator (splitmix64: Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    /// The generator for one purpose; `attempt` distinguishes attempts at the same prompt.
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

    /// A number in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A standard normal deviate (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A whole number below `bound`, which must not be zero. The modulo bias does not matter here.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.bits() % bound as u64).expect("a remainder of a usize fits one")
    }
}

/// A digest as two words, the low one first.
#[expect(clippy::cast_possible_truncation, reason = "the upper half becomes the second word")]
pub(crate) const fn halves(digest: u128) -> [u64; 2] {
    [digest as u64, (digest >> 64) as u64]
}

/// The increment of splitmix64: 2^64 divided by the golden ratio.
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
    fn purposes_and_attempts_have_separate_streams() {
        let first = |purpose, attempt| Rng::new(7, 42, purpose, attempt).bits();
        assert_eq!(first(Purpose::Fault, 1), first(Purpose::Fault, 1));
        assert_ne!(first(Purpose::Fault, 1), first(Purpose::Fault, 2));
        assert_ne!(first(Purpose::Fault, 1), first(Purpose::Defect, 1));
    }

    #[test]
    fn normal_draws_have_mean_0_and_variance_1_and_uniform_draws_stay_in_range() {
        let mut rng = Rng::new(1, 2, Purpose::Answer, 0);
        let normals: Vec<f64> = (0..20_000).map(|_| rng.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 20_000.0;
        let variance = normals.iter().map(|x| x * x).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
        assert!((0..1000).all(|_| (0.0..1.0).contains(&rng.uniform())));
    }
}
