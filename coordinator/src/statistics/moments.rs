//! Accumulates the mean and the variance of people's scores, and estimates the population's mean from them.

use super::bounded::Evidence;
use super::estimate::Estimate;
use super::interval::{ALPHA, Bounds};
use super::population::Sample;

/// Below this share of a sum of squares, a sum of squared distances from the mean is what rounding left of zero: of people
/// whose equal scores differ in their last digit. One person of a million who differs by one answer of three hundred makes
/// a share of 1e-11.
const ROUNDING: f64 = 1e-24;

/// Running mean and variance of numbers that are not kept (Welford's method, which loses no digits in large sums).
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Moments {
    count: u64,
    mean: f64,
    /// Sum of the squared distances from the mean.
    squares: f64,
    /// Whether some number was neither 0 nor 1.
    has_fraction: bool,
}

impl Moments {
    /// The moments of some numbers.
    pub fn of(values: &[f64]) -> Self {
        let mut moments = Self::default();
        for &value in values {
            moments.add(value);
        }
        moments
    }

    /// The moments of `count` numbers with this mean and sum of squared distances from it; `has_fraction` says whether some
    /// number was neither 0 nor 1.
    pub(super) fn from_sums(count: u64, mean: f64, squares: f64, has_fraction: bool) -> Self {
        Self { count, mean, squares, has_fraction }
    }

