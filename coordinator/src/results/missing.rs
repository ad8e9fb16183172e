//! Which cells and people are in no score.

use serde::{Deserialize, Serialize};

/// What is scored and what is missing. All arms and baselines are scored over the same cells of respondents and folds: those
/// that every model with any finished cell has finished.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Pairs of respondent and fold in the plan.
    pub planned: u64,
    /// Those of them that are scored.
    pub scored: u64,
    /// People in the plan.
    pub persons_planned: u64,
    /// Those of them with at least one scored fold.
    pub persons_scored: u64,
    /// People of whom some folds are scored and some are not.
    pub persons_in_part: u64,
    /// Models without any finished cell: none of their arms is scored.
    pub models_without_cells: Vec<String>,
    /// For each model, its finished cells that are not scored, because another model lacks theirs.
    pub finished_and_not_scored: Vec<(String, u64)>,
}
