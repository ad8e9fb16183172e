//! Computes a run's results.

mod accuracies;
mod answers;
mod batches;
mod breakdowns;
mod calibration;
mod comparisons;
mod distribution;
mod drawn_from;
mod evaluated;
mod files;
#[cfg(test)]
pub(crate) mod fixture;
mod groups;
mod module_counts;
mod notes;
mod parallel;
mod pass;
mod people;
mod questions;
mod rounds;
mod scored;
mod scored_cells;
mod sink;
mod spend;
mod stopping;
mod strata;
#[cfg(test)]
mod tests;

use std::thread;

use tokio_util::sync::CancellationToken;
use valuesim_shared::id::ModelId;
use valuesim_shared::method::Method;

use crate::baseline::Baselines;
use crate::facts;
use crate::predictions::Replies;
use crate::provenance;
use crate::results::{ArmResults, Missing, ModelSpend, ModuleResults, QuestionResults, RESULTS_VERSION, Results};
use crate::score::{Arm, Chance, Tallies, Whom};
use crate::taken_cells::runs_taken_from;
use answers::Layout;
use pass::Pass;
use scored_cells::ScoredCells;

pub(crate) use batches::Batches;
pub use evaluated::{Evaluated, EvaluationError};
pub use files::{CALLS_FILE, PEOPLE_FILE, PREDICTIONS_FILE, SCORES_FILE};
pub(crate) use groups::{Column, weights};
pub use groups::{ColumnError, check_columns};
pub(crate) use pass::PassArm;
pub(crate) use scored::Scored;
pub(crate) use scored_cells::ScoredPerson;
pub(crate) use sink::Sink;
pub(crate) use stopping::{Decision, Rule};

impl Evaluated<'_> {
    /// The run's results, from one pass over the ledger.
    ///
    /// Soon after `stop` is cancelled it returns an error that [is an interruption](EvaluationError::is_interruption).
    pub fn score(&self, stop: &CancellationToken) -> Result<Results, EvaluationError> {
        self.counted(stop, |scored, cells| self.results(scored, cells, self.all_spend(stop)?))
    }

    /// What `look` makes of the counts of one pass over the ledger, of the number of finished cells, and of what is missing.
    pub(crate) fn counted<T, E: From<EvaluationError>>(
        &self,
        stop: &CancellationToken,
        look: impl FnOnce(&Scored<'_>, (u64, Missing)) -> Result<T, E>,
    ) -> Result<T, E> {
        let columns = groups::Column::all(self.survey, self.codebook, &self.experiment.evaluation.by);
        let columns = columns.map_err(EvaluationError::from)?;
        let (cells, baselines) = thread::scope(|scope| {
            let baselines = scope.spawn(|| Baselines::new(self.survey, self.codebook));
            (ScoredCells::find(self), parallel::joined(baselines))
        });
        let cells = cells.map_err(EvaluationError::from)?;
        let chance = Chance::new(self.codebook, self.experiment.behaviour);
        let arms = self.arms(&cells.models);
        let groups = 1 + columns.iter().map(|column| column.groups.len()).sum::<usize>();
        let layout = Layout::new(self.codebook, arms.len(), groups);
        let tallies = Tallies::new(self.codebook, self.experiment.behaviour);
        let pass = Pass {
            of: self,
            without_model: (&baselines, &chance),
            arms: &arms,
            columns: &columns,
            layout: &layout,
            tallies: &tallies,
            stop,
        };
        let counts = pass.count(&cells.people)?;
        let strata = strata::stratified_sample(self, &cells.people);
        let scored = Scored {
            of: self,
            people: &cells.people,
            strata: strata.as_ref(),
            arms: &arms,
            columns: &columns,
            counts: &counts,
        };
        look(&scored, (cells.finished, cells.missing))
    }

    pub(crate) fn results(
        &self,
        scored: &Scored<'_>,
        (cells_finished, missing): (u64, Missing),
        spend: Vec<ModelSpend>,
    ) -> Result<Results, EvaluationError> {
        let Self { run, experiment, plan, survey, codebook, ledger, .. } = *self;
        let weights = groups::weights(survey, experiment.evaluation.weights.as_deref())?;
        let questions = questions::questions(scored);
        let of_models = &spend[..plan.models().count().min(spend.len())];
        let rounds = rounds::rounds(scored, of_models)?;
        Ok(Results {
            version: RESULTS_VERSION,
            run: run.clone(),
            title: experiment.name.clone().unwrap_or_else(|| run.to_string()),
            behaviour: experiment.behaviour,
            simulated: self.replies() == Replies::Simulated,
            synthetic_survey: survey.is_synthetic(),
            population: strata::population(plan),
            cells_planned: plan.cells(),
            cells_finished,
            cells_dead: ledger.dead()?.len() as u64,
            rounds,
            missing,
            facts: facts::facts(experiment, plan, survey, codebook),
            published_elsewhere: facts::published_elsewhere(experiment, plan, survey),
            weights: experiment.evaluation.weights.clone(),
            arms: arm_results(scored, weights.as_deref(), &questions),
            comparisons: comparisons::comparisons(scored),
            power: comparisons::power(scored),
            questions,
            breakdowns: breakdowns::breakdowns(scored),
            calibration: calibration::calibration(scored),
            people: people::people(scored),
            modules: module_results(scored),
            notes: notes::notes(scored),
            call_dates: ledger.call_dates()?,
            spend,
            provenance: provenance::lines(&provenance::with_cells_taken_of(
                ledger.provenance()?,
                runs_taken_from(ledger, plan)?,
            )),
        })
    }

    /// The methods without a model, then the arms of each scored model in the order of the tables.
    pub(crate) fn arms(&self, models: &[ModelId]) -> Vec<PassArm> {
        let baselines = Method::WITHOUT_MODEL.into_iter().map(|method| (Arm::without_model(method), None));
        let of_model = |&model: &ModelId| {
            let name = &self.experiment.models[model.0 as usize].name;
            let methods = Method::table_order(&self.experiment.methods).into_iter();
            methods.map(move |method| (Arm::with_model(method, name), Some(model)))
        };
        let all = baselines.chain(models.iter().flat_map(of_model));
        all.map(|(arm, model)| PassArm { arm, model }).collect()
    }
}

/// Each arm's scores. `weights` has one for each respondent of the survey, in the order of the file.
fn arm_results(scored: &Scored<'_>, weights: Option<&[f64]>, questions: &[QuestionResults]) -> Vec<ArmResults> {
    let of_people = |weights: &[f64]| -> Vec<f64> {
        let place = |person: &ScoredPerson| scored.of.survey.places().of(person.respondent);
        scored.people.iter().map(|person| weights[place(person)]).collect()
    };
    let weights = weights.map(of_people);
    let whom = Whom { sample: scored.sample(), strata: scored.strata, weights: weights.as_deref() };
    let positions: Vec<usize> = (0..scored.arms.len()).collect();
    parallel::in_parallel(&positions, |&arm| ArmResults {
        arm: scored.arms[arm].arm.clone(),
        score: scored.counts.scorers[arm].score(whom),
        distribution: questions::distribution(questions, arm),
    })
}

fn module_results(scored: &Scored<'_>) -> Vec<ModuleResults> {
    let counted = scored.arms.iter().zip(&scored.counts.modules);
    counted.filter_map(|(arm, counts)| Some(counts.as_ref()?.results(&arm.arm))).collect()
}
