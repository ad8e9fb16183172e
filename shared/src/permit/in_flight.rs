//! How many calls may be in flight at once, a number that can change.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::office::OwnLimit;
use super::queue::Queue;

/// Bounds the calls in flight; calls wait for their turn in the order in which they came.
#[derive(Debug)]
pub(super) struct InFlight {
    free: Semaphore,
    limit: AtomicU32,
    /// Calls in flight beyond a limit that was lowered: so many that end make no room for others.
    above_limit: AtomicUsize,
    queue: Queue,
}

impl InFlight {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            free: Semaphore::new(limit as usize),
            limit: AtomicU32::new(limit),
            above_limit: AtomicUsize::new(0),
            queue: Queue::default(),
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Waits until one more call may be in flight. Whoever called this calls `leave` in the end.
    pub(super) async fn enter(&self) {
        let place = if let Ok(place) = self.free.try_acquire() {
            place
        } else {
            let _waiter = self.queue.join();
            self.free.acquire().await.expect("the semaphore is never closed")
        };
        place.forget();
    }

    /// A call is no longer in flight.
    pub(super) fn leave(&self) {
        let is_above = self.above_limit.load(Ordering::Relaxed) > 0 && self.lower_excess(1) == 1;
        if !is_above {
            self.free.add_permits(1);
        }
    }

    /// Changes the limit. Callers take turns.
    pub(super) fn set_limit(&self, limit: u32) {
        let before = self.limit.swap(limit, Ordering::Relaxed) as usize;
        let limit = limit as usize;
        if limit < before {
            let removed = self.free.forget_permits(before - limit);
            self.above_limit.fetch_add(before - limit - removed, Ordering::Relaxed);
        } else {
            let lowered = self.lower_excess(limit - before);
            self.free.add_permits(limit - before - lowered);
        }
    }

    /// Takes up to `by` from what is above the limit; says how much there was.
    fn lower_excess(&self, by: usize) -> usize {
        let lowered = |above: usize| Some(above - above.min(by));
        let before = self.above_limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
        before.unwrap_or(0).min(by)
    }

    /// What calls wait for, if any do.
    pub(super) fn waited_for(&self) -> Option<OwnLimit> {
        (!self.queue.is_empty()).then(|| OwnLimit::CallsInFlight(self.limit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lower_limit_holds_when_enough_calls_have_ended() {
        let calls = InFlight::new(4);
        for _ in 0..4 {
            calls.enter().await;
        }
        calls.set_limit(2);
        calls.leave();
        calls.leave();
        assert_eq!(calls.free.available_permits(), 0, "two are in flight still");
        calls.leave();
        calls.enter().await;
        calls.leave();
        calls.leave();
        assert_eq!((calls.free.available_permits(), calls.limit()), (2, 2));
    }

    #[tokio::test]
    async fn a_limit_that_is_raised_again_makes_room_for_what_it_says() {
        let calls = InFlight::new(4);
        for _ in 0..4 {
            calls.enter().await;
        }
        calls.set_limit(1);
        calls.set_limit(3);
        calls.leave();
        assert_eq!(calls.free.available_permits(), 0, "three are in flight");
        calls.set_limit(5);
        assert_eq!(calls.free.available_permits(), 2);
        (0..3).for_each(|_| calls.leave());
        assert_eq!(calls.free.available_permits(), 5);
    }
}
