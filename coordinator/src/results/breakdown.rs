//! How well groups of people are predicted: by country, sex, age, or any other column of the survey.

use serde::{Deserialize, Serialize};

use super::measure::Measure;
use crate::score::Arm;
use crate::statistics::{Estimate, Verdict};

/// The scores of the groups that one column of the survey makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakdown {
    /// The column of the survey file, such as `B_COUNTRY` or `Q260`.
    pub column: String,
    /// What it says of people: `country`, `sex`, or the column's name again.
    pub title: String,
    /// Scored people without a value in this column; they are in no group.
    pub persons_without: u64,
    /// Groups with at least one scored person, at most [`super::MAX_GROUPS`]: those with the most people.
    pub groups: Vec<GroupResults>,
    /// Groups that are not listed because there are too many.
    pub groups_left_out: u64,
    /// Which groups are predicted better and worse than the others, by arm that asks a model and measure.
    pub extremes: Vec<Extremes>,
}

/// One group of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupResults {
    /// The value in the survey file.
    pub value: String,
    /// The group's name for people.
    pub label: String,
    /// Scored people of the group.
    pub persons: u64,
    /// People of the group in the population that the sample represents; `None` if that is not known.
    pub population: Option<u64>,
    /// Whether it has fewer than [`super::MIN_GROUP_PEOPLE`] scored people.
    pub few: bool,
    /// Its scores, in the order of the results' arms.
    pub arms: Vec<GroupArm>,
}

/// The scores of one arm for one group, over all questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupArm {
    /// Mean over the group's people of their accuracy (a domain estimate).
    pub accuracy: Option<Estimate>,
    /// Mean over the group's people of their mean absolute error.
    pub mae: Option<Estimate>,
    /// Mean over ordinal questions of the Wasserstein distance between predictions and truth within the group. It grows as
    /// a group gets smaller: compare it with that of a baseline.
    pub wasserstein: Option<f64>,
    /// Mean over nominal questions of the Jensen-Shannon distance, likewise.
    pub jensen_shannon: Option<f64>,
}

/// The groups that an arm predicts best and worst.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extremes {
    /// The arm.
    pub arm: Arm,
    /// The measure.
    pub measure: Measure,
    /// Groups that were compared with everybody else: those with at least [`super::MIN_GROUP_PEOPLE`] people.
    pub compared: u64,
    /// The best groups, best first, at most five.
    pub best: Vec<GroupDifference>,
    /// The worst groups, worst first, at most five.
    pub worst: Vec<GroupDifference>,
}

/// A group against all other scored people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupDifference {
    /// The group's name for people.
    pub label: String,
    /// Its scored people.
    pub persons: u64,
    /// The mean score of the group minus that of everybody else.
    pub difference: f64,
    /// The p value of Welch's test after Holm's correction over all compared groups.
    pub p_holm: Option<f64>,
    /// Whether the group is predicted better or worse than everybody else.
    pub verdict: Verdict,
}
