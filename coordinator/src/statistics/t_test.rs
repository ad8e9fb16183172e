//! Tests whether an estimated difference is zero.

use super::estimate::Estimate;
use super::student_t::t_two_sided;

/// Student's t test of a difference against zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TTest {
    /// The difference over its standard error.
    pub t: f64,
    /// Degrees of freedom; not whole in Welch's test.
    pub degrees: f64,
    /// The two-sided p, from the tail itself, so that it is right however small.
    pub p: f64,
}

impl TTest {
    /// Tests a mean or ratio of differences: people are pairs with themselves. `None` if it has no standard error above 0:
    /// one person, a census, or the same difference for all.
    pub fn of(difference: &Estimate) -> Option<Self> {
        let standard_error = difference.standard_error.filter(|&error| error > 0.0)?;
        Some(Self::new(difference.mean / standard_error, difference.degrees() as f64))
    }

    /// Welch's test of two groups of different people (Welch 1947, with Satterthwaite's degrees). With standard errors
    /// that carry a finite population correction, it is about the two groups of that population. `None` if neither has
    /// a standard error above 0, or one has none.
    pub fn welch(one: &Estimate, other: &Estimate) -> Option<Self> {
        let (variance, other_variance) = (one.standard_error?.powi(2), other.standard_error?.powi(2));
        let both = variance + other_variance;
        if both == 0.0 {
            return None;
        }
        let share = |variance: f64, estimate: &Estimate| {
            let share = variance / both;
            if share == 0.0 { 0.0 } else { share * share / estimate.degrees() as f64 }
        };
        let degrees = 1.0 / (share(variance, one) + share(other_variance, other));
        Some(Self::new((one.mean - other.mean) / both.sqrt(), degrees))
    }

    fn new(t: f64, degrees: f64) -> Self {
        Self { t, degrees, p: t_two_sided(t, degrees) }
    }
}
