//! Computes a run's scores and writes its predictions file in one pass over the ledger.

use std::path::Path;

use tokio_util::sync::CancellationToken;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::Experiment;
use valuesim_shared::id::{Cell, ModelId, QuestionId, Respondent, RunId};
use valuesim_shared::method::Method;
use valuesim_shared::outcome::{CellResult, CellSpend};
use valuesim_shared::survey::Survey;

use crate::baseline::Baselines;
use crate::ledger::{Ledger, LedgerError};
use crate::plan::Plan;
use crate::predictions::{About, Batch, PredictionsError, PredictionsWriter, Replies};
use crate::results::{ArmResults, DistributionSummary, ModelSpend};
use crate::retrieval::KeptVectors;
use crate::score::{Arm, Misfit, Prediction, Scorer};

/// The name of the predictions file in a run folder.
pub const PREDICTIONS_FILE: &str = "predictions.parquet";

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
    /// The predictions file failed.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
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

/// The results of evaluating a run's ledger.
#[derive(Debug)]
pub struct Evaluation {
    /// Every arm's score, methods without a model first.
    pub arms: Vec<ArmResults>,
    /// What each model's calls used, and the embeddings.
    pub spend: Vec<ModelSpend>,
    /// Cells in the ledger.
    pub cells_finished: u64,
    /// Cells that were given up.
    pub cells_dead: u64,
    /// Where the replies came from.
    pub replies: Replies,
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
    /// Scores all arms and writes `predictions.parquet` into `folder`. Memory does not grow with the respondents.
    ///
    /// Soon after `stop` is cancelled it returns an error that [is an interruption](EvaluationError::is_interruption).
    pub fn evaluate(&self, folder: &Path, stop: &CancellationToken) -> Result<Evaluation, EvaluationError> {
        let writer = PredictionsWriter::create(&folder.join(PREDICTIONS_FILE), self.codebook, &self.about())?;
        let mut sink = Until { stop, writer };
        let evaluation = self.score(&mut sink)?;
        sink.writer.finish()?;
        Ok(evaluation)
    }

    /// The metadata of the predictions file.
    pub(crate) fn about(&self) -> About {
        About {
            run: self.run.clone(),
            behaviour: self.experiment.behaviour,
            replies: self.replies(),
            survey: self.survey.edition().version.clone(),
        }
    }

