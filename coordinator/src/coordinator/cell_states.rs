//! Where each cell of a run stands: open, under way in the window, finished, or given up.

use valuesim_shared::id::Cell;

use crate::cell_bitmap::CellBitmap;

/// Where the cells stand. A cell in none of the sets is open.
#[derive(Debug, Default)]
pub(super) struct CellStates {
    under_way: CellBitmap,
    /// Those of them that were given up before, and have no place in the window.
    without_place: CellBitmap,
    finished: CellBitmap,
    dead: CellBitmap,
}

impl CellStates {
    /// Takes a place for an open cell; whether it was open.
    pub(super) fn place(&mut self, cell: Cell) -> bool {
        !self.is_settled(cell) && self.under_way.insert(cell)
    }

    /// Takes a cell in as finished; whether it had a place.
    pub(super) fn finish(&mut self, cell: Cell) -> bool {
        self.finished.insert(cell);
        self.dead.remove(cell);
        self.leave(cell)
    }

    /// Ends that a cell is under way; whether its place is free now.
    fn leave(&mut self, cell: Cell) -> bool {
        let has_place = !self.without_place.remove(cell);
        self.under_way.remove(cell) && has_place
    }

    /// Makes these the cells that are given up, but for those that are finished; returns those of them that had a place.
    /// Others that were given up are tried again: under way, whatever room there is.
    pub(super) fn set_dead(&mut self, cells: impl Iterator<Item = Cell>) -> Vec<Cell> {
        let dead: CellBitmap = cells.filter(|&cell| !self.finished.contains(cell)).collect();
        let former = std::mem::replace(&mut self.dead, dead);
        let tried_again: Vec<Cell> = former.iter().filter(|&cell| !self.is_settled(cell)).collect();
        self.without_place.extend(tried_again.iter().copied());
        self.under_way.extend(tried_again);
        let dead: Vec<Cell> = self.dead.iter().collect();
        dead.into_iter().filter(|&cell| self.leave(cell)).collect()
    }

    /// Whether nothing is to be done for the cell.
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
    fn a_cell_has_one_place_until_it_is_finished_or_given_up() {
        let mut cell_states = CellStates::default();
        assert!(cell_states.place(cell(1)) && cell_states.place(cell(2)) && !cell_states.place(cell(1)));
        assert!(cell_states.finish(cell(1)), "its place is free");
        assert!(!cell_states.finish(cell(1)) && !cell_states.finish(cell(3)), "it had none");
        assert!(!cell_states.place(cell(1)));
        check(&cell_states, 1, 2, 0);
        assert_eq!(cell_states.set_dead([cell(1), cell(2), cell(4)].into_iter()), [cell(2)]);
        check(&cell_states, 0, 2, 2);
        assert!(!cell_states.place(cell(4)));
    }

    #[test]
    fn a_cell_that_is_given_up_may_be_tried_again_and_finished() {
        let mut cell_states = CellStates::default();
        assert!(cell_states.place(cell(1)) && cell_states.place(cell(2)));
        cell_states.set_dead([cell(1), cell(2)].into_iter());
        assert!(cell_states.set_dead([cell(1)].into_iter()).is_empty());
        assert_eq!(cell_states.all_under_way(), [cell(2)]);
        assert!(!cell_states.finish(cell(2)), "its place was given back when it was given up");
        assert!(!cell_states.finish(cell(1)), "one that is given up has no place");
        check(&cell_states, 0, 2, 0);
    }
}
