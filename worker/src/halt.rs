//! Why a task ended without a result.

use crate::error::WorkerError;

/// Why a task did not end as it should.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The worker is to stop; what was done is in the store.
    Stopped,
    /// The worker cannot go on.
    Failed(WorkerError),
}

impl<E: Into<WorkerError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
