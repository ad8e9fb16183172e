//! What a predictions file says about itself, and what the rows that are written together have in common.

use valuesim_shared::id::{Fold, Respondent, RunId};
use valuesim_shared::method::Behaviour;

use crate::score::Arm;

/// The version of the columns, in the file's metadata.
pub const PREDICTIONS_VERSION: &str = "2";

/// Where the replies of a run came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replies {
    /// From models, or the method asks none.
    Real,
    /// From the simulated provider.
    Simulated,
}

/// What the file says about itself, in its key-value metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Which run.
    pub run: RunId,
    /// Which faults of the paper's code it reproduces.
    pub behaviour: Behaviour,
    /// Where its replies came from.
    pub replies: Replies,
    /// Name and version of the survey file.
    pub survey: String,
}

/// What the rows that are written together have in common.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Who predicts.
    pub arm: &'a Arm,
    /// Whom.
    pub respondent: Respondent,
    /// The respondent's country, ISO alpha-3.
    pub country: &'a str,
    /// The fold that holds the questions out.
    pub fold: Fold,
    /// Where the arm's replies came from.
    pub replies: Replies,
    /// Whether the cell is scored. If it is not, its predictions count for nothing.
    pub is_scored: bool,
}