    /// Scores all arms and hands every prediction to `sink`, in the order of the predictions file.
    pub(crate) fn score(&self, sink: &mut dyn Sink) -> Result<Evaluation, EvaluationError> {
        let mut arms = self.without_model(sink)?;
        let mut spend = Vec::new();
        let mut cells_finished = 0;
        for model in self.plan.models() {
            cells_finished += self.with_model(model, sink, &mut arms)?;
            spend.push(self.spend(model, sink)?);
        }
        spend.extend(self.spend_on_embeddings());
        let cells_dead = self.ledger.dead()?.len() as u64;
        Ok(Evaluation { arms, spend, cells_finished, cells_dead, replies: self.replies() })
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

    fn without_model(&self, sink: &mut dyn Sink) -> Result<Vec<ArmResults>, EvaluationError> {
        let baselines = Baselines::new(self.survey, self.codebook);
        let mut results = Vec::new();
        for method in Method::WITHOUT_MODEL {
            let mut scored = ScoredArm::new(self, Arm::without_model(method), Replies::Real);
            for &respondent in self.plan.respondents() {
                for &fold in self.plan.folds() {
                    let predict = |&question: &QuestionId| {
                        let truth = self.survey.code(respondent, question);
                        Prediction::without_model(question, truth, baselines.predict(method, respondent, question))
                    };
                    let predictions = self.plan.split().held_out(fold).iter().map(predict).collect();
                    // The cell's model has no meaning here.
                    scored.add(Cell { model: ModelId(0), respondent, fold }, predictions, sink)?;
                }
            }
            results.push(scored.finish());
        }
        Ok(results)
    }

    fn with_model(
        &self,
        model: ModelId,
        sink: &mut dyn Sink,
        results: &mut Vec<ArmResults>,
    ) -> Result<u64, EvaluationError> {
        let name = &self.experiment.models[model.0 as usize].name;
        let methods = Method::table_order(&self.experiment.methods).into_iter();
        let arm = |method| ScoredArm::new(self, Arm::with_model(method, name), self.replies());
        let mut arms: Vec<_> = methods.map(arm).collect();
        let mut cells = 0;
        for row in self.ledger.results(model)? {
            let (cell, result) = row?;
            for arm in &mut arms {
                let predictions = self.predictions(cell, &result, arm.arm.method)?;
                arm.add(cell, predictions, sink)?;
            }
            cells += 1;
        }
        results.extend(arms.into_iter().map(ScoredArm::finish));
        Ok(cells)
    }

    pub(crate) fn predictions(
        &self,
        cell: Cell,
        result: &CellResult,
        method: Method,
    ) -> Result<Vec<Prediction>, EvaluationError> {
        let held_out = self.plan.split().held_out(cell.fold);
        let truth = |question| self.survey.code(cell.respondent, question);
        let arm = result.arms.iter().find(|arm| arm.method == method);
        let predictions = match arm {
            Some(arm) => Prediction::of_cell(arm, held_out, truth),
            None => Err(Misfit { method, expected: held_out.len(), found: 0 }),
        };
        predictions.map_err(|misfit| EvaluationError::Misfit { cell, misfit })
    }

    /// What the predictions of an arm for a cell have in common.
    pub(crate) fn batch<'b>(&'b self, arm: &'b Arm, cell: Cell, replies: Replies) -> Batch<'b> {
        let country = self.codebook.country(self.survey.country(cell.respondent));
        Batch {
            arm,
            respondent: cell.respondent,
            country: country.map_or("", |country| country.alpha.as_str()),
            fold: cell.fold,
            replies,
        }
    }

    fn spend_on_embeddings(&self) -> Option<ModelSpend> {
        let settings = self.experiment.embeddings.as_ref()?.as_model();
        Some(ModelSpend::new(&settings, self.vectors?.spend()))
    }

    fn spend(&self, model: ModelId, sink: &dyn Sink) -> Result<ModelSpend, EvaluationError> {
        let mut total = CellSpend::default();
        for row in self.ledger.spend(model)? {
            sink.check_wanted()?;
            total.add(&row?.1);
        }
        Ok(ModelSpend::new(&self.experiment.models[model.0 as usize], &total))
    }
}

/// Receives predictions as they are scored.
pub(crate) trait Sink {
    /// Receives the predictions of one arm for one cell.
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError>;

    /// Fails if the remaining predictions are not wanted.
    fn check_wanted(&self) -> Result<(), EvaluationError> {
        Ok(())
    }
}

/// Writes predictions until `stop` is cancelled.
struct Until<'a> {
    stop: &'a CancellationToken,
    writer: PredictionsWriter,
}

impl Sink for Until<'_> {
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError> {
        self.check_wanted()?;
        Ok(self.writer.write(batch, predictions)?)
    }

    fn check_wanted(&self) -> Result<(), EvaluationError> {
        if self.stop.is_cancelled() { Err(EvaluationError::Interrupted) } else { Ok(()) }
    }
}

/// An arm that is being scored. Keeps one person's predictions in memory at a time.
struct ScoredArm<'a> {
    of: &'a Evaluated<'a>,
    arm: Arm,
    replies: Replies,
    scorer: Scorer<'a>,
    person: Option<Respondent>,
    predictions: Vec<Prediction>,
}

impl<'a> ScoredArm<'a> {
    fn new(of: &'a Evaluated<'a>, arm: Arm, replies: Replies) -> Self {
        let scorer = Scorer::new(of.codebook, of.experiment.behaviour);
        Self { of, arm, replies, scorer, person: None, predictions: Vec::new() }
    }

    /// Adds a cell. All cells of a person must come one after the other.
    fn add(&mut self, cell: Cell, predictions: Vec<Prediction>, sink: &mut dyn Sink) -> Result<(), EvaluationError> {
        if self.person != Some(cell.respondent) {
            self.close_person();
            self.person = Some(cell.respondent);
        }
        let batch = self.of.batch(&self.arm, cell, self.replies);
        sink.write(&batch, &predictions)?;
        self.predictions.extend(predictions);
        Ok(())
    }

    fn close_person(&mut self) {
        self.scorer.add_person(&self.predictions);
        self.predictions.clear();
    }

    fn finish(mut self) -> ArmResults {
        self.close_person();
        let score = self.scorer.score(self.of.plan.population());
        ArmResults { score, arm: self.arm, distribution: DistributionSummary::default() }
    }
}
