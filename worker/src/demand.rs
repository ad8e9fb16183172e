//! How much work a worker has taken: calls that are ready to be made or under way.
//!
//! A worker takes another task while this is below the number of calls that it may have in flight. So it always has
//! enough ready to fill its places, and never holds more cells than it can feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// A shared count of calls that wait or run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Demand {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: AtomicUsize,
    fell: Notify,
}

impl Demand {
    /// Counts `calls` more until the guard is dropped.
    pub(crate) fn hold(&self, calls: usize) -> Held {
        self.state.calls.fetch_add(calls, Ordering::Relaxed);
        Held { demand: self.clone(), calls }
    }

    /// Waits until fewer than `capacity` calls wait or run; says how many more fit.
    pub(crate) async fn below(&self, capacity: usize) -> usize {
        loop {
            let fell = self.state.fell.notified();
            let calls = self.state.calls.load(Ordering::Relaxed);
            if calls < capacity {
                return capacity - calls;
            }
            fell.await;
        }
    }

    fn release(&self, calls: usize) {
        self.state.calls.fetch_sub(calls, Ordering::Relaxed);
        // One loop for each model waits here; a stored permit makes sure that it sees the latest count.
        self.state.fell.notify_one();
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
        let demand = Demand::default();
        let mut held = demand.hold(3);
        let one = held.split_one();
        let waiting = tokio::spawn({
            let demand = demand.clone();
            async move { demand.below(3).await }
        });
        drop(one);
        assert_eq!(waiting.await.expect("wakes up"), 1);
        drop(held);
        assert_eq!(demand.below(5).await, 5);
    }

    #[test]
    fn what_is_split_off_is_counted_once() {
        let demand = Demand::default();
        let mut held = demand.hold(2);
        let parts = [held.split_one(), held.split_one(), held.split_one()];
        assert_eq!(parts.iter().map(|part| part.calls).sum::<usize>(), 2);
        drop(parts);
        drop(held);
        assert_eq!(demand.state.calls.load(Ordering::Relaxed), 0);
    }
}
