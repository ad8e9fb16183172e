//! Sums what the calls of a run used.

use std::ops::RangeInclusive;

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{ModelId, Respondent};
use valuesim_shared::outcome::CellSpend;

use super::evaluated::{Evaluated, EvaluationError};
use super::parallel::in_parallel;
use crate::results::ModelSpend;

/// Survey rows whose cells are summed in one go.
const ROWS: usize = 1_024;

impl Evaluated<'_> {
    /// What each model used, and the embeddings if there are some.
    pub(crate) fn all_spend(&self, stop: &CancellationToken) -> Result<Vec<ModelSpend>, EvaluationError> {
        let of_models: Result<Vec<_>, _> = self.plan.models().map(|model| self.spend(model, stop)).collect();
        Ok(of_models?.into_iter().chain(self.spend_on_embeddings()).collect())
    }

    fn spend_on_embeddings(&self) -> Option<ModelSpend> {
        let settings = self.experiment.embeddings.as_ref()?.as_model();
        Some(ModelSpend::new(&settings, self.vectors?.spend()))
    }

    fn spend(&self, model: ModelId, stop: &CancellationToken) -> Result<ModelSpend, EvaluationError> {
        let highest = self.survey.everybody().map(Respondent::row).max();
        let rows = rows(highest.unwrap_or(0) as usize);
        let mut total = CellSpend::default();
        for of_rows in in_parallel(&rows, |rows| self.spend_of_rows(model, rows.clone(), stop)) {
            total.add(&of_rows?);
        }
        Ok(ModelSpend::new(&self.experiment.models[model.0 as usize], &total))
    }

    fn spend_of_rows(
        &self,
        model: ModelId,
        rows: RangeInclusive<u32>,
        stop: &CancellationToken,
    ) -> Result<CellSpend, EvaluationError> {
        let mut total = CellSpend::default();
        for row in self.ledger.spend_of_rows(model, rows)? {
            if stop.is_cancelled() {
                return Err(EvaluationError::Interrupted);
            }
            total.add(&row?.1);
        }
        Ok(total)
    }
}

/// All rows of the ledger, which count from 1, of a survey whose respondents have numbers up to this.
fn rows(respondents: usize) -> Vec<RangeInclusive<u32>> {
    let row = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    (0..respondents).step_by(ROWS).map(|before| row(before + 1)..=row(respondents.min(before + ROWS))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_range() {
        for respondents in [0, 1, 1_023, 1_024, 1_025, 97_220] {
            let all: Vec<usize> = rows(respondents).into_iter().flatten().map(|row| row as usize).collect();
            assert_eq!(all, (1..=respondents).collect::<Vec<_>>());
        }
    }
}
