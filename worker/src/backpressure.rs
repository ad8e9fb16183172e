//! Backpressure: decides from the number of a worker's calls, waiting or in flight, how many tasks it takes.
//!
//! A worker takes tasks when that number falls below a low mark, and then as many as fit below a high mark. The low mark is
//! above the number of calls that may be in flight, which the permit office decides. So the worker can use each permit at
//! once while it fetches the next tasks, fetches many of them together, and never holds many more cells than it can feed.
//! The faster calls end, the higher the marks: otherwise a worker whose provider answers quickly would be idle while it
//! fetches.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// A slow worker keeps at most this many calls waiting for a permit: as many as a busy provider answers while the next
/// tasks are fetched.
const MAX_AHEAD: usize = 192;

/// How long it takes to fetch tasks and prepare their prompts on a busy machine. Enough calls for this time are kept ready.
const FETCHED_WITHIN: Duration = Duration::from_millis(15);

/// How long a worker without room waits at most before it looks again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The shortest period over which the pace is measured.
const MEASURED_OVER: Duration = Duration::from_millis(100);

/// The upper bound of the pace, in calls per second: more than one core can make.
const FASTEST: f64 = 50_000.0;

/// A shared count of the calls that wait or are in flight. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Backpressure {
    state: Arc<State>,
}

struct State {
    /// Returns how many calls may be in flight now.
    capacity: Box<dyn Fn() -> usize + Send + Sync>,
    /// How many times a call's duration the calls of a cell wait for those that go ahead.
    warm_ups: usize,
    /// Below this many calls, the worker takes tasks again.
    low: AtomicUsize,
    /// From this many calls on, the worker takes no more tasks.
    high: AtomicUsize,
    calls: AtomicUsize,
    /// How many calls have ended so far.
    ended: AtomicUsize,
    pace: Mutex<Pace>,
    /// Notified when the number of calls falls below the low mark.
    fell: Notify,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { low, high, calls, ended, .. } = self;
        let mut shown = f.debug_struct("State");
        shown.field("low", low).field("high", high).field("calls", calls).field("ended", ended).finish_non_exhaustive()
    }
}

/// How fast calls end.
#[derive(Debug)]
struct Pace {
    since: Instant,
    ended: usize,
    calls_per_second: f64,
}

impl Pace {
    /// Returns calls per second, measured again if the last measurement is old enough.
    fn measure(&mut self, ended: usize) -> f64 {
        let elapsed = self.since.elapsed();
        if elapsed >= MEASURED_OVER {
            self.calls_per_second = (ended - self.ended) as f64 / elapsed.as_secs_f64();
            (self.since, self.ended) = (Instant::now(), ended);
        }
        self.calls_per_second.min(FASTEST)
    }
}

impl Backpressure {
    /// A count without calls. `capacity` returns how many may be in flight. The calls of a cell wait for `warm_ups` calls that
    /// go ahead, one after the other.
    pub(crate) fn new(capacity: impl Fn() -> usize + Send + Sync + 'static, warm_ups: u8) -> Self {
        let capacity = Box::new(capacity);
        let pace = Mutex::new(Pace { since: Instant::now(), ended: 0, calls_per_second: 0.0 });
        let [low, high, calls, ended] = [(); 4].map(|()| AtomicUsize::new(0));
        let warm_ups = usize::from(warm_ups);
        let state = State { capacity, warm_ups, low, high, calls, ended, pace, fell: Notify::new() };
        let backpressure = Self { state: Arc::new(state) };
        backpressure.set_marks(0.0);
        backpressure
    }

    /// Whether there is room for more calls now.
    pub(crate) fn has_room(&self) -> bool {
        self.state.calls.load(Ordering::Relaxed) < self.state.high.load(Ordering::Relaxed)
    }

    /// Counts `calls` more calls until the guard is dropped.
    pub(crate) fn add(&self, calls: usize) -> ReadyCalls {
        self.state.calls.fetch_add(calls, Ordering::Relaxed);
        ReadyCalls { backpressure: self.clone(), calls }
    }

    /// Waits until the number of calls is below the low mark. Returns how many more fit below the high mark.
    pub(crate) async fn room(&self) -> usize {
        loop {
            let fell = self.state.fell.notified();
            self.set_marks(self.calls_per_second());
            let calls = self.state.calls.load(Ordering::Relaxed);
            if calls < self.state.low.load(Ordering::Relaxed) {
                return self.state.high.load(Ordering::Relaxed).saturating_sub(calls);
            }
            // The capacity may have grown.
            let _ = timeout(LOOK_AGAIN_AFTER, fell).await;
        }
    }

