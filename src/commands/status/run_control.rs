//! Where orders for one run go, and what is kept about it: the store of a fleet, or the folder of a run in one process.

use valuesim_shared::control::{Change, Control as _, ControlError, FolderControl, History, Order, RedisControl};
use valuesim_shared::id::RunId;

/// The orders and records of a run.
#[derive(Debug, Clone)]
pub(crate) enum RunControl {
    Store(RedisControl),
    Folder(FolderControl),
}

impl RunControl {
    /// Gives an order, and records it among the changes.
    pub(crate) async fn order(&self, run: &RunId, order: &Order) -> Result<(), ControlError> {
        match self {
            Self::Store(control) => control.give_order(run, order).await?,
            Self::Folder(control) => control.give_order(run, order).await?,
        }
        self.note(run, &order.into()).await
    }

    /// Records a change.
    pub(crate) async fn note(&self, run: &RunId, change: &Change) -> Result<(), ControlError> {
        match self {
            Self::Store(control) => control.note_change(run, change).await,
            Self::Folder(control) => control.note_change(run, change).await,
        }
    }

    /// The history of the run.
    pub(crate) async fn history(&self, run: &RunId) -> Result<Option<History>, ControlError> {
        match self {
            Self::Store(control) => control.history(run).await,
            Self::Folder(control) => control.history(run).await,
        }
    }
}
