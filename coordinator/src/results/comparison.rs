//! Whether one arm predicts better than another: a paired test on the people whom both predicted.

use serde::{Deserialize, Serialize};
use valuesim_shared::codebook::Category;

use super::measure::Measure;
use crate::score::Arm;
use crate::statistics::{Uncertainty, Verdict};

/// A paired comparison of two arms, in one category or overall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    /// The arm that is judged.
    pub arm: Arm,
    /// The arm that it is compared with.
    pub against: Arm,
    /// The category; `None` is overall.
    pub category: Option<Category>,
    /// The measure.
    pub measure: Measure,
    /// People for whom both have a score.
    pub persons: u64,
    /// The mean over these people of the score of `arm` minus that of `against`.
    pub difference: f64,
    /// The 95 % interval of the difference.
    pub uncertainty: Uncertainty,
    /// The interval of the difference at the level that Holm's correction leaves it: if it excludes 0, so does the
    /// test over the whole table.
    pub adjusted_uncertainty: Uncertainty,
    /// The test; `None` if there is none: too few people, or everyone was asked.
    pub test: Option<PairedTest>,
    /// The verdict, from the corrected p value.
    pub verdict: Verdict,
}

/// A paired test of whether the mean difference is 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedTest {
    /// Student's t; `None` if all differences are the same.
    pub t: Option<f64>,
    /// Its two-sided p value.
    pub p: f64,
    /// The p value after Holm's correction over all comparisons of this measure.
    pub p_holm: f64,
    /// The two-sided p value of Wilcoxon's signed-rank test; `None` if all differences are 0.
    pub wilcoxon_p: Option<f64>,
    /// The mean difference divided by the standard deviation of the differences (Cohen's `d_z`); `None` if they are all the
    /// same.
    pub effect_size: Option<f64>,
}

/// What difference between two arms the sample can show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Power {
    /// The arm that is judged.
    pub arm: Arm,
    /// The arm that it is compared with: the best baseline.
    pub against: Arm,
    /// The measure, overall.
    pub measure: Measure,
    /// People for whom both have a score.
    pub persons: u64,
    /// The smallest true difference that a single test at level 0.05 finds with probability 0.8.
    pub detectable_difference: f64,
    /// How many people would be needed to find a difference of 0.01; `None` if the differences do not vary.
    pub persons_for_a_hundredth: Option<u64>,
}
