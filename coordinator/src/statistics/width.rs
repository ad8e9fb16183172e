//! Stops asking people once a mean is known precisely enough.

use super::estimate::Estimate;
use super::interval::ALPHA;
use super::moments::Moments;
use super::population::{Population, Sample};
use super::student_t::t_quantile;

/// With fewer people the estimated spread is too uncertain to stop on: intervals that happen to be narrow would stop early
/// and cover too seldom (Anscombe 1953; Chow and Robbins 1965).
pub const MIN_BEFORE_STOPPING: u64 = 50;

/// The fewest people of a round.
pub const MIN_ROUND: u64 = 10;

/// A round has at least one person for so many before it, because the number that is needed is itself an estimate.
const GROWTH: u64 = 50;

/// Asks people until half of the 95 % t interval, with the finite population correction, is at most this.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WidthRule {
    /// The largest half width to stop at, in units of the score; above 0.
    pub half_width: f64,
}

impl WidthRule {
    /// Whether a mean is known precisely enough, or everyone was asked.
    pub fn is_met(self, estimate: &Estimate, population: Population) -> bool {
        let sample = Sample { people: estimate.persons, population };
        let is_narrow = Self::half_width_of(estimate).is_some_and(|half_width| half_width <= self.half_width);
        sample.is_census() || (estimate.persons >= MIN_BEFORE_STOPPING && is_narrow)
    }

    /// Half of the t interval of an estimate, which the rule looks at; `None` for one person.
    pub fn half_width_of(estimate: &Estimate) -> Option<f64> {
        estimate.standard_error.map(|error| half_width(error, estimate.degrees()))
    }

    /// How many people will have been asked when the rule is met, judged by the spread so far: at least
    /// [`MIN_BEFORE_STOPPING`], at most the population. `None` for fewer than two people, who show no spread.
    pub fn people_needed(self, so_far: &Moments, population: Population) -> Option<u64> {
        let deviation = so_far.deviation()?;
        let everybody = match population {
            Population::Finite(people) => people,
            Population::Unlimited => u64::MAX,
        };
        let (mut low, mut high) = (1, MIN_BEFORE_STOPPING);
        let is_enough = |people| self.is_enough(deviation, Sample { people, population });
        while high < everybody && !is_enough(high) {
            (low, high) = (high, high.saturating_mul(2));
        }
        high = high.min(everybody);
        while high > low + 1 {
            let middle = low.midpoint(high);
            *(if is_enough(middle) { &mut high } else { &mut low }) = middle;
        }
        Some(high)
    }

    /// How many people the next round goes on to, if `people` were asked and `needed` are needed by what is known so far: at
    /// most twice as many, and at least [`MIN_ROUND`] more.
    pub fn next_round(people: u64, needed: u64) -> u64 {
        let least = people + (people / GROWTH).max(MIN_ROUND);
        needed.clamp(least, least.max(2 * people))
    }

    fn is_enough(self, deviation: f64, sample: Sample) -> bool {
        let standard_error = deviation * (sample.correction() / sample.people as f64).sqrt();
        sample.people >= MIN_BEFORE_STOPPING && half_width(standard_error, sample.people - 1) <= self.half_width
    }
}

fn half_width(standard_error: f64, degrees: u64) -> f64 {
    t_quantile(ALPHA / 2.0, degrees.max(1) as f64) * standard_error
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::Bounds;

    fn scores(people: u64) -> Moments {
        Moments::of(&(0..people).map(|person| (person % 10) as f64 / 10.0).collect::<Vec<_>>())
    }

    fn is_met(people: u64, half_width: f64, population: Population) -> bool {
        let estimate = scores(people).estimate(Sample { people, population }, Bounds::SHARE).expect("people");
        WidthRule { half_width }.is_met(&estimate, population)
    }

    #[test]
    fn fifty_people_are_asked_however_much_alike_they_are() {
        assert!(!is_met(49, 0.9, Population::Unlimited));
        assert!(is_met(50, 0.9, Population::Unlimited));
        assert_eq!(WidthRule { half_width: 0.9 }.people_needed(&scores(20), Population::Unlimited), Some(50));
    }

    #[test]
    fn rounds_grow_to_what_is_needed_and_not_by_single_people() {
        for (people, needed, next) in [(50, 80, 80), (50, 400, 100), (50, 52, 60), (5_000, 5_001, 5_100), (4, 9, 14)] {
            assert_eq!(WidthRule::next_round(people, needed), next, "{people} of {needed}");
        }
    }

    #[test]
    fn no_more_are_asked_than_there_are() {
        assert!(is_met(30, 1e-9, Population::Finite(30)));
        assert_eq!(WidthRule { half_width: 1e-9 }.people_needed(&scores(20), Population::Finite(30)), Some(30));
        assert_eq!(WidthRule { half_width: 0.1 }.people_needed(&scores(1), Population::Unlimited), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn as_many_as_needed_are_enough(half_width in 0.005..0.2_f64, everybody in 100_u64..100_000) {
            let (rule, population) = (WidthRule { half_width }, Population::Finite(everybody));
            let needed = rule.people_needed(&scores(100), population).expect("a spread");
            let deviation = scores(100).deviation().expect("a spread");
            let is_enough = |people| rule.is_enough(deviation, Sample { people, population });
            prop_assert!(needed == everybody || is_enough(needed));
            prop_assert!(!is_enough(needed - 1));
        }
    }
}
