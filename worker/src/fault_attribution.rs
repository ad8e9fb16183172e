//! Decides whose fault a run of failures is: a task that fails alone may be at fault, tasks of many cells that fail in a row
//! are not.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use valuesim_shared::id::Cell;

/// Once the tasks of this many cells have failed with no answered call in between, no task is at fault.
const MAX_CONSECUTIVE: usize = 5;

/// The cells of one model whose tasks have failed since the last answered call, each apparently for reasons of its own.
#[derive(Debug, Default)]
pub(crate) struct FaultAttribution {
    failed: Mutex<HashSet<Cell>>,
    /// Whether any cell has failed. Spares each reply the lock.
    has_failures: AtomicBool,
}

impl FaultAttribution {
    /// Records that a task of `cell` has failed. Returns whether the task may be at fault, judging by the other failures.
    pub(crate) fn may_be_the_tasks_fault(&self, cell: Cell) -> bool {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.insert(cell);
        self.has_failures.store(true, Ordering::Relaxed);
        failed.len() < MAX_CONSECUTIVE
    }

    /// Forgets all failures, because a call was answered: the provider accepts calls.
    pub(crate) fn answered(&self) {
        if self.has_failures.load(Ordering::Relaxed) {
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.clear();
            self.has_failures.store(false, Ordering::Relaxed);
        }
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
    fn a_cell_that_fails_alone_may_be_at_fault_and_many_that_fail_in_a_row_are_not() {
        let attribution = FaultAttribution::default();
        assert!((0..20).all(|_| attribution.may_be_the_tasks_fault(cell(1))));
        assert!((2..5).all(|row| attribution.may_be_the_tasks_fault(cell(row))));
        assert!(!attribution.may_be_the_tasks_fault(cell(5)));
        assert!(!attribution.may_be_the_tasks_fault(cell(1)), "the first of them is not at fault either");
        attribution.answered();
        assert!(attribution.may_be_the_tasks_fault(cell(5)));
    }
}
