//! A cosine similarity as prompts show it.

use std::fmt;

/// A cosine similarity with four decimals, as prompts show it.
///
/// Rounds and writes like Python's `f"{value:.4f}"`: to the nearest, exact halves to the even digit, and a negative value
/// that rounds to zero as `-0.0000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Similarity {
    is_negative: bool,
    /// The absolute value.
    ten_thousandths: u16,
}

/// One, in ten-thousandths.
const ONE: u16 = 10_000;

impl Similarity {
    /// The similarity as shown. Values outside -1 to 1, which rounding errors cause, become -1 or 1.
    pub fn of(similarity: f64) -> Self {
        // Not by arithmetic: a product with 10,000 may round an exact half differently.
        let digits: String = format!("{:.4}", similarity.abs()).chars().filter(char::is_ascii_digit).collect();
        let ten_thousandths = digits.parse().unwrap_or(ONE).min(ONE);
        Self { is_negative: similarity.is_sign_negative(), ten_thousandths }
    }

    /// The number that stands for it in packed data: ten-thousandths, and for negative values the bitwise complement of
    /// their absolute value, so that `-0.0000` stays what it is.
    pub const fn packed(self) -> i16 {
        let value = self.ten_thousandths.cast_signed();
        if self.is_negative { !value } else { value }
    }

    /// The similarity for which a number stands, if it stands for one.
    pub fn from_packed(number: i32) -> Option<Self> {
        let is_negative = number < 0;
        let absolute = if is_negative { !number } else { number };
        let ten_thousandths = u16::try_from(absolute).ok().filter(|&value| value <= ONE)?;
        Some(Self { is_negative, ten_thousandths })
    }
}

impl fmt::Display for Similarity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, value) = (if self.is_negative { "-" } else { "" }, self.ten_thousandths);
        write!(f, "{sign}{}.{:04}", value / ONE, value % ONE)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Expected are what Python's `f"{value:.4f}"` gives.
    #[test]
    fn values_are_rounded_and_written_as_python_does() {
        let check = |value: f64, expected: &str| assert_eq!(Similarity::of(value).to_string(), expected, "{value}");
        check(0.812_36, "0.8124");
        check(0.5, "0.5000");
        check(0.031_25, "0.0312");
        check(0.093_75, "0.0938");
        check(-0.031_25, "-0.0312");
        check(-0.000_04, "-0.0000");
        check(-0.0, "-0.0000");
        check(0.0, "0.0000");
        check(0.999_95, "1.0000");
        check(0.999_951, "1.0000");
        check(1.000_000_000_000_000_2, "1.0000");
        check(-1.0, "-1.0000");
    }

    #[test]
    fn numbers_that_stand_for_no_similarity_are_refused() {
        assert_eq!(Similarity::from_packed(10_001), None);
        assert_eq!(Similarity::from_packed(-10_002), None);
        assert_eq!(Similarity::from_packed(-10_001), Some(Similarity::of(-1.0)));
        assert_eq!(Similarity::from_packed(i32::MIN), None);
    }

    proptest! {
        #[test]
        fn packed_values_are_shown_the_same(value in -1.0_f64..=1.0) {
            let similarity = Similarity::of(value);
            prop_assert_eq!(similarity.to_string(), format!("{value:.4}"));
            prop_assert_eq!(Similarity::from_packed(similarity.packed().into()), Some(similarity));
        }
    }
}
