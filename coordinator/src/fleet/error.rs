//! Why a fleet's coordinator ends with an error.

use std::path::PathBuf;

use valuesim_shared::control::ControlError;
use valuesim_shared::queue::QueueError;
use valuesim_shared::store::StoreError;

use super::AlreadyCoordinated;
use crate::coordinator::CoordinatorError;

/// Why a fleet's coordinator ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Another process coordinates the run.
    #[error(transparent)]
    AlreadyCoordinated(#[from] AlreadyCoordinated),
    /// The coordinator of the run cannot go on.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// The broker failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Orders and signs of life cannot be exchanged.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The file that says how far the run is dispatched cannot be removed.
    #[error("remove {path}: {source}", path = path.display())]
    Cursor {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
