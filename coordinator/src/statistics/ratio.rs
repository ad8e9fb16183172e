//! Accumulates a ratio of two sums over people: pooled scores, and means with survey weights.

use super::bounded::Evidence;
use super::estimate::Estimate;
use super::interval::{ALPHA, Bounds};
use super::population::Sample;

/// Below this share of its largest term, a sum of squares is what rounding left of zero.
const ROUNDING: f64 = 1e-13;

/// Running sums of pairs of numbers, one pair for each person: `part` over `whole`.
///
/// A pooled accuracy has a person's right answers over their counted ones; people are the clusters. A mean with survey
/// weights (Hájek's) has weight times score over weight; a pooled one has both sums times the weight.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Ratio {
    count: u64,
    /// Means of the parts and the wholes.
    part: f64,
    whole: f64,
    /// Sums of the products of their distances from the means.
    part_squares: f64,
    products: f64,
    whole_squares: f64,
}

impl Ratio {
    /// Adds a person's part and whole. A person whose whole is 0 is not in the ratio; do not add them.
    pub fn add(&mut self, part: f64, whole: f64) {
        self.merge(&Self { count: 1, part, whole, ..Self::default() });
    }

    /// Adds a person's score with a survey weight above 0, for Hájek's mean Σ w y / Σ w.
    pub fn add_weighted(&mut self, score: f64, weight: f64) {
        self.add(weight * score, weight);
    }

