//! A run with everything that its evaluation needs, and what a cell's predictions are.

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::CellResult;
use valuesim_shared::survey::Survey;
use valuesim_shared::transcript::TranscriptError;

use super::groups::ColumnError;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::predictions::{About, Replies, TableFileError};
use crate::retrieval::KeptVectors;
use crate::score::{Misfit, Prediction};

/// Why a run cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A row of the ledger does not fit its fold.
    #[error("the ledger's row for {cell}: {misfit}")]
    Misfit {
        /// Which row.
        cell: Cell,
        /// What does not fit.
        misfit: Misfit,
    },
    /// A transcript is damaged.
    #[error("the ledger's transcript of {cell}: {source}")]
    Transcript {
        /// The cell whose transcript it is.
        cell: Cell,
        /// What is wrong with it.
        source: TranscriptError,
    },
    /// A data file failed.
    #[error(transparent)]
    File(#[from] TableFileError),
    /// A column cannot make groups or weights.
    #[error(transparent)]
    Column(#[from] ColumnError),
    /// The evaluation was stopped.
    #[error("stopped before all predictions were scored: evaluate the run again")]
    Interrupted,
}

impl EvaluationError {
    /// Whether the evaluation was stopped on purpose and nothing is wrong.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

/// A run and everything that its evaluation needs.
#[derive(Debug, Clone, Copy)]
pub struct Evaluated<'a> {
    /// Which run.
    pub run: &'a RunId,
    /// Its experiment.
    pub experiment: &'a Experiment,
    /// Its cells.
    pub plan: &'a Plan,
    /// The truth.
    pub survey: &'a Survey,
    /// The questions.
    pub codebook: &'a Codebook,
    /// What was predicted.
    pub ledger: &'a Ledger,
    /// The vectors that it retrieves with; none unless it retrieves, or if they are gone.
    pub vectors: Option<&'a KeptVectors>,
}

impl Evaluated<'_> {
    /// The metadata of the predictions file.
    pub(crate) fn about(&self) -> About {
        About {
            run: self.run.clone(),
            behaviour: self.experiment.behaviour,
            replies: self.replies(),
            survey: self.survey.edition().version.clone(),
        }
    }

    pub(crate) fn replies(&self) -> Replies {
        let has_simulated_replies = |model| {
            // An unreadable row is reported when it is evaluated.
            let first = self.ledger.spend(model).ok().and_then(|mut rows| rows.next()?.ok());
            first.is_some_and(|(_, spend)| spend.simulated())
        };
        let simulated = self.experiment.simulate.is_some() || self.plan.models().any(has_simulated_replies);
        if simulated { Replies::Simulated } else { Replies::Real }
    }

    pub(crate) fn predictions(
        &self,
        cell: Cell,
        result: &CellResult,
        method: Method,
    ) -> Result<Vec<Prediction>, EvaluationError> {
        let asked = self.plan.split().asked(cell.fold);
        let truth = |question| self.survey.code(cell.respondent, question);
        let arm = result.arms.iter().find(|arm| arm.method == method);
        let predictions = match arm {
            Some(arm) => Prediction::of_cell(arm, asked, truth),
            None => Err(Misfit { method, expected: asked.len(), found: 0 }),
        };
        predictions.map_err(|misfit| EvaluationError::Misfit { cell, misfit })
    }
}
