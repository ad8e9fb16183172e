//! The errors of a fleet's coordinator.

use std::path::PathBuf;

use valuesim_shared::control::ControlError;
use valuesim_shared::queue::QueueError;
use valuesim_shared::redis_connection::RedisConnectionError;
use valuesim_shared::store::StoreError;

use super::AlreadyCoordinated;
use crate::coordinator::CoordinatorError;
use crate::purse_book::BookError;
use crate::spent::SpentError;

/// Why a fleet's coordinator ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Another process coordinates the run.
    #[error(transparent)]
    AlreadyCoordinated(#[from] AlreadyCoordinated),
    /// Dispatching or receiving failed.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    /// The broker failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Orders or reports could not be exchanged.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The book of the run's budget failed.
    #[error(transparent)]
    Book(#[from] BookError),
    /// It cannot be said what the run has spent.
    #[error(transparent)]
    Spent(#[from] SpentError),
    /// The purses of the run's workers cannot be read or written.
    #[error("give out the run's budget: {0}")]
    Purses(#[from] RedisConnectionError),
    /// The cursor file could not be removed.
    #[error("remove {path}: {source}", path = path.display())]
    Cursor {
        /// Which file.
        path: PathBuf,
        /// The reason that the system gives.
        source: std::io::Error,
    },
}