    /// How fast calls end, in calls per second, by the last measurement.
    pub(crate) fn calls_per_second(&self) -> f64 {
        let ended = self.state.ended.load(Ordering::Relaxed);
        self.state.pace.lock().unwrap_or_else(PoisonError::into_inner).measure(ended)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most a second's calls of a core")]
    fn set_marks(&self, calls_per_second: f64) {
        let in_flight = (self.state.capacity)();
        let meanwhile = (calls_per_second * FETCHED_WITHIN.as_secs_f64()) as usize;
        let ahead = in_flight.min(MAX_AHEAD).max(2 * meanwhile);
        // While calls go ahead, as many calls end as are in flight, and as many others of their cells wait for them.
        let held = self.state.warm_ups * (in_flight + ahead);
        self.state.low.store(held + in_flight + ahead / 2, Ordering::Relaxed);
        self.state.high.store(held + in_flight + ahead, Ordering::Relaxed);
    }

    fn release(&self, calls: usize) {
        let before = self.state.calls.fetch_sub(calls, Ordering::Relaxed);
        self.state.ended.fetch_add(calls, Ordering::Relaxed);
        let low = self.state.low.load(Ordering::Relaxed);
        let is_low = before - calls < low;
        if is_low && before >= low {
            // One loop per model waits for this. `notify_one` stores a permit, so the loop always sees the latest count.
            self.state.fell.notify_one();
        }
    }
}

/// Counts calls until it is dropped.
#[derive(Debug)]
pub(crate) struct ReadyCalls {
    backpressure: Backpressure,
    calls: usize,
}

impl ReadyCalls {
    /// Splits off the count of one call, which ends on its own. Counts no call if none is left.
    pub(crate) fn split_one(&mut self) -> Self {
        let calls = self.calls.min(1);
        self.calls -= calls;
        Self { backpressure: self.backpressure.clone(), calls }
    }
}

impl Drop for ReadyCalls {
    fn drop(&mut self) {
        self.backpressure.release(self.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn room_appears_when_calls_end() {
        let backpressure = Backpressure::new(|| 4, 0);
        let mut ready = backpressure.add(8);
        assert!(!backpressure.has_room());
        let first = [ready.split_one(), ready.split_one()];
        let last = ready.split_one();
        let mut waiting = std::pin::pin!(backpressure.room());
        drop(first);
        assert!(backpressure.has_room());
        assert_eq!(futures_util::poll!(&mut waiting), std::task::Poll::Pending, "six calls are not below the low mark");
        drop(last);
        assert_eq!(waiting.await, 3);
        drop(ready);
        assert_eq!(backpressure.room().await, 8);
    }

    #[tokio::test]
    async fn the_only_call_makes_room_when_it_ends() {
        let backpressure = Backpressure::new(|| 1, 0);
        let ready = backpressure.add(1);
        assert!(backpressure.has_room());
        drop(ready);
        assert_eq!(backpressure.room().await, 2);
    }

    #[tokio::test]
    async fn a_capacity_that_changes_counts_from_the_next_fetch_on() {
        let capacity = Arc::new(AtomicUsize::new(8));
        let now = Arc::clone(&capacity);
        let backpressure = Backpressure::new(move || now.load(Ordering::Relaxed), 0);
        assert_eq!(backpressure.room().await, 16);
        capacity.store(2, Ordering::Relaxed);
        assert_eq!(backpressure.room().await, 4);
    }

    #[tokio::test]
    async fn calls_that_wait_for_others_come_on_top() {
        assert_eq!(Backpressure::new(|| 4, 0).room().await, 8);
        assert_eq!(Backpressure::new(|| 4, 2).room().await, 24);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_worker_has_more_calls_ready() {
        let backpressure = Backpressure::new(|| 4, 0);
        drop(backpressure.add(1_000));
        tokio::time::advance(MEASURED_OVER).await;
        // At 10,000 calls a second, 150 end while tasks are fetched, and as many again are fetched together.
        assert_eq!(backpressure.room().await, 4 + 300);
        let ready = backpressure.add(153);
        assert_eq!(backpressure.room().await, 151);
        drop(ready);
        tokio::time::advance(MEASURED_OVER).await;
        backpressure.room().await;
        tokio::time::advance(MEASURED_OVER).await;
        assert_eq!(backpressure.room().await, 8, "a slow worker has few");
    }

    #[test]
    fn what_is_split_off_is_counted_once() {
        let backpressure = Backpressure::new(|| 1, 0);
        let mut ready = backpressure.add(2);
        let parts = [ready.split_one(), ready.split_one(), ready.split_one()];
        assert_eq!(parts.iter().map(|part| part.calls).sum::<usize>(), 2);
        drop(parts);
        drop(ready);
        assert_eq!(backpressure.state.calls.load(Ordering::Relaxed), 0);
    }
}
