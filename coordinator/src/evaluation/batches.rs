//! Says what the predictions of an arm for a cell have in common, wherever they are written, exported or compared.

use valuesim_shared::id::{Cell, ModelId};

use super::evaluated::Evaluated;
use super::scored_cells::ScoredCells;
use crate::cell_bitmap::CellBitmap;
use crate::ledger::LedgerError;
use crate::predictions::{Batch, Replies};
use crate::score::Arm;

/// What a run's predictions have in common, cell by cell.
pub(crate) struct Batches<'a> {
    of: &'a Evaluated<'a>,
    replies: Replies,
    scored: CellBitmap,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(of: &'a Evaluated<'a>) -> Result<Self, LedgerError> {
        Ok(Self { of, replies: of.replies(), scored: ScoredCells::find(of)?.bitmap() })
    }

    /// What the predictions of an arm for a cell have in common. For an arm without a model, the cell's model means nothing.
    pub(crate) fn of_cell<'b>(&'b self, arm: &'b Arm, cell: Cell) -> Batch<'b> {
        let country = self.of.codebook.country(self.of.survey.country(cell.respondent));
        Batch {
            arm,
            respondent: cell.respondent,
            country: country.map_or("", |country| country.alpha.as_str()),
            fold: cell.fold,
            replies: if arm.model.is_some() { self.replies } else { Replies::Real },
            is_scored: self.scored.contains(Cell { model: ModelId(0), ..cell }),
        }
    }
}
