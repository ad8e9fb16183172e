//! How much work a worker has taken: calls that are ready to be made or under way.
//!
//! A worker takes another task while this is below the number of calls that it may have in flight. So it always has
//! enough ready to fill its places, and never holds more cells than it can feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A shared count of calls that wait or run.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// How many calls there may be before no more work is taken.
    capacity: usize,
    calls: AtomicUsize,
    fell: Notify,
}

impl Demand {
    /// No calls yet, and room for `capacity`.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { state: Arc::new(State { capacity, calls: AtomicUsize::new(0), fell: Notify::new() }) }
    }

    /// Counts `calls` more until the guard is dropped.
    pub(crate) fn hold(&self, calls: usize) -> Held {
        self.state.calls.fetch_add(calls, Ordering::Relaxed);
        Held { demand: self.clone(), calls }
    }

    /// Waits until fewer calls than the capacity wait or run.
    pub(crate) async fn room(&self) {
        loop {
            let fell = self.state.fell.notified();
            if self.state.calls.load(Ordering::Relaxed) < self.state.capacity {
                return;
            }
            fell.await;
        }
    }

    fn release(&self, calls: usize) {
        let before = self.state.calls.fetch_sub(calls, Ordering::Relaxed);
        let is_room = before - calls < self.state.capacity;
        if is_room && before >= self.state.capacity {
            // One loop for each model waits here; a stored permit makes sure that it sees the latest count.
            self.state.fell.notify_one();
        }
    }
}

/// Calls that are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    demand: Demand,
    calls: usize,
}

impl Held {
    /// Splits one call off, to be given back on its own.
    pub(crate) fn split_one(&mut self) -> Self {
        let calls = self.calls.min(1);
        self.calls -= calls;
        Self { demand: self.demand.clone(), calls }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.demand.release(self.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_appears_when_calls_are_given_back() {
        let demand = Demand::new(3);
        let mut held = demand.hold(3);
        let one = held.split_one();
        let waiting = tokio::spawn({
            let demand = demand.clone();
            async move { demand.room().await }
        });
        drop(one);
        waiting.await.expect("wakes up");
        drop(held);
        demand.room().await;
    }

    #[test]
    fn what_is_split_off_is_counted_once() {
        let demand = Demand::new(1);
        let mut held = demand.hold(2);
        let parts = [held.split_one(), held.split_one(), held.split_one()];
        assert_eq!(parts.iter().map(|part| part.calls).sum::<usize>(), 2);
        drop(parts);
        drop(held);
        assert_eq!(demand.state.calls.load(Ordering::Relaxed), 0);
    }
}
