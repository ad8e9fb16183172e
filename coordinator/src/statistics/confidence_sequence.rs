//! Intervals for a mean that may be looked at after every person, and the test that stops on them.

use super::betting::{Bettor, Capital, Round};
use super::interval::{Bounds, Interval, IntervalKind};
use super::population::Population;

/// Halvings of the range in which an end of an interval is sought: to 1e-9 of it.
const HALVINGS: u32 = 30;

/// What sums of shares may have lost to rounding.
const ROUNDING: f64 = 1e-9;

/// A value that no confidence sequence can use.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "a confidence sequence got the value {value}, expected one from {} to {}: it holds for bounded values alone",
    bounds.lower,
    bounds.upper
)]
pub struct OutOfBounds {
    value: f64,
    bounds: Bounds,
}

/// A confidence sequence for the mean of bounded values: with a chance of 1 - α, all of its intervals contain the population's
/// mean, so one may look after every person, and stop when one likes.
///
/// People must come in random order, as they were drawn: the order of the plan, not that in which cells finish. For several
/// comparisons give each `alpha` / m (Bonferroni). The values are kept, 32 bytes each.
#[derive(Debug, Clone)]
pub struct ConfidenceSequence {
    alpha: f64,
    bounds: Bounds,
    bettor: Bettor,
    rounds: Vec<(Round, f64)>,
}

impl ConfidenceSequence {
    /// A sequence without values. `bounds` must be finite; `population` is that from which people are drawn without
    /// replacement.
    pub fn new(population: Population, bounds: Bounds, alpha: f64) -> Self {
        Self { alpha, bounds, bettor: Bettor::new(population, alpha), rounds: Vec::new() }
    }

    /// Adds the next person's value.
    pub fn add(&mut self, value: f64) -> Result<(), OutOfBounds> {
        let share = share(value, self.bounds)?;
        self.rounds.push((self.bettor.round(), share));
        self.bettor.add(share);
        Ok(())
    }

    /// How many values were added.
    pub fn count(&self) -> usize {
        self.rounds.len()
    }

    /// What all intervals so far have in common; never wider than before. Takes time in proportion to the values.
    ///
    /// If they have nothing in common, which has a chance below α, it is a point.
    pub fn interval(&self) -> Interval {
        let (least, most) = self.bettor.possible_means();
        let is_above = |mean: f64| mean < least || self.capital(mean).is_more(self.alpha);
        let is_below = |mean: f64| mean > most || self.capital(mean).is_less(self.alpha);
        let (lower, upper) = (last(is_above), 1.0 - last(|missing| is_below(1.0 - missing)));
        Interval {
            lower: self.bounds.value(lower),
            upper: self.bounds.value(upper.max(lower)),
            kind: IntervalKind::AlwaysValid,
        }
    }

    fn capital(&self, mean: f64) -> Capital {
        let mut capital = Capital::new(mean);
        for (round, value) in &self.rounds {
            capital.play(round, *value);
        }
        capital
    }
}

/// A test of one mean that may be looked at after every person: whether the confidence sequence contains it. Keeps no values.
#[derive(Debug, Clone, Copy)]
pub struct SequentialTest {
    /// The mean in question, as a share of the bounds.
    mean: f64,
    alpha: f64,
    bounds: Bounds,
    bettor: Bettor,
    capital: Capital,
}

/// What a sequential test has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The mean is above the one in question.
    Above,
    /// The mean is below the one in question.
    Below,
}

impl SequentialTest {
    /// Tests whether the mean is `mean`, 0 for paired differences. Parameters as in [`ConfidenceSequence::new`].
    pub fn new(mean: f64, population: Population, bounds: Bounds, alpha: f64) -> Self {
        let mean = bounds.share(mean);
        Self { mean, alpha, bounds, bettor: Bettor::new(population, alpha), capital: Capital::new(mean) }
    }

    /// Adds the next person's value.
    pub fn add(&mut self, value: f64) -> Result<(), OutOfBounds> {
        let share = share(value, self.bounds)?;
        self.capital.play(&self.bettor.round(), share);
        self.bettor.add(share);
        Ok(())
    }

