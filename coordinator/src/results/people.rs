//! How well single people are predicted.

use serde::{Deserialize, Serialize};
use valuesim_shared::id::Respondent;

use crate::score::Arm;

/// How well an arm predicts single people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleResults {
    /// The arm; only arms that ask a model are listed.
    pub arm: Arm,
    /// How many people have an accuracy in each twentieth from 0 to 1; 1 is in the last.
    pub accuracy_histogram: Vec<u64>,
    /// The people who are predicted best, best first: at most [`super::MAX_PEOPLE_LISTED`], and at most half
    /// of all, so that nobody is in both lists.
    pub best: Vec<Person>,
    /// The people who are predicted worst, worst first: as many.
    pub worst: Vec<Person>,
}

/// One person and how well an arm predicted them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The row in the survey file.
    pub respondent: Respondent,
    /// What the survey says of them, as pairs of column and label: country, sex, age group, education, income.
    pub about: Vec<(String, String)>,
    /// Predictions that count for accuracy.
    pub counted: u64,
    /// Those of them that equal the truth.
    pub correct: u64,
    /// Their share.
    pub accuracy: f64,
    /// The mean absolute error; `None` if no prediction has one.
    pub mae: Option<f64>,
}
