//! Counts the calls that wait for a limit.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls wait for a limit.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    count: AtomicUsize,
}

impl Waiters {
    /// Counts one more call until the guard is dropped, because a call may be cancelled while it waits.
    pub(super) fn add(&self) -> Waiter<'_> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Waiter(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }
}

/// A call that waits. It is no longer counted once this is dropped.
pub(super) struct Waiter<'a>(&'a Waiters);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}
