//! Hands every prediction of a run to whoever writes or compares them, in the order of the predictions file.

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::{Cell, ModelId};
use valuesim_shared::method::Method;

use super::batches::Batches;
use super::evaluated::{Evaluated, EvaluationError};
use crate::baseline::Baselines;
use crate::predictions::{Batch, PredictionsWriter};
use crate::score::{Arm, Prediction};

/// Receives predictions.
pub(crate) trait Sink {
    /// Receives the predictions of one arm for one cell.
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError>;
}

/// Writes predictions until `stop` is cancelled.
pub(super) struct Until<'a> {
    pub(super) stop: &'a CancellationToken,
    pub(super) writer: PredictionsWriter,
}

impl Sink for Until<'_> {
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError> {
        if self.stop.is_cancelled() {
            return Err(EvaluationError::Interrupted);
        }
        Ok(self.writer.write(batch, predictions)?)
    }
}

impl Evaluated<'_> {
    /// Hands over the predictions of the baselines that predict answers, then those of each model's arms, whether or not
    /// their cells are scored. `chance` predicts no answers: it is scored by what a guess is expected to be.
    pub(crate) fn hand_over(&self, sink: &mut dyn Sink) -> Result<(), EvaluationError> {
        let batches = Batches::new(self)?;
        let baselines = Baselines::new(self.survey, self.codebook);
        for method in Method::WITHOUT_MODEL.into_iter().filter(|&method| method != Method::Chance) {
            self.hand_over_baseline(&batches, &baselines, method, sink)?;
        }
        self.plan.models().try_for_each(|model| self.hand_over_model(&batches, model, sink))
    }

    fn hand_over_baseline(
        &self,
        batches: &Batches<'_>,
        baselines: &Baselines<'_>,
        method: Method,
        sink: &mut dyn Sink,
    ) -> Result<(), EvaluationError> {
        let arm = Arm::without_model(method);
        for &respondent in self.plan.respondents() {
            for &fold in self.plan.folds() {
                let predictions = baselines.predictions(method, respondent, self.plan.split().asked(fold));
                let cell = Cell { model: ModelId(0), respondent, fold };
                sink.write(&batches.of_cell(&arm, cell), &predictions)?;
            }
        }
        Ok(())
    }

    fn hand_over_model(
        &self,
        batches: &Batches<'_>,
        model: ModelId,
        sink: &mut dyn Sink,
    ) -> Result<(), EvaluationError> {
        let name = &self.experiment.models[model.0 as usize].name;
        let methods = Method::table_order(&self.experiment.methods);
        let arms: Vec<Arm> = methods.into_iter().map(|method| Arm::with_model(method, name)).collect();
        for row in self.ledger.results(model)? {
            let (cell, result) = row?;
            for arm in &arms {
                let predictions = self.predictions(cell, &result, arm.method)?;
                sink.write(&batches.of_cell(arm, cell), &predictions)?;
            }
        }
        Ok(())
    }
}
