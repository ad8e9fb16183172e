//! Accumulates the mean and the variance of numbers that may be taken out again: scores of people that still change.

use super::double_double::DoubleDouble;
use super::moments::Moments;

/// Running sums of numbers that are not kept. The order in which numbers come and go does not matter: the sums have twice
/// the digits of the numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct RevocableMoments {
    count: u64,
    /// How many of the numbers are neither 0 nor 1.
    fractions: u64,
    sum: DoubleDouble,
    squares: DoubleDouble,
}

impl RevocableMoments {
    /// Adds a number.
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        self.fractions += u64::from(is_fraction(value));
        self.sum = self.sum.plus(DoubleDouble::of(value));
        self.squares = self.squares.plus(DoubleDouble::product(value, value));
    }

    /// Takes out a number that was added before.
    pub(crate) fn remove(&mut self, value: f64) {
        self.count = self.count.saturating_sub(1);
        self.fractions = self.fractions.saturating_sub(u64::from(is_fraction(value)));
        self.sum = self.sum.minus(DoubleDouble::of(value));
        self.squares = self.squares.minus(DoubleDouble::product(value, value));
    }

    /// The moments of the numbers that are in.
    pub(crate) fn moments(&self) -> Moments {
        if self.count == 0 {
            return Moments::default();
        }
        let mean = self.sum.over(self.count as f64);
        let squares = self.squares.minus(self.sum.times(mean)).high;
        Moments::from_sums(self.count, mean.high, squares.max(0.0), self.fractions > 0)
    }
}

fn is_fraction(value: f64) -> bool {
    ![0.0, 1.0].contains(&value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{Bounds, Population, Sample};

    /// A person's score: so many right of so many.
    fn score() -> impl Strategy<Value = f64> {
        (1_u32..=290, 0_u32..=290).prop_map(|(counted, right)| f64::from(right.min(counted)) / f64::from(counted))
    }

    fn close(found: Option<f64>, expected: Option<f64>) -> bool {
        match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() <= 1e-12 * expected.abs(),
            (found, expected) => found == expected,
        }
    }

    /// The sums of some numbers and others that went again.
    fn sums(stay: &[f64], go: &[f64]) -> RevocableMoments {
        let mut sums = RevocableMoments::default();
        for &value in go.iter().chain(stay) {
            sums.add(value);
        }
        for &value in go.iter().rev() {
            sums.remove(value);
        }
        sums
    }

    proptest! {
        #[test]
        fn what_comes_and_goes_leaves_the_moments_of_what_stays(
            stay in prop::collection::vec(score(), 0..60), go in prop::collection::vec(prop_oneof![score(), 0.0..1e3], 0..60),
        ) {
            let (found, expected) = (sums(&stay, &go).moments(), Moments::of(&stay));
            prop_assert_eq!(found.count(), expected.count());
            prop_assert!(close(found.mean(), expected.mean()), "{:?} is not {:?}", found, expected);
            prop_assert!(close(found.variance(), expected.variance()), "{:?} is not {:?}", found, expected);
        }

        #[test]
        fn people_of_the_same_score_have_no_spread(
            value in score(), people in 1_usize..2000, go in prop::collection::vec(score(), 0..9),
        ) {
            let stay = vec![value; people];
            let sample = Sample { people: people as u64, population: Population::Unlimited };
            let of_all = |moments: Moments| moments.estimate(sample, Bounds::SHARE).map(|estimate| estimate.uncertainty);
            prop_assert_eq!(of_all(sums(&stay, &go).moments()), of_all(Moments::of(&stay)));
        }
    }
}
