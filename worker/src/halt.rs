//! Why a task ended without a result.

use crate::error::WorkerError;

/// Why a task ended without a result.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The worker was asked to stop. The replies so far are in the store.
    Stopped,
    /// The worker cannot continue.
    Failed(WorkerError),
}

impl<E: Into<WorkerError>> From<E> for Halt {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// Returns all values, or the worst reason why one of them is missing.
pub(crate) fn all_or_halt<T>(ended: Vec<Result<T, Halt>>) -> Result<Vec<T>, Halt> {
    let mut values = Vec::with_capacity(ended.len());
    let mut halted = None;
    for end in ended {
        match end {
            Ok(value) => values.push(value),
            Err(halt) => halted = Some(worse(halted, halt)),
        }
    }
    halted.map_or(Ok(values), Err)
}

/// The worse of two reasons. A failure is worse than a stop.
pub(crate) fn worse(one: Option<Halt>, other: Halt) -> Halt {
    match one {
        Some(failed @ Halt::Failed(_)) => failed,
        Some(Halt::Stopped) | None => other,
    }
}
