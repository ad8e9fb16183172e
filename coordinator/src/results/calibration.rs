//! Whether the scored people are like those of the survey file.

use serde::{Deserialize, Serialize};

/// The scored people beside those of the survey file, by one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// The column of the survey file.
    pub column: String,
    /// What it says of people.
    pub title: String,
    /// Its groups, at most [`super::MAX_GROUPS`]: those with the most people in the file.
    pub groups: Vec<CalibrationGroup>,
    /// Half of the sum of the differences between the shares of all groups, 0 to 1: the share of people that would have
    /// to be exchanged.
    pub distance: f64,
}

/// One group of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationGroup {
    /// The group's name for people; `no answer` for those without a value.
    pub label: String,
    /// Scored people.
    pub scored: u64,
    /// Their share of the scored people.
    pub scored_share: f64,
    /// People in the survey file.
    pub file: u64,
    /// Their share of the file.
    pub file_share: f64,
}
