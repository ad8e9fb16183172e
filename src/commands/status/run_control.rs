//! Where orders for one run go, and what is kept about it: the store of a fleet, or the folder of a run in one process.

use valuesim_shared::control::{Change, Control, ControlError, FolderControl, History, Order, RedisControl};
use valuesim_shared::id::RunId;

/// The orders and records of a run.
#[derive(Debug, Clone)]
pub(crate) enum RunControl {
    Store(RedisControl),
    Folder(FolderControl),
}

impl RunControl {
    /// Gives an order, and records it among the changes. A budget that was set before stays.
    pub(crate) async fn order(&self, run: &RunId, order: Order) -> Result<Order, ControlError> {
        let given = match self {
            Self::Store(control) => give(control, run, order).await?,
            Self::Folder(control) => give(control, run, order).await?,
        };
        self.note(run, &Change::from(&given)).await?;
        Ok(given)
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

async fn give(control: &impl Control, run: &RunId, order: Order) -> Result<Order, ControlError> {
    let order = order.keeping_budget_of(control.order(run).await?.as_ref());
    control.give_order(run, &order).await?;
    Ok(order)
}