    /// Adds the people of others.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (before, added) = (self.count as f64, other.count as f64);
        let (share, cross) = (added / (before + added), before * added / (before + added));
        let (part, whole) = (other.part - self.part, other.whole - self.whole);
        self.count += other.count;
        self.part += part * share;
        self.whole += whole * share;
        self.part_squares += other.part_squares + part * part * cross;
        self.products += other.products + part * whole * cross;
        self.whole_squares += other.whole_squares + whole * whole * cross;
    }

    /// How many people were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The ratio; `None` if the wholes add up to nothing.
    pub fn ratio(&self) -> Option<f64> {
        (self.whole > 0.0).then(|| self.part / self.whole)
    }

    /// As how many people without weights the people count: (Σ w)² / Σ w² for wholes w (Kish 1965, Survey Sampling).
    /// `None` if the wholes add up to nothing.
    pub fn effective_people(&self) -> Option<f64> {
        let n = self.count as f64;
        let mean_square = self.whole_squares / n + self.whole * self.whole;
        (self.whole > 0.0).then(|| n * (self.whole * self.whole / mean_square))
    }

    /// The population's ratio with its 95 % interval; `None` if the wholes add up to nothing.
    ///
    /// As in [`Moments::estimate`](super::Moments::estimate), the people may be a group of the sample.
    pub fn estimate(&self, sample: Sample, bounds: Bounds) -> Option<Estimate> {
        self.estimate_at(sample, bounds, ALPHA)
    }

    /// As [`Self::estimate`], with an interval that misses in a share of `alpha` of all samples.
    pub fn estimate_at(&self, sample: Sample, bounds: Bounds, alpha: f64) -> Option<Estimate> {
        let evidence = Evidence {
            mean: self.ratio()?,
            standard_error: self.standard_error(sample),
            degrees: (self.count - 1) as f64,
            is_census: sample.is_census(),
            is_binary: false,
            effective_people: self.effective_people()? * sample.gain(),
        };
        Some(Estimate {
            persons: self.count,
            mean: evidence.mean,
            standard_error: evidence.standard_error,
            uncertainty: evidence.uncertainty(bounds, alpha),
            stratified_degrees: None,
        })
    }

    /// √((1 - n/N) n/(n - 1) Σ (y - Rx)²) / Σ x, by linearisation (Särndal, Swensson and Wretman 1992, section 5.6; R's
    /// `svyratio`, and `svymean` for weights).
    fn standard_error(&self, sample: Sample) -> Option<f64> {
        if sample.is_census() {
            return Some(0.0);
        }
        let total = self.whole * self.count as f64;
        (self.count > 1).then(|| (sample.factor() * self.residual_squares()).sqrt() / total)
    }

    /// Σ (y - Rx)². The residuals add up to zero, so the sums around the means are those around zero.
    fn residual_squares(&self) -> f64 {
        self.squares_around_mean(self.part / self.whole)
    }

    /// The sums of the parts and of the wholes.
    pub(super) fn sums(&self) -> [f64; 2] {
        [self.part, self.whole].map(|mean| mean * self.count as f64)
    }

    /// The sum of the squares of the wholes.
    pub(super) fn sum_of_squared_wholes(&self) -> f64 {
        self.whole_squares + self.whole * self.whole * self.count as f64
    }

    /// The variance of the residuals' total, in which a person who was asked and not added has the residual 0:
    /// (1 - n/N) n/(n - 1) Σ (e - ē)² over the n people of `sample`, with e = y - Rx for the `ratio` R of a larger whole.
    pub(super) fn variance_of_residuals(&self, ratio: f64, sample: Sample) -> f64 {
        let (people, asked) = (self.count as f64, sample.people as f64);
        let mean = self.part - ratio * self.whole;
        let around_mean_of_all = people * mean * mean * (1.0 - people / asked);
        sample.factor() * (self.squares_around_mean(ratio) + around_mean_of_all)
    }

    /// Σ (e - ē)² for e = y - Rx.
    fn squares_around_mean(&self, ratio: f64) -> f64 {
        let terms = [self.part_squares, 2.0 * ratio * self.products, ratio * ratio * self.whole_squares];
        let squares = terms[0] - terms[1] + terms[2];
        let largest = terms.iter().fold(0.0_f64, |most, term| most.max(term.abs()));
        if squares <= ROUNDING * largest { 0.0 } else { squares }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::statistics::{IntervalKind, Moments, NoInterval, Population};

    fn weighted(people: &[(f64, f64)]) -> Ratio {
        let mut ratio = Ratio::default();
        for &(score, weight) in people {
            ratio.add_weighted(score, weight);
        }
        ratio
    }

    fn people() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((0.0..1.0_f64, 0.1..5.0_f64), 2..100)
    }

    #[test]
    fn the_same_score_of_all_has_no_spread() {
        let ratio = weighted(&[(0.3, 0.7), (0.3, 1.9), (0.3, 0.11)]);
        let found = ratio.estimate(Sample::of_unlimited(3), Bounds::SHARE).expect("people");
        assert_eq!(found.uncertainty.reason(), Some(NoInterval::AllTheSame));
    }

    #[test]
    fn a_pooled_score_of_zero_has_a_bounded_interval() {
        let mut ratio = Ratio::default();
        for counted in [3.0, 4.0, 5.0] {
            ratio.add(0.0, counted);
        }
        let found = ratio.estimate(Sample::of_unlimited(3), Bounds::SHARE).expect("people");
        let interval = found.uncertainty.interval().expect("a bounded interval");
        assert_eq!((interval.lower, interval.kind), (0.0, IntervalKind::Wilson));
    }

    #[test]
    fn nothing_has_no_ratio() {
        assert_eq!(Ratio::default().estimate(Sample::of_unlimited(0), Bounds::SHARE), None);
        assert_eq!(Ratio::default().effective_people(), None);
    }

    proptest! {
        #[test]
        fn equal_weights_are_no_weights(people in people(), weight in 0.1..9.0_f64) {
            let scores: Vec<f64> = people.iter().map(|person| person.0).collect();
            let equal: Vec<_> = scores.iter().map(|&score| (score, weight)).collect();
            let sample = Sample { people: people.len() as u64, population: Population::Finite(1000) };
            let found = weighted(&equal).estimate(sample, Bounds::SHARE).expect("people");
            let expected = Moments::of(&scores).estimate(sample, Bounds::SHARE).expect("people");
            prop_assert!((found.mean - expected.mean).abs() < 1e-12);
            let errors = [found, expected].map(|estimate| estimate.standard_error.expect("people"));
            prop_assert!((errors[0] - errors[1]).abs() < 1e-12);
        }

        #[test]
        fn a_factor_of_all_weights_and_their_order_do_not_matter(mut people in people(), factor in 0.1..9.0_f64) {
            let sample = Sample::of_unlimited(people.len() as u64);
            let before = weighted(&people).estimate(sample, Bounds::NONE).expect("people");
            people.reverse();
            for person in &mut people {
                person.1 *= factor;
            }
            let after = weighted(&people).estimate(sample, Bounds::NONE).expect("people");
            prop_assert!((before.mean - after.mean).abs() < 1e-12);
            let errors = [before, after].map(|estimate| estimate.standard_error.expect("people"));
            prop_assert!((errors[0] - errors[1]).abs() < 1e-11);
        }

        #[test]
        fn weights_never_add_people(people in people()) {
            let effective = weighted(&people).effective_people().expect("people");
            prop_assert!(1.0 - 1e-12 <= effective && effective <= people.len() as f64 + 1e-9);
        }
    }
}
