//! How much work a worker has taken: calls that are ready to be made or under way.
//!
//! A worker takes tasks when this falls below a mark that lies above the number of calls that it may have in flight, and then
//! as many as fit below a second one. So it has enough ready to fill its places while it fetches the next tasks, fetches
//! many together, and never holds many more cells than it can feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The most calls that may wait for a place: as many as a busy provider answers while the next tasks are fetched.
const MOST_AHEAD: usize = 192;

/// A shared count of calls that wait or run.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Below this work is taken again.
    low: usize,
    /// How many calls there may be before no more work is taken.
    full: usize,
    calls: AtomicUsize,
    fell: Notify,
}

impl Demand {
    /// No calls yet, and places for `in_flight`.
    pub(crate) fn new(in_flight: usize) -> Self {
        let ahead = in_flight.min(MOST_AHEAD);
        let (low, full) = (in_flight + ahead / 2, in_flight + ahead);
        Self { state: Arc::new(State { low, full, calls: AtomicUsize::new(0), fell: Notify::new() }) }
    }

    /// Whether more calls fit now.
    pub(crate) fn has_room(&self) -> bool {
        self.state.calls.load(Ordering::Relaxed) < self.state.full
    }

    /// Counts `calls` more until the guard is dropped.
    pub(crate) fn hold(&self, calls: usize) -> Held {
        self.state.calls.fetch_add(calls, Ordering::Relaxed);
        Held { demand: self.clone(), calls }
    }

    /// Waits until few calls wait or run; says how many more fit.
    pub(crate) async fn room(&self) -> usize {
        loop {
            let fell = self.state.fell.notified();
            let calls = self.state.calls.load(Ordering::Relaxed);
            if calls < self.state.low {
                return self.state.full - calls;
            }
            fell.await;
        }
    }

    fn release(&self, calls: usize) {
        let before = self.state.calls.fetch_sub(calls, Ordering::Relaxed);
        let is_low = before - calls < self.state.low;
        if is_low && before >= self.state.low {
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
        let demand = Demand::new(4);
        let mut held = demand.hold(8);
        assert!(!demand.has_room());
        let first = [held.split_one(), held.split_one()];
        let last = held.split_one();
        let mut waiting = std::pin::pin!(demand.room());
        drop(first);
        assert!(demand.has_room());
        assert_eq!(futures_util::poll!(&mut waiting), std::task::Poll::Pending, "six of at most eight are not few");
        drop(last);
        assert_eq!(waiting.await, 3);
        drop(held);
        assert_eq!(demand.room().await, 8);
    }

    #[tokio::test]
    async fn one_place_is_filled_when_it_is_free() {
        let demand = Demand::new(1);
        let held = demand.hold(1);
        assert!(demand.has_room());
        drop(held);
        assert_eq!(demand.room().await, 2);
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
