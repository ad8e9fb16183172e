//! Judges a family of differences: better, worse, or not distinguishable.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::difference::Difference;
use super::holm::{holm, holm_levels};
use super::interval::{ALPHA, Bounds, Uncertainty};

/// Fewer people get no verdict, whatever their p.
pub const MIN_PEOPLE: u64 = 10;

/// Which direction of a measure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// A positive difference is better: accuracy.
    HigherIsBetter,
    /// A negative difference is better: errors and distances.
    LowerIsBetter,
}

/// What can be said of a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The one is better than the other.
    Better,
    /// The one is worse than the other.
    Worse,
    /// The data do not show which one is better.
    NotDistinguishable,
    /// There are fewer than ten people.
    TooFewPeople,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::NotDistinguishable => "not distinguishable",
            Self::TooFewPeople => "too few people",
        })
    }
}

/// A difference as one of a family.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// What can be said.
    pub verdict: Verdict,
    /// The two-sided p of the difference alone; `None` without a test.
    pub p: Option<f64>,
    /// Holm's adjusted p; `None` without a test, and for too few people.
    pub adjusted_p: Option<f64>,
    /// The level of `uncertainty`.
    pub level: f64,
    /// The interval at the level of Holm's step, which contains zero exactly if the difference is not distinguishable.
    pub uncertainty: Uncertainty,
}

/// Judges differences of which any false finding has a chance of at most [`ALPHA`].
///
/// Only differences with a test and at least [`MIN_PEOPLE`] people are in the family. Where everyone was asked, the
/// difference is known and its sign decides.
///
/// The t tests are exact for normal differences. With skewed ones the level is kept from some hundred people on; with 20 the
/// chance of any false finding among eight arms is 6.8 % (`cargo bench -p valuesim-coordinator --bench statistics`).
pub fn judge(differences: &[Difference], direction: Direction, bounds: Bounds) -> Vec<Judgement> {
    let in_family = |difference: &Difference| difference.p.filter(|_| difference.people >= MIN_PEOPLE);
    let family: Vec<f64> = differences.iter().filter_map(in_family).collect();
    let mut adjusted = holm(&family).into_iter().zip(holm_levels(&family, ALPHA));
    let judged = differences.iter().map(|difference| {
        let (adjusted_p, level) = match in_family(difference) {
            Some(_) => adjusted.next().map_or((None, ALPHA), |(adjusted_p, level)| (Some(adjusted_p), level)),
            None => (None, ALPHA),
        };
        Judgement {
            verdict: verdict(difference, adjusted_p, direction),
            p: difference.p,
            adjusted_p,
            level,
            uncertainty: difference.uncertainty(bounds, level),
        }
    });
    judged.collect()
}

fn verdict(difference: &Difference, adjusted_p: Option<f64>, direction: Direction) -> Verdict {
    if difference.people < MIN_PEOPLE {
        return Verdict::TooFewPeople;
    }
    let is_found = difference.is_census || adjusted_p.is_some_and(|p| p <= ALPHA);
    let gain = match direction {
        Direction::HigherIsBetter => difference.mean,
        Direction::LowerIsBetter => -difference.mean,
    };
    match is_found {
        true if gain > 0.0 => Verdict::Better,
        true if gain < 0.0 => Verdict::Worse,
        _ => Verdict::NotDistinguishable,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{Moments, Population, Sample};

    fn pairs(differences: &[f64], population: Population) -> Difference {
        let sample = Sample { people: differences.len() as u64, population };
        Difference::of_pairs(&Moments::of(differences).estimate(sample, Bounds::DIFFERENCE).expect("people"))
    }

    fn verdict_of(differences: &[f64], population: Population) -> Verdict {
        judge(&[pairs(differences, population)], Direction::HigherIsBetter, Bounds::DIFFERENCE)[0].verdict
    }

    /// Differences around 0.1, of which each second is larger.
    fn clear(people: usize) -> Vec<f64> {
        (0..people).map(|person| if person % 2 == 0 { 0.1 } else { 0.12 }).collect()
    }

    #[test]
    fn a_clear_difference_of_nine_people_gets_no_verdict() {
        assert_eq!(verdict_of(&clear(9), Population::Unlimited), Verdict::TooFewPeople);
        assert_eq!(verdict_of(&clear(10), Population::Unlimited), Verdict::Better);
    }

    #[test]
    fn five_people_of_whom_nothing_can_be_said() {
        // +0.042 ± 0.132 was once called better.
        assert_eq!(verdict_of(&[0.17, -0.05, 0.1, -0.07, 0.06], Population::Unlimited), Verdict::TooFewPeople);
    }

    #[test]
    fn the_direction_decides_what_is_better() {
        let difference = [pairs(&clear(20), Population::Unlimited)];
        let judged = |direction| judge(&difference, direction, Bounds::DIFFERENCE)[0].verdict;
        assert_eq!(judged(Direction::HigherIsBetter), Verdict::Better);
        assert_eq!(judged(Direction::LowerIsBetter), Verdict::Worse);
    }

    #[test]
    fn in_a_census_the_sign_decides() {
        let mut differences = [0.0; 12];
        assert_eq!(verdict_of(&differences, Population::Finite(12)), Verdict::NotDistinguishable);
        differences[0] = -0.001;
        assert_eq!(verdict_of(&differences, Population::Finite(12)), Verdict::Worse);
        assert_eq!(verdict_of(&differences, Population::Finite(100)), Verdict::NotDistinguishable);
    }

    #[test]
    fn the_same_difference_of_all_is_judged_by_its_sign() {
        let difference = pairs(&[-1.0; 12], Population::Unlimited);
        assert_eq!(difference.p, Some(1.0 / 2048.0));
        assert_eq!(verdict_of(&[-1.0; 12], Population::Unlimited), Verdict::Worse);
        assert_eq!(verdict_of(&[0.0; 12], Population::Unlimited), Verdict::NotDistinguishable);
    }

    #[test]
    fn a_family_asks_more_of_each() {
        // p = 0.03 of one comparison, beside nine of which nothing can be seen.
        let weak = Difference { p: Some(0.03), ..pairs(&clear(20), Population::Unlimited) };
        let nothing = Difference { p: Some(0.7), ..weak };
        let judged = |family: &[Difference]| judge(family, Direction::HigherIsBetter, Bounds::DIFFERENCE)[0].verdict;
        assert_eq!(judged(&[weak]), Verdict::Better);
        assert_eq!(judged(&[weak, nothing]), Verdict::NotDistinguishable);
        let too_few = Difference { people: 9, ..nothing };
        assert_eq!(judged(&[weak, too_few]), Verdict::Better);
    }

    proptest! {
        #[test]
        fn an_interval_contains_zero_exactly_if_nothing_was_found(
            family in prop::collection::vec((prop::collection::vec(-0.3..0.3_f64, 12..30), -0.2..0.2_f64), 1..8),
        ) {
            let shifted = |(people, shift): &(Vec<f64>, f64)| {
                let people: Vec<f64> = people.iter().map(|difference| difference + shift).collect();
                pairs(&people, Population::Finite(100))
            };
            let differences: Vec<Difference> = family.iter().map(shifted).collect();
            for judged in judge(&differences, Direction::HigherIsBetter, Bounds::DIFFERENCE) {
                let interval = judged.uncertainty.interval().expect("they differ");
                prop_assert_eq!(interval.contains(0.0), judged.verdict == Verdict::NotDistinguishable);
            }
        }
    }
}
