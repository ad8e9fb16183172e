//! Keeps a run's scores up to date, cell by cell: what a new cell changes is taken out of the sums and put in anew.
//!
//! A person is scored over the folds that all models have finished. When one more is, the person's rows are read from the
//! ledger by their key, and the person's former score is replaced: nothing is kept for each person but the bits that say
//! which cells are finished.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::control::{CONTROL_VERSION, RunScores, Scored, UnixMillis};
use valuesim_shared::id::{Cell, Fold, ModelId, Respondent};

use super::person::PersonScorer;
use super::sums::ArmSums;
use crate::cell_bitmap::CellBitmap;
use crate::evaluation::{Evaluated, EvaluationError, PassArm};
use crate::predictions::Replies;
use crate::statistics::Sample;

/// The scores of a run's finished cells.
pub(super) struct Tracker<'a> {
    of: Evaluated<'a>,
    scorer: PersonScorer<'a>,
    finished: CellBitmap,
    /// The models that have finished any cell: those whose arms are scored.
    models: BTreeSet<ModelId>,
    arms: Vec<PassArm>,
    /// By arm.
    sums: Vec<ArmSums>,
    cells: u64,
    persons: u64,
    persons_in_part: u64,
}

impl<'a> Tracker<'a> {
    /// Scores of no cells.
    pub(super) fn new(of: Evaluated<'a>) -> Self {
        let (finished, models) = (CellBitmap::default(), BTreeSet::new());
        let mut tracker = Self {
            of,
            scorer: PersonScorer::new(of),
            finished,
            models,
            arms: Vec::new(),
            sums: Vec::new(),
            cells: 0,
            persons: 0,
            persons_in_part: 0,
        };
        tracker.clear();
        tracker
    }

    /// Adds cells of the plan that the ledger has. Cells that were added before change nothing.
    ///
    /// # Errors
    /// If the ledger cannot be read, or if `is_stopped`; the scores are then of no use.
    pub(super) fn add(&mut self, cells: &CellBitmap, is_stopped: &dyn Fn() -> bool) -> Result<(), EvaluationError> {
        let models: BTreeSet<ModelId> = cells.iter().map(|cell| cell.model).collect();
        if models.is_subset(&self.models) {
            return self.add_to_sums(cells, is_stopped);
        }
        // Another model's arms are scored from now on, and all arms over what this one has finished, too.
        self.models.extend(models);
        self.finished.extend(cells.iter());
        self.clear();
        for respondent in self.of.plan.respondents() {
            let now = self.scored_folds(*respondent);
            self.replace(*respondent, &[], &now, is_stopped)?;
        }
        Ok(())
    }

    fn add_to_sums(&mut self, cells: &CellBitmap, is_stopped: &dyn Fn() -> bool) -> Result<(), EvaluationError> {
        let mut new: BTreeMap<Respondent, Vec<Cell>> = BTreeMap::new();
        for cell in cells.iter().filter(|&cell| !self.finished.contains(cell)) {
            new.entry(cell.respondent).or_default().push(cell);
        }
        for (respondent, cells) in new {
            let before = self.scored_folds(respondent);
            self.finished.extend(cells);
            let now = self.scored_folds(respondent);
            self.replace(respondent, &before, &now, is_stopped)?;
        }
        Ok(())
    }

    /// The run's scores now.
    pub(super) fn scores(&self) -> RunScores {
        let Evaluated { run, experiment, plan, .. } = self.of;
        let sample = Sample { people: self.persons, population: plan.population() };
        let arms = self.arms.iter().zip(&self.sums);
        RunScores {
            version: CONTROL_VERSION,
            run: run.clone(),
            simulated: self.of.replies() == Replies::Simulated,
            cells: Scored { scored: self.cells, planned: plan.cells_per_model() },
            persons: Scored { scored: self.persons, planned: plan.respondents().len() as u64 },
            persons_in_part: self.persons_in_part,
            arms: arms.map(|(arm, sums)| sums.scores(&arm.arm, sample, experiment.behaviour)).collect(),
            at: UnixMillis::now(),
        }
    }

    /// Empties the sums, and has one for each arm of the models.
    fn clear(&mut self) {
        let models: Vec<ModelId> = self.models.iter().copied().collect();
        self.arms = self.of.arms(&models);
        self.sums = vec![ArmSums::default(); self.arms.len()];
        (self.cells, self.persons, self.persons_in_part) = (0, 0, 0);
    }

    /// The folds of a person that all models have finished, in the plan's order.
    fn scored_folds(&self, respondent: Respondent) -> Vec<Fold> {
        let is_scored = |fold: &Fold| {
            let has = |&model: &ModelId| self.finished.contains(Cell { model, respondent, fold: *fold });
            !self.models.is_empty() && self.models.iter().all(has)
        };
        self.of.plan.folds().iter().copied().filter(is_scored).collect()
    }

    /// Replaces a person's score over the folds `before` by the one over `now`, which has all of them and maybe more.
    fn replace(
        &mut self,
        respondent: Respondent,
        before: &[Fold],
        now: &[Fold],
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<(), EvaluationError> {
        if before == now {
            return Ok(());
        }
        if is_stopped() {
            return Err(EvaluationError::Interrupted);
        }
        let scores = self.scorer.score(&self.arms, respondent, now)?;
        for (arm, sums) in self.sums.iter_mut().enumerate() {
            sums.replace(scores.of_arm(arm, before).as_ref(), scores.of_arm(arm, now).as_ref());
        }
        let is_in_part = |folds: &[Fold]| u64::from(!folds.is_empty() && folds.len() < self.of.plan.folds().len());
        self.cells += (now.len() - before.len()) as u64;
        self.persons += u64::from(before.is_empty());
        self.persons_in_part = self.persons_in_part + is_in_part(now) - is_in_part(before);
        Ok(())
    }
}
