//! How much work a worker has taken: calls that are ready to be made or under way.
//!
//! A worker takes tasks when this falls below a mark that lies above the number of calls that it may have in flight, and then
//! as many as fit below a second one. So it has enough ready to fill its places while it fetches the next tasks, fetches
//! many together, and never holds many more cells than it can feed. How far the marks lie above depends on its pace: a worker
//! whose provider answers at once would otherwise stand idle while it fetches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The most calls that may wait for a place at any pace: as many as a busy provider answers while the next tasks are
/// fetched.
const MOST_AHEAD: usize = 192;

/// How long fetching tasks and preparing their prompts takes on a busy machine: calls for so long are kept ready.
const FETCHED_WITHIN: Duration = Duration::from_millis(15);

/// Over how long the pace is measured, at least.
const MEASURED_OVER: Duration = Duration::from_millis(100);

/// The fastest pace that counts, in calls a second: more than a core can make.
const FASTEST: f64 = 50_000.0;

/// A shared count of calls that wait or run.
#[derive(Debug, Clone)]
pub(crate) struct Demand {
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// Below this work is taken again.
    low: AtomicUsize,
    /// How many calls there may be before no more work is taken.
    full: AtomicUsize,
    calls: AtomicUsize,
    /// All calls that were given back so far.
    ended: AtomicUsize,
    pace: Mutex<Pace>,
    fell: Notify,
}

/// How fast calls end.
#[derive(Debug)]
struct Pace {
    since: Instant,
    ended: usize,
    calls_per_second: f64,
}

impl Pace {
    /// Looks again, if it is time.
    fn look(&mut self, ended: usize) -> f64 {
        let elapsed = self.since.elapsed();
        if elapsed >= MEASURED_OVER {
            self.calls_per_second = (ended - self.ended) as f64 / elapsed.as_secs_f64();
            (self.since, self.ended) = (Instant::now(), ended);
        }
        self.calls_per_second.min(FASTEST)
    }
}

impl Demand {
    /// No calls yet, and places for `in_flight`.
    pub(crate) fn new(in_flight: usize) -> Self {
        let pace = Mutex::new(Pace { since: Instant::now(), ended: 0, calls_per_second: 0.0 });
        let [low, full, calls, ended] = [(); 4].map(|()| AtomicUsize::new(0));
        let demand = Self { state: Arc::new(State { in_flight, low, full, calls, ended, pace, fell: Notify::new() }) };
        demand.set_marks(0.0);
        demand
    }

    /// Whether more calls fit now.
    pub(crate) fn has_room(&self) -> bool {
        self.state.calls.load(Ordering::Relaxed) < self.state.full.load(Ordering::Relaxed)
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
            self.set_marks(self.calls_per_second());
            let calls = self.state.calls.load(Ordering::Relaxed);
            if calls < self.state.low.load(Ordering::Relaxed) {
                return self.state.full.load(Ordering::Relaxed).saturating_sub(calls);
            }
            fell.await;
        }
    }

    /// How fast calls end, as it was last measured.
    pub(crate) fn calls_per_second(&self) -> f64 {
        let ended = self.state.ended.load(Ordering::Relaxed);
        self.state.pace.lock().unwrap_or_else(PoisonError::into_inner).look(ended)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a second's calls of a core")]
    fn set_marks(&self, calls_per_second: f64) {
        let in_flight = self.state.in_flight;
        let meanwhile = (calls_per_second * FETCHED_WITHIN.as_secs_f64()) as usize;
        let ahead = in_flight.min(MOST_AHEAD).max(2 * meanwhile);
        self.state.low.store(in_flight + ahead / 2, Ordering::Relaxed);
        self.state.full.store(in_flight + ahead, Ordering::Relaxed);
    }

    fn release(&self, calls: usize) {
        let before = self.state.calls.fetch_sub(calls, Ordering::Relaxed);
        self.state.ended.fetch_add(calls, Ordering::Relaxed);
        let low = self.state.low.load(Ordering::Relaxed);
        let is_low = before - calls < low;
        if is_low && before >= low {
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

    #[tokio::test(start_paused = true)]
    async fn a_fast_worker_has_more_calls_ready() {
        let demand = Demand::new(4);
        drop(demand.hold(1_000));
        tokio::time::advance(MEASURED_OVER).await;
        // 10,000 calls a second: 150 in the time that fetching takes, and as many again to be fetched together.
        assert_eq!(demand.room().await, 4 + 300);
        let held = demand.hold(153);
        assert_eq!(demand.room().await, 151);
        drop(held);
        tokio::time::advance(MEASURED_OVER).await;
        demand.room().await;
        tokio::time::advance(MEASURED_OVER).await;
        assert_eq!(demand.room().await, 8, "a slow one has few");
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
