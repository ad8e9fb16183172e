//! Defines an estimated mean with its uncertainty.

use serde::{Deserialize, Serialize};

use super::interval::Uncertainty;

/// A mean over people, or a ratio of two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// How many people it is from. The t distribution of its error has one degree of freedom less, or `stratified_degrees`.
    pub persons: u64,
    /// The mean or ratio.
    pub mean: f64,
    /// Its standard error, corrected for a finite population: 0 in a census, `None` for one person.
    pub standard_error: Option<f64>,
    /// Its 95 % interval, or why it has none.
    pub uncertainty: Uncertainty,
    /// The degrees of freedom in a sample that was drawn from each of several strata by itself: people less strata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stratified_degrees: Option<u64>,
}

impl Estimate {
    /// Degrees of freedom of the t distribution of its error; 0 for one person.
    pub fn degrees(&self) -> u64 {
        self.stratified_degrees.unwrap_or(self.persons.saturating_sub(1))
    }
}
