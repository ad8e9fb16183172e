//! What a stage leads to.

use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::task::Task;

/// The message that takes a cell on.
pub(crate) enum Next {
    /// The cell's next task.
    Task(Task),
    /// The cell is done.
    Outcome(Box<CellOutcome>),
}
