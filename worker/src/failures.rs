//! Which cells' tasks failed in a row: many different ones are no task's fault.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use valuesim_shared::id::Cell;

/// So many different cells' tasks fail in a row, with no call answered between them: then it is not the tasks that are at
/// fault.
const MAX_CONSECUTIVE: usize = 5;

/// Cells of one model whose tasks failed for what seemed to be their own reasons since the last call that was answered.
#[derive(Debug, Default)]
pub(crate) struct FailedCells {
    cells: Mutex<HashSet<Cell>>,
    /// Looked at with each reply.
    are_some: AtomicBool,
}

impl FailedCells {
    /// Takes a cell in; whether it may be its own fault, as far as the others tell.
    pub(crate) fn may_be_at_fault(&self, cell: Cell) -> bool {
        let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        cells.insert(cell);
        self.are_some.store(true, Ordering::Relaxed);
        cells.len() < MAX_CONSECUTIVE
    }

    /// A call was answered: the provider takes calls.
    pub(crate) fn answered(&self) {
        if self.are_some.load(Ordering::Relaxed) {
            let mut cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
            cells.clear();
            self.are_some.store(false, Ordering::Relaxed);
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
    fn one_cell_is_at_fault_however_often_and_many_are_not() {
        let failed = FailedCells::default();
        assert!((0..20).all(|_| failed.may_be_at_fault(cell(1))));
        assert!((2..5).all(|row| failed.may_be_at_fault(cell(row))));
        assert!(!failed.may_be_at_fault(cell(5)));
        assert!(!failed.may_be_at_fault(cell(1)), "nor is the first of them");
        failed.answered();
        assert!(failed.may_be_at_fault(cell(5)));
    }
}
