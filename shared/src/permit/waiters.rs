//! Counts the calls that wait for a limit.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::counted::Counted;

/// How many calls wait for a limit.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    count: AtomicU32,
}

impl Waiters {
    /// Counts one more call until the guard is dropped, because a call may be cancelled while it waits.
    pub(super) fn add(&self) -> Counted<'_> {
        Counted::new(&self.count)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }
}
