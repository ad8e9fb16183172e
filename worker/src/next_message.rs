//! The result of a stage: the message to send next.

use valuesim_shared::outcome::CellOutcome;
use valuesim_shared::task::Task;

/// The message that takes a cell to its next step.
pub(crate) enum NextMessage {
    /// The cell's next task.
    Task(Task),
    /// The outcome of the finished cell.
    Outcome(Box<CellOutcome>),
}
