//! Checks that the ledger has the cells of the plan, each one once and complete.

use std::collections::{BTreeMap, HashSet};

use valuesim_shared::id::{Cell, RunId};

use super::Check;
use crate::ledger::{DeadCells, Ledger, LedgerError};
use crate::outcome_rules::OutcomeRules;
use crate::plan::Plan;

/// The rows of a ledger, with their checksums checked.
pub(super) struct Rows {
    finished: HashSet<Cell>,
    dead: DeadCells,
    /// The models that answered, as the providers named them.
    pub(super) models: Vec<String>,
    set_aside: u64,
    /// How many cells were taken over, by the run that paid for them.
    taken: BTreeMap<RunId, u64>,
    check: Check,
}

impl Rows {
    pub(super) fn read(ledger: &Ledger, plan: &Plan, rules: &OutcomeRules) -> Result<Self, LedgerError> {
        let check = Check::new("ledger", "");
        let mut rows = Self {
            finished: HashSet::new(),
            dead: DeadCells::new(),
            models: Vec::new(),
            set_aside: ledger.rows_set_aside()?,
            taken: BTreeMap::new(),
            check,
        };
        match ledger.dead() {
            Ok(dead) => rows.dead = dead,
            Err(error @ LedgerError::Damaged { .. }) => rows.check.problem(error),
            Err(error) => return Err(error),
        }
        rows.read_cells(ledger)?;
        rows.read_spend(ledger, plan, rules)?;
        rows.check.said = format!("all pages and the rows of {} cells have their checksums", rows.finished.len());
        Ok(rows)
    }

    fn read_cells(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        let mut former = None;
        for row in ledger.finished()? {
            let Some(cell) = self.readable(row)? else { continue };
            if former.is_some_and(|former| former >= cell) || !self.finished.insert(cell) {
                self.check.problem(format_args!("{cell} is there twice, or out of its order"));
            }
            former = Some(cell);
        }
        Ok(())
    }

    fn read_spend(&mut self, ledger: &Ledger, plan: &Plan, rules: &OutcomeRules) -> Result<(), LedgerError> {
        let mut with_spend = HashSet::new();
        for model in plan.models() {
            for row in ledger.spend(model)? {
                let Some((cell, spend)) = self.readable(row)? else { continue };
                with_spend.insert(cell);
                for misfit in rules.misfits_of_spend(&spend) {
                    self.check.problem(format_args!("{cell}: {misfit}"));
                }
                if let Some(run) = spend.taken_from {
                    *self.taken.entry(run).or_default() += 1;
                }
                for model in spend.reported_models {
                    if !self.models.contains(&model) {
                        self.models.push(model);
                    }
                }
            }
        }
        let mut alone: Vec<&Cell> = self.finished.symmetric_difference(&with_spend).collect();
        alone.sort_unstable();
        for cell in alone {
            let table = if with_spend.contains(cell) { "spend" } else { "cells" };
            self.check.problem(format_args!("{cell} has a row in the table `{table}` alone"));
        }
        Ok(())
    }

    /// Adds a damaged row to the problems; any other error of the ledger is returned.
    fn readable<T>(&mut self, row: Result<T, LedgerError>) -> Result<Option<T>, LedgerError> {
        match row {
            Ok(row) => Ok(Some(row)),
            Err(error @ LedgerError::Damaged { .. }) => {
                self.check.problem(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn sums(&self) -> Check {
        self.check.clone()
    }

    /// How many cells of the plan are finished.
    pub(super) fn finished_of(&self, plan: &Plan) -> u64 {
        let is_there = |cell: &Cell| self.finished.contains(cell);
        plan.models().map(|model| plan.cells_of(model).filter(is_there).count() as u64).sum()
    }

    /// How many cells of the plan are dead.
    pub(super) fn dead_of(&self, plan: &Plan) -> u64 {
        let is_dead = |cell: &Cell| self.dead.contains_key(cell) && !self.finished.contains(cell);
        plan.models().map(|model| plan.cells_of(model).filter(is_dead).count() as u64).sum()
    }

    /// The first cell of the plan that is neither finished nor dead.
    pub(super) fn first_open(&self, plan: &Plan) -> Option<Cell> {
        let is_open = |cell: &Cell| !self.finished.contains(cell) && !self.dead.contains_key(cell);
        plan.models().find_map(|model| plan.cells_of(model).find(is_open))
    }
}

/// Checks that planned = finished + dead + open, and that the ledger has no other cells.
pub(super) fn counts(plan: &Plan, rows: &Rows) -> Check {
    let (planned, finished) = (plan.cells(), rows.finished_of(plan));
    let dead = rows.dead_of(plan);
    let open = planned - finished - dead;
    let dead = if dead == 0 { String::new() } else { format!("{dead} dead + ") };
    let said =
        format!("{planned} planned = {finished} finished + {dead}{open} open, no cell twice, none of another run");
    let mut check = Check::new("cells", said);
    check.said += &match rows.set_aside {
        0 => String::new(),
        aside => format!("; {aside} former rows of reopened cells are kept aside"),
    };
    for (run, cells) in &rows.taken {
        check.said += &format!("; {cells} were taken from run {run}");
    }
    let planned = plan.planned();
    let mut strangers: Vec<&Cell> = rows.finished.iter().filter(|&&cell| !planned.contains(cell)).collect();
    strangers.sort_unstable();
    for cell in strangers {
        check.problem(format_args!("{cell} is in the ledger and not in the plan"));
    }
    for cell in rows.dead.keys().filter(|cell| rows.finished.contains(cell)) {
        check.problem(format_args!("{cell} is finished and given up"));
    }
    check
}

/// Counts the finished cells that have a transcript, and checks that these are complete.
pub(super) fn transcripts(ledger: &Ledger, plan: &Plan, rows: &Rows) -> Result<Check, LedgerError> {
    let mut check = Check::new("transcripts", "");
    let mut kept = 0;
    for model in plan.models() {
        for cell in ledger.with_transcript(model)? {
            match cell {
                Ok(cell) if rows.finished.contains(&cell) => kept += 1,
                Ok(cell) => check.problem(format_args!("{cell} has a transcript and is not finished")),
                Err(error @ LedgerError::Damaged { .. }) => check.problem(error),
                Err(error) => return Err(error),
            }
        }
    }
    check.said = match (kept, rows.finished.len() - kept) {
        (0, _) => "none was kept".to_owned(),
        (_, 0) => format!("all {kept} finished cells have one"),
        (_, without) => format!("{kept} finished cells have one; none was kept for the other {without}"),
    };
    Ok(check)
}

/// Checks that every prediction is there, for each arm of the experiment one for each question of the fold that is asked, and
/// that each is possible.
pub(super) fn fits(ledger: &Ledger, plan: &Plan, rules: &OutcomeRules) -> Result<Check, LedgerError> {
    let mut check = Check::new("predictions", "every arm has a prediction for each question of its fold");
    let planned = plan.planned();
    for model in plan.models() {
        for row in ledger.results(model)? {
            match row {
                Ok((cell, result)) if planned.contains(cell) => {
                    for misfit in rules.misfits_of_result(cell, &result) {
                        check.problem(format_args!("{cell}: {misfit}"));
                    }
                }
                // Other checks report these.
                Ok(_) | Err(LedgerError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(check)
}
