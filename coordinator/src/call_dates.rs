//! The days on which a run's calls were made.

use serde::{Deserialize, Serialize};

pub use valuesim_shared::day::Day;

/// When a run's calls were made, by the cells that they finished. Days are in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallDates {
    /// The day on which the first cell was finished.
    pub first: Day,
    /// The day on which the last cell was finished.
    pub last: Day,
}
