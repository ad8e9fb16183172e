//! The two measures of how well an arm predicts.

use serde::{Deserialize, Serialize};

/// A measure of how well an arm predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Share of answers predicted exactly, 0 to 1; higher is better.
    Accuracy,
    /// Mean absolute error as a share of the scale, 0 to 1 (above 1 only in behaviour `paper`); lower is better.
    Mae,
}

impl Measure {
    /// Both measures, in the order in which reports show them.
    pub const ALL: [Self; 2] = [Self::Accuracy, Self::Mae];

    /// Its name in sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Mae => "MAE",
        }
    }

    /// Its name, and which direction is better.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "Accuracy (share of answers predicted exactly; higher is better)",
            Self::Mae => "MAE (mean absolute error as a share of the scale; lower is better)",
        }
    }

    /// Whether `left` is strictly better than `right`.
    pub fn is_better(self, left: f64, right: f64) -> bool {
        match self {
            Self::Accuracy => left > right,
            Self::Mae => left < right,
        }
    }
}
