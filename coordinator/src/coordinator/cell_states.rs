//! The state of each cell of a run: open, in progress, finished or dead.

use valuesim_shared::id::Cell;

use crate::cell_bitmap::CellBitmap;

/// The states of the cells. A cell in none of the sets is open.
#[derive(Debug, Default)]
pub(super) struct CellStates {
    under_way: CellBitmap,
    /// Cells in progress that were dead before, and have no slot in the window.
    without_slot: CellBitmap,
    finished: CellBitmap,
    dead: CellBitmap,
}

impl CellStates {
    /// Starts an open cell in a slot of the window; returns whether it was open.
    pub(super) fn start(&mut self, cell: Cell) -> bool {
        !self.is_settled(cell) && self.under_way.insert(cell)
    }

    /// Marks a cell as finished; returns whether it had a slot.
    pub(super) fn finish(&mut self, cell: Cell) -> bool {
        self.finished.insert(cell);
        self.dead.remove(cell);
        self.leave(cell)
    }

    /// Takes a cell out of progress; returns whether that frees a slot.
    fn leave(&mut self, cell: Cell) -> bool {
        let has_slot = !self.without_slot.remove(cell);
        self.under_way.remove(cell) && has_slot
    }

    /// Replaces the dead cells, except for those that are finished; returns those that had a slot. Cells that are no longer dead
    /// are in progress again, even if the window is full.
    pub(super) fn set_dead(&mut self, cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
        let dead: CellBitmap = cells.filter(|&cell| !self.finished.contains(cell)).collect();
        let former = std::mem::replace(&mut self.dead, dead);
        let tried_again: Vec<Cell> = former.iter().filter(|&cell| !self.is_settled(cell)).collect();
        self.without_slot.extend(tried_again.iter().copied());
        self.under_way.extend(tried_again);
        let dead: Vec<Cell> = self.dead.iter().collect();
        dead.into_iter().filter(|&cell| self.leave(cell)).collect()
    }

    /// Whether the cell is finished or dead.
    pub(super) fn is_settled(&self, cell: Cell) -> bool {
        self.finished.contains(cell) || self.dead.contains(cell)
    }

    pub(super) fn all_under_way(&self) -> Vec<Cell> {
        self.under_way.iter().collect()
    }

    pub(super) fn all_finished(&self) -> Vec<Cell> {
        self.finished.iter().collect()
    }

    pub(super) fn finished(&self) -> u64 {
        self.finished.len()
    }

    pub(super) fn dead(&self) -> u64 {
        self.dead.len()
    }

    pub(super) fn under_way(&self) -> u64 {
        self.under_way.len()
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

    fn check(cell_states: &CellStates, under_way: u64, finished: u64, dead: u64) {
        assert_eq!((cell_states.under_way(), cell_states.finished(), cell_states.dead()), (under_way, finished, dead));
    }

    #[test]
    fn a_cell_has_one_slot_until_it_is_finished_or_dead() {
        let mut cell_states = CellStates::default();
        assert!(cell_states.start(cell(1)) && cell_states.start(cell(2)) && !cell_states.start(cell(1)));
        assert!(cell_states.finish(cell(1)), "its slot is free");
        assert!(!cell_states.finish(cell(1)) && !cell_states.finish(cell(3)), "it had none");
        assert!(!cell_states.start(cell(1)));
        check(&cell_states, 1, 2, 0);
        assert_eq!(cell_states.set_dead([cell(1), cell(2), cell(4)].into_iter()), [cell(2)]);
        check(&cell_states, 0, 2, 2);
        assert!(!cell_states.start(cell(4)));
    }

    #[test]
    fn a_dead_cell_may_be_tried_again_and_finished() {
        let mut cell_states = CellStates::default();
        assert!(cell_states.start(cell(1)) && cell_states.start(cell(2)));
        cell_states.set_dead([cell(1), cell(2)].into_iter());
        assert!(cell_states.set_dead([cell(1)].into_iter()).is_empty());
        assert_eq!(cell_states.all_under_way(), [cell(2)]);
        assert!(!cell_states.finish(cell(2)), "its slot was freed when it died");
        assert!(!cell_states.finish(cell(1)), "a dead cell has no slot");
        check(&cell_states, 0, 2, 0);
    }
}
