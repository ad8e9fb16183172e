//! Keyed random numbers: each draw is a hash of its owner and its purpose, so the order of draws does not matter.

use crate::traits::normal;

/// The size of the table of normal deviates.
const NORMAL_STEPS: u32 = 4096;
/// The key of the countries, which are the same for every seed.
const COUNTRIES_KEY: u64 = 0x0077_7673_2d77_6f72;

/// The random numbers of one respondent or one country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyedRng(u64);

/// The purpose of a draw. Each purpose has its own number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    /// A trait.
    Trait(usize),
    /// The residual of an answer's leaning.
    Answer(usize),
    /// Whether and why an answer is missing.
    Missing(usize),
    /// How often a person does not answer.
    Nonresponse,
    /// A fact of the respondent's life.
    Life(LifeFact),
    /// The value of a column that is not a question.
    Column(usize),
}

/// A fact of a respondent's life that does not depend on traits alone.
#[derive(Debug, Clone, Copy)]
pub(super) enum LifeFact {
    /// Whether this year's birthday is still to come.
    Birthday,
    /// The religion.
    Denomination,
    /// Whether an immigrant's mother immigrated too.
    MotherMoved,
    /// Whether an immigrant's father immigrated too.
    FatherMoved,
    /// The family's country of origin.
    Origin,
    /// The number of children.
    Children,
    /// The number of other people in the household.
    Household,
    /// The language spoken at home.
    Language,
    /// The party.
    Party,
    /// The ethnic group.
    Group,
}

impl Draw {
    /// A unique number for each purpose.
    const fn stream(self) -> u64 {
        let (kind, at) = match self {
            Self::Trait(at) => (1, at),
            Self::Answer(at) => (2, at),
            Self::Missing(at) => (3, at),
            Self::Nonresponse => (4, 0),
            Self::Life(fact) => (5, fact as usize),
            Self::Column(at) => (6, at),
        };
        kind << 32 | at as u64
    }
}

impl KeyedRng {
    /// The random numbers of the respondent in 0-based row `row` of the survey with this seed.
    pub(super) const fn of_row(seed: u64, row: u32) -> Self {
        Self(mix(mix(seed) ^ row as u64))
    }

    /// The random numbers of a country, the same for every seed.
    pub(super) const fn of_country(code: u16) -> Self {
        Self(mix(mix(COUNTRIES_KEY) ^ code as u64))
    }

    /// 64 random bits.
    pub(super) const fn bits(self, draw: Draw) -> u64 {
        mix(self.0 ^ mix(draw.stream()))
    }

    /// A uniform number in [0, 1).
    pub(super) fn uniform(self, draw: Draw) -> f64 {
        f64::from(upper_half(self.bits(draw))) / (f64::from(u32::MAX) + 1.0)
    }

    /// A whole number below `bound`, which is at most 2^32.
    pub(super) const fn below(self, draw: Draw, bound: u32) -> u32 {
        // The product of two numbers below 2^32 has less than 2^32 in its upper half.
        upper_half(upper_half(self.bits(draw)) as u64 * bound as u64)
    }

    /// A geometric number: how many trials in a row succeed, each with probability `success`.
    pub(super) fn geometric(self, draw: Draw, success: f64) -> i32 {
        whole((1.0 - self.uniform(draw)).ln() / success.ln())
    }
}

/// A lookup table of standard normal deviates: accurate enough for a synthetic survey, and ten times faster.
#[derive(Debug)]
pub(super) struct NormalTable(Vec<f32>);

impl NormalTable {
    /// Fills the table.
    pub(super) fn new() -> Self {
        let middle = |step: u32| (f64::from(step) + 0.5) / f64::from(NORMAL_STEPS);
        Self((0..NORMAL_STEPS).map(|step| single(normal::quantile(middle(step)))).collect())
    }

    /// A standard normal deviate.
    pub(super) fn draw(&self, rng: KeyedRng, draw: Draw) -> f32 {
        self.0[upper_half(rng.bits(draw)) as usize >> (32 - NORMAL_STEPS.ilog2())]
    }
}

/// Scrambles 64 bits (the finaliser of splitmix64: Steele, Lea, Flood 2014).
const fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

const fn upper_half(bits: u64) -> u32 {
    (bits >> 32) as u32
}

/// A number in single precision, which is enough for draws.
#[expect(clippy::cast_possible_truncation, reason = "draws need no more than single precision")]
pub(super) const fn single(value: f64) -> f32 {
    value as f32
}

/// A number without its fraction.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and no value drawn here is near 2^31")]
pub(super) const fn whole(value: f64) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_row_and_purpose() {
        let one = KeyedRng::of_row(1, 1).bits(Draw::Answer(1));
        assert_eq!(one, KeyedRng::of_row(1, 1).bits(Draw::Answer(1)));
        for other in [
            KeyedRng::of_row(2, 1).bits(Draw::Answer(1)),
            KeyedRng::of_row(1, 2).bits(Draw::Answer(1)),
            KeyedRng::of_row(1, 1).bits(Draw::Answer(2)),
            KeyedRng::of_row(1, 1).bits(Draw::Missing(1)),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn normal_draws_have_mean_0_and_variance_1() {
        let normals = NormalTable::new();
        let draws: Vec<f64> =
            (0..20_000).map(|row| f64::from(normals.draw(KeyedRng::of_row(7, row), Draw::Nonresponse))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn whole_numbers_stay_below_their_bound() {
        let drawn: Vec<_> = (0..1000).map(|row| KeyedRng::of_row(3, row).below(Draw::Column(0), 5)).collect();
        assert!((0..5).all(|value| drawn.contains(&value)) && drawn.iter().all(|&value| value < 5));
    }
}