    /// Adds a number.
    pub fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
        self.has_fraction |= ![0.0, 1.0].contains(&value);
    }

    /// Adds the numbers of others (Chan, Golub and `LeVeque` 1979).
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (before, added) = (self.count as f64, other.count as f64);
        let (both, distance) = (before + added, other.mean - self.mean);
        self.count += other.count;
        self.mean += distance * added / both;
        self.squares += other.squares + distance * distance * before * added / both;
        self.has_fraction |= other.has_fraction;
    }

    /// How many numbers were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean; `None` if there are no numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// The variance with divisor n - 1; `None` for fewer than two numbers.
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.spread() / (self.count - 1) as f64)
    }

    /// The sum of the squared distances from the mean; 0 if all numbers are equal but for rounding.
    fn spread(&self) -> f64 {
        let of_rounding = ROUNDING * self.count as f64 * self.mean * self.mean;
        if self.squares <= of_rounding { 0.0 } else { self.squares }
    }

    /// The standard deviation with divisor n - 1; `None` for fewer than two numbers.
    pub fn deviation(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }

    /// The population's mean with its 95 % interval; `None` if there are no numbers.
    ///
    /// Each number is the score of one person of `sample`, between `bounds`. They may be fewer than the sample's people:
    /// then they are a group of it (a domain) whose number of people in the population is unknown.
    pub fn estimate(&self, sample: Sample, bounds: Bounds) -> Option<Estimate> {
        self.estimate_at(sample, bounds, ALPHA)
    }

    /// As [`Self::estimate`], with an interval that misses in a share of `alpha` of all samples.
    pub fn estimate_at(&self, sample: Sample, bounds: Bounds, alpha: f64) -> Option<Estimate> {
        let evidence = self.evidence(sample)?;
        Some(Estimate {
            persons: self.count,
            mean: evidence.mean,
            standard_error: evidence.standard_error,
            uncertainty: evidence.uncertainty(bounds, alpha),
            stratified_degrees: None,
        })
    }

    fn evidence(&self, sample: Sample) -> Option<Evidence> {
        Some(Evidence {
            mean: self.mean()?,
            standard_error: self.standard_error(sample),
            degrees: (self.count - 1) as f64,
            is_census: sample.is_census(),
            is_binary: !self.has_fraction,
            effective_people: self.count as f64 * sample.gain(),
        })
    }

    /// √((1 - n/N) n/(n - 1) Σ (y - ȳ)²) / m for the m numbers of a sample of n, which for m = n is the textbook's
    /// √((1 - n/N) s²/n) (Särndal, Swensson and Wretman 1992, section 5.8; R's `svyby`).
    fn standard_error(&self, sample: Sample) -> Option<f64> {
        if sample.is_census() {
            return Some(0.0);
        }
        (self.count > 1).then(|| (sample.factor() * self.spread()).sqrt() / self.count as f64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{NoInterval, Population};

    const VALUES: [f64; 5] = [0.41, 0.52, 0.38, 0.47, 0.55];

    fn estimate(values: &[f64], population: Population) -> Estimate {
        let sample = Sample { people: values.len() as u64, population };
        Moments::of(values).estimate(sample, Bounds::SHARE).expect("some values")
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-12 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    #[test]
    fn the_interval_equals_scipy() {
        // scipy 1.17.1: stats.t.interval(0.95, 4, loc=x.mean(), scale=stats.sem(x)), numpy: x.var(ddof=1)
        let found = estimate(&VALUES, Population::Unlimited);
        let interval = found.uncertainty.interval().expect("five values");
        close(found.mean, 0.466);
        close(Moments::of(&VALUES).variance().expect("five values"), 0.005_130_000_000_000_003);
        close(interval.lower, 0.377_067_035_048_001_54);
        close(interval.upper, 0.554_932_964_951_998_5);
    }

    #[test]
    fn a_sample_of_a_known_population_is_more_certain() {
        // As above with scale=stats.sem(x) * (1 - 5 / 20) ** 0.5
        let found = estimate(&VALUES, Population::Finite(20)).uncertainty.interval().expect("five values");
        close(found.lower, 0.388_981_793_117_698_2);
    }

    #[test]
    fn a_census_is_certain() {
        let found = estimate(&VALUES, Population::Finite(5));
        assert_eq!(found.uncertainty.reason(), Some(NoInterval::EveryoneWasAsked));
        assert_eq!(found.standard_error, Some(0.0));
        assert_eq!(estimate(&[0.5], Population::Finite(1)).uncertainty.reason(), Some(NoInterval::EveryoneWasAsked));
    }

    #[test]
    fn numbers_that_differ_by_rounding_have_no_spread() {
        let tenth = (0.1 + 0.2 + 0.3) / 6.0;
        assert!(tenth > 0.1);
        let found = estimate(&[0.1, tenth, 0.1], Population::Unlimited);
        assert_eq!((found.standard_error, found.uncertainty.reason()), (Some(0.0), Some(NoInterval::AllTheSame)));
    }

    #[test]
    fn one_person_says_nothing_about_others_and_nobody_nothing_at_all() {
        let found = estimate(&[0.5], Population::Unlimited);
        assert_eq!((found.standard_error, found.uncertainty.reason()), (None, Some(NoInterval::OnePerson)));
        assert_eq!(Moments::default().estimate(Sample::of_unlimited(0), Bounds::SHARE), None);
    }

    proptest! {
        #[test]
        fn mean_and_variance_equal_the_textbook(values in proptest::collection::vec(0.0..1.0, 2..200)) {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let moments = Moments::of(&values);
            prop_assert!((moments.mean().expect("values") - mean).abs() < 1e-12);
            prop_assert!((moments.variance().expect("values") - variance).abs() < 1e-12);
        }

        #[test]
        fn parts_merge_into_the_whole(values in proptest::collection::vec(0.0..1.0, 2..200), part: prop::sample::Index) {
            let (left, right) = values.split_at(part.index(values.len()));
            let (mut merged, whole) = (Moments::of(left), Moments::of(&values));
            merged.merge(&Moments::of(right));
            prop_assert_eq!(merged.count(), whole.count());
            prop_assert!((merged.mean - whole.mean).abs() < 1e-12 && (merged.squares - whole.squares).abs() < 1e-12);
        }

        #[test]
        fn the_order_of_people_does_not_matter(mut values in proptest::collection::vec(0.0..1.0, 2..100)) {
            let before = estimate(&values, Population::Finite(1000));
            values.reverse();
            let after = estimate(&values, Population::Finite(1000));
            prop_assert!((before.mean - after.mean).abs() < 1e-12);
            let errors = [before, after].map(|found| found.standard_error.expect("people"));
            prop_assert!((errors[0] - errors[1]).abs() < 1e-12);
        }
    }
}
