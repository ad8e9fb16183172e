//! Why a worker process ends with an error.

use tokio::task::JoinError;
use valuesim_shared::store::StoreError;

use crate::error::WorkerError;

/// Why a worker process ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The worker of a run cannot continue.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The worker of a run panicked, which is a bug in this program.
    #[error("a worker panicked, which is a bug in this program: {0}")]
    Panicked(#[from] JoinError),
}

impl ProcessError {
    /// Whether it says that no worker like this one can serve a run before somebody changes something.
    pub(super) fn refuses_a_run(&self) -> bool {
        matches!(self, Self::Worker(error) if error.refusal().is_some())
    }

    /// Whether the user's settings are at fault: a key, a name, an address.
    pub fn is_configuration(&self) -> bool {
        matches!(self, Self::Worker(error) if error.is_configuration())
    }
}