    /// What has been shown so far, with a chance below α of being wrong at any time.
    pub fn shown(&self) -> Option<Shown> {
        let (least, most) = self.bettor.possible_means();
        let is_above = self.mean < least - ROUNDING || self.capital.is_more(self.alpha);
        let is_below = self.mean > most + ROUNDING || self.capital.is_less(self.alpha);
        match (is_above, is_below) {
            (true, false) => Some(Shown::Above),
            (false, true) => Some(Shown::Below),
            // Both at once has a chance below α², and shows nothing.
            (true, true) | (false, false) => None,
        }
    }
}

fn share(value: f64, bounds: Bounds) -> Result<f64, OutOfBounds> {
    if bounds.contain(value) { Ok(bounds.share(value)) } else { Err(OutOfBounds { value, bounds }) }
}

/// The largest number from 0 to 1 up to which `is_refuted` holds, from below; 0 if it holds nowhere.
///
/// The same numbers are always tried, so that an end never goes back.
fn last(is_refuted: impl Fn(f64) -> bool) -> f64 {
    let (mut refuted, mut open) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(refuted, open);
        *(if is_refuted(middle) { &mut refuted } else { &mut open }) = middle;
    }
    refuted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sequence(values: &[f64], population: Population) -> ConfidenceSequence {
        let mut sequence = ConfidenceSequence::new(population, Bounds::DIFFERENCE, 0.05);
        for &value in values {
            sequence.add(value).expect("a difference");
        }
        sequence
    }

    #[test]
    fn nothing_is_known_at_first() {
        let interval = sequence(&[], Population::Finite(10)).interval();
        assert_eq!((interval.lower, interval.upper), (-1.0, 1.0));
    }

    #[test]
    fn everything_is_known_in_the_end() {
        let values = [0.2, -0.1, 0.4, 0.0, 0.25];
        let interval = sequence(&values, Population::Finite(5)).interval();
        assert!((interval.lower - 0.15).abs() < 1e-8 && (interval.upper - 0.15).abs() < 1e-8, "{interval:?}");
    }

    #[test]
    fn a_value_out_of_bounds_is_refused() {
        let mut sequence = sequence(&[], Population::Unlimited);
        for value in [1.5, -1.01, f64::NAN] {
            let error = sequence.add(value).expect_err("it is out of bounds");
            assert!(error.to_string().contains("expected one from -1 to 1"), "{error}");
        }
        assert_eq!(sequence.count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn intervals_are_nested_and_contain_zero_until_the_test_decides(
            values in prop::collection::vec(-0.1..0.3_f64, 1..120), rest in 0_u64..500,
        ) {
            let population = Population::Finite(values.len() as u64 + rest);
            let mut test = SequentialTest::new(0.0, population, Bounds::DIFFERENCE, 0.05);
            let mut growing = sequence(&[], population);
            let mut before = growing.interval();
            for value in values {
                test.add(value).expect("a difference");
                growing.add(value).expect("a difference");
                let interval = growing.interval();
                prop_assert!(before.lower <= interval.lower && interval.upper <= before.upper);
                let shown = match interval {
                    _ if interval.lower > 1e-6 => Some(Shown::Above),
                    _ if interval.upper < -1e-6 => Some(Shown::Below),
                    _ => None,
                };
                prop_assert!(shown.is_none() || test.shown() == shown, "{interval:?} {:?}", test.shown());
                prop_assert!(test.shown() != Some(Shown::Above) || interval.lower > -1e-6);
                before = interval;
            }
        }

        #[test]
        fn fewer_people_to_draw_from_leave_less_to_wonder_about(values in prop::collection::vec(-1.0..1.0_f64, 1..60)) {
            let width = |population| sequence(&values, population).interval().half_width();
            let people = values.len() as u64;
            prop_assert!(width(Population::Finite(people)) < 1e-8);
            prop_assert!(width(Population::Finite(people * 2)) <= width(Population::Unlimited) + 1e-6);
        }
    }
}
