//! Counts the outcomes of each cell that did not fit the plan.
//!
//! Whoever can write to the results queue can forge an outcome, so a refused one says nothing about its cell: the genuine one
//! may be on its way. Only if none comes, and the cell's worker makes the same wrong one again and again, is the cell dead.

use std::collections::{HashMap, HashSet};

use valuesim_shared::id::Cell;

use crate::ledger::DeadCells;

/// A cell is sent again when its outcome was refused, until this many were.
const MAX_REFUSALS: u32 = 3;

/// The refused outcomes of cells that are not finished.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    times: HashMap<Cell, u32>,
    given_up: HashSet<Cell>,
}

impl Refusals {
    /// None so far, with the cells that were dead when a former coordinator ended.
    pub(super) fn given_up_before(dead: impl Iterator<Item = Cell>) -> Self {
        Self { times: HashMap::new(), given_up: dead.collect() }
    }

    /// Counts a refused outcome.
    pub(super) fn add(&mut self, cell: Cell) {
        let times = self.times.entry(cell).or_default();
        *times = times.saturating_add(1);
    }

    /// Splits cells that are neither on a queue nor with a worker: returns those to send again, and gives the others up.
    pub(super) fn worth_another_try(&mut self, lost: Vec<Cell>) -> Vec<Cell> {
        let times = |cell: &Cell| self.times.get(cell).copied().unwrap_or(0);
        let (again, hopeless): (Vec<Cell>, Vec<Cell>) = lost.into_iter().partition(|cell| times(cell) < MAX_REFUSALS);
        self.given_up.extend(hopeless);
        again
    }

    pub(super) fn is_given_up(&self, cell: Cell) -> bool {
        self.given_up.contains(&cell)
    }

    /// Forgets the cells that were given up and are not dead any more, because their dead letters are gone.
    pub(super) fn only_of(&mut self, dead: &DeadCells) {
        let Self { times, given_up } = self;
        given_up.retain(|cell| {
            let is_dead = dead.contains_key(cell);
            if !is_dead {
                times.remove(cell);
            }
            is_dead
        });
    }
}

#[cfg(test)]
mod tests {
    use valuesim_shared::id::{Fold, ModelId, Respondent};

    use super::*;

    fn cell(row: u32) -> Cell {
        let respondent = Respondent::new(row).expect("not 0");
        Cell { model: ModelId(0), respondent, fold: Fold::new(1).expect("not 0") }
    }

    #[test]
    fn a_cell_is_given_up_only_if_it_is_lost_and_was_refused_three_times() {
        let mut refusals = Refusals::default();
        for _ in 0..5 {
            refusals.add(cell(1));
        }
        refusals.add(cell(2));
        assert!(!refusals.is_given_up(cell(1)), "it may still be in progress");
        assert_eq!(refusals.worth_another_try(vec![cell(1), cell(2), cell(3)]), [cell(2), cell(3)]);
        assert!(refusals.is_given_up(cell(1)) && !refusals.is_given_up(cell(2)));
        refusals.only_of(&DeadCells::new());
        assert!(!refusals.is_given_up(cell(1)));
        assert_eq!(refusals.worth_another_try(vec![cell(1)]), [cell(1)], "it begins anew");
    }
}
