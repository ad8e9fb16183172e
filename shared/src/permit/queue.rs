//! A count of those who wait.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How many calls wait for something.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: AtomicUsize,
}

impl Queue {
    /// Counts one more until the guard is dropped: a call may be given up while it waits.
    pub(super) fn join(&self) -> Waiter<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiter(self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) == 0
    }
}

/// One who waits.
pub(super) struct Waiter<'a>(&'a Queue);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
