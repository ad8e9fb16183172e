//! Random numbers by name: every draw is a hash of who it is for and what it is for, so order never matters.

use crate::traits::normal;

/// How many steps the table of normal deviates has.
const NORMAL_STEPS: u32 = 4096;
/// The key of what is the same for every seed.
const WORLD: u64 = 0x0077_7673_2d77_6f72;

/// Where the draws of one respondent, or of one country, come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chance(u64);

/// What a draw is for. Each variant has draws of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    /// A trait.
    Trait(usize),
    /// The own part of an answer.
    Answer(usize),
    /// Whether, and how, an answer is missing.
    Gap(usize),
    /// How careless with answering somebody is.
    Carelessness,
    /// A fact of the respondent's life.
    Life(Life),
    /// The value of a column that is not a question.
    Column(usize),
}

/// A fact of a respondent's life that is drawn apart from the traits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Life {
    /// Whether this year's birthday is still to come.
    Birthday,
    /// Which religion.
    Denomination,
    /// Whether an immigrant's mother is one too.
    MotherMoved,
    /// Whether an immigrant's father is one too.
    FatherMoved,
    /// From where the family came.
    Origin,
    /// How many children.
    Children,
    /// How many others live in the household.
    Household,
    /// Which language at home.
    Language,
    /// Which party.
    Party,
    /// Which ethnic group.
    Group,
}

impl Draw {
    /// A number of its own for each draw.
    const fn stream(self) -> u64 {
        let (kind, at) = match self {
            Self::Trait(at) => (1, at),
            Self::Answer(at) => (2, at),
            Self::Gap(at) => (3, at),
            Self::Carelessness => (4, 0),
            Self::Life(fact) => (5, fact as usize),
            Self::Column(at) => (6, at),
        };
        kind << 32 | at as u64
    }
}

impl Chance {
    /// The draws of the respondent in 0-based row `row` of the survey with this seed.
    pub(super) const fn of_row(seed: u64, row: u32) -> Self {
        Self(mix(mix(seed) ^ row as u64))
    }

    /// The draws of a country, the same for every seed.
    pub(super) const fn of_country(code: u16) -> Self {
        Self(mix(mix(WORLD) ^ code as u64))
    }

    /// 64 random bits.
    pub(super) const fn bits(self, draw: Draw) -> u64 {
        mix(self.0 ^ mix(draw.stream()))
    }

    /// A number from 0 up to 1.
    pub(super) fn share(self, draw: Draw) -> f64 {
        f64::from(upper_half(self.bits(draw))) / (f64::from(u32::MAX) + 1.0)
    }

    /// A whole number below `bound`, which is at most 2^32.
    pub(super) const fn below(self, draw: Draw, bound: u32) -> u32 {
        // The product of two numbers below 2^32 has less than 2^32 in its upper half.
        upper_half(upper_half(self.bits(draw)) as u64 * bound as u64)
    }

    /// How many trials in a row succeed, each with probability `share`.
    pub(super) fn streak(self, draw: Draw, share: f64) -> i32 {
        let luck = (1.0 - self.share(draw)).ln() / share.ln();
        whole(luck)
    }
}

/// Standard normal deviates, looked up: as exact as a synthetic survey needs, at a tenth of the time.
#[derive(Debug)]
pub(super) struct Normals(Vec<f32>);

impl Normals {
    /// Fills the table.
    pub(super) fn new() -> Self {
        let middle = |step: u32| (f64::from(step) + 0.5) / f64::from(NORMAL_STEPS);
        Self((0..NORMAL_STEPS).map(|step| single(normal::quantile(middle(step)))).collect())
    }

    /// A standard normal deviate.
    pub(super) fn draw(&self, chance: Chance, draw: Draw) -> f32 {
        self.0[upper_half(chance.bits(draw)) as usize >> (32 - NORMAL_STEPS.ilog2())]
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
        let one = Chance::of_row(1, 1).bits(Draw::Answer(1));
        assert_eq!(one, Chance::of_row(1, 1).bits(Draw::Answer(1)));
        for other in [
            Chance::of_row(2, 1).bits(Draw::Answer(1)),
            Chance::of_row(1, 2).bits(Draw::Answer(1)),
            Chance::of_row(1, 1).bits(Draw::Answer(2)),
            Chance::of_row(1, 1).bits(Draw::Gap(1)),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn normal_draws_have_mean_0_and_variance_1() {
        let normals = Normals::new();
        let draws: Vec<f64> =
            (0..20_000).map(|row| f64::from(normals.draw(Chance::of_row(7, row), Draw::Carelessness))).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|draw| draw * draw).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{mean} {variance}");
    }

    #[test]
    fn whole_numbers_stay_below_their_bound() {
        let drawn: Vec<_> = (0..1000).map(|row| Chance::of_row(3, row).below(Draw::Column(0), 5)).collect();
        assert!((0..5).all(|value| drawn.contains(&value)) && drawn.iter().all(|&value| value < 5));
    }
}
