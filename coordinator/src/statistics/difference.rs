//! Defines a difference to be judged, from pairs or from two groups of people.

use super::bounded::Evidence;
use super::estimate::Estimate;
use super::interval::{Bounds, NoInterval, Uncertainty};
use super::t_test::TTest;

/// An estimated difference with its p.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference.
    pub mean: f64,
    /// Its standard error; `None` if one of its sides is one person.
    pub standard_error: Option<f64>,
    /// Degrees of freedom of the t distribution of its error.
    pub degrees: f64,
    /// Its two-sided p; `None` if there is no test.
    pub p: Option<f64>,
    /// How many people it is from: pairs, or those of the smaller group.
    pub people: u64,
    /// Whether everyone was asked, so that no test is needed.
    pub is_census: bool,
}

impl Difference {
    /// The mean of the differences of pairs, or their ratio.
    ///
    /// Its p is that of the t test. If all differences are the same, which leaves no spread to test against, it is that of
    /// the sign test: 2^(1 - n), or 1 if they are zero.
    pub fn of_pairs(estimate: &Estimate) -> Self {
        let is_census = is_census(estimate);
        let p = match TTest::of(estimate) {
            Some(test) => Some(test.p),
            None if is_census || estimate.standard_error.is_none() => None,
            None if estimate.mean == 0.0 => Some(1.0),
            None => Some((1.0 - estimate.persons as f64).exp2()),
        };
        Self {
            mean: estimate.mean,
            standard_error: estimate.standard_error,
            degrees: estimate.degrees() as f64,
            p,
            people: estimate.persons,
            is_census,
        }
    }

    /// The means of two groups of different people, one minus the other, with Welch's test.
    pub fn of_groups(one: &Estimate, other: &Estimate) -> Self {
        let test = TTest::welch(one, other);
        let errors = one.standard_error.zip(other.standard_error);
        Self {
            mean: one.mean - other.mean,
            standard_error: errors.map(|(error, other_error)| error.hypot(other_error)),
            degrees: test.map_or(0.0, |test| test.degrees),
            p: test.map(|test| test.p),
            people: one.persons.min(other.persons),
            is_census: is_census(one) && is_census(other),
        }
    }

    /// The interval that misses the population's difference in a share of `alpha` of all samples.
    pub fn uncertainty(&self, bounds: Bounds, alpha: f64) -> Uncertainty {
        let evidence = Evidence {
            mean: self.mean,
            standard_error: self.standard_error,
            degrees: self.degrees,
            is_census: self.is_census,
            is_binary: false,
            effective_people: self.people as f64,
        };
        evidence.uncertainty(bounds, alpha)
    }
}

fn is_census(estimate: &Estimate) -> bool {
    estimate.uncertainty.reason() == Some(NoInterval::EveryoneWasAsked)
}
