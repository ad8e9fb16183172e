//! Limits how many calls are in flight at once. The limit can change at any time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::office::OwnLimit;
use super::waiters::Waiters;

/// Limits the calls in flight. Waiting calls take their turns in the order in which they arrived.
#[derive(Debug)]
pub(super) struct InFlight {
    free: Semaphore,
    limit: AtomicU32,
    /// Calls in flight in excess of a lowered limit. As many have to end before others may start.
    above_limit: AtomicUsize,
    waiters: Waiters,
}

impl InFlight {
    pub(super) fn new(limit: u32) -> Self {
        Self {
            free: Semaphore::new(limit as usize),
            limit: AtomicU32::new(limit),
            above_limit: AtomicUsize::new(0),
            waiters: Waiters::default(),
        }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Waits until one more call may be in flight.
    pub(super) async fn enter(in_flight: &Arc<Self>) -> Place {
        let slot = if let Ok(slot) = in_flight.free.try_acquire() {
            slot
        } else {
            let _waiter = in_flight.waiters.add();
            in_flight.free.acquire().await.expect("the semaphore is never closed")
        };
        slot.forget();
        Place(Arc::clone(in_flight))
    }

    /// Counts a call as no longer in flight.
    fn leave(&self) {
        let is_above = self.above_limit.load(Ordering::Relaxed) > 0 && self.lower_excess(1) == 1;
        if !is_above {
            self.free.add_permits(1);
        }
    }

    /// Changes the limit. Must not be called from two threads at once.
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

    /// Lowers the excess by up to `by`. Returns by how much.
    fn lower_excess(&self, by: usize) -> usize {
        let lowered = |above: usize| Some(above - above.min(by));
        let before = self.above_limit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
        before.unwrap_or(0).min(by)
    }

    /// The limit, if a call waits for it.
    pub(super) fn waited_for(&self) -> Option<OwnLimit> {
        (!self.waiters.is_empty()).then(|| OwnLimit::CallsInFlight(self.limit()))
    }
}

/// A call's place among those in flight, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place(Arc<InFlight>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lowered_limit_holds_once_enough_calls_have_ended() {
        let calls = Arc::new(InFlight::new(4));
        for _ in 0..4 {
            std::mem::forget(InFlight::enter(&calls).await);
        }
        calls.set_limit(2);
        calls.leave();
        calls.leave();
        assert_eq!(calls.free.available_permits(), 0, "two are still in flight");
        calls.leave();
        std::mem::forget(InFlight::enter(&calls).await);
        calls.leave();
        calls.leave();
        assert_eq!((calls.free.available_permits(), calls.limit()), (2, 2));
    }

    #[tokio::test]
    async fn a_limit_that_is_raised_again_makes_exactly_the_room_it_promises() {
        let calls = Arc::new(InFlight::new(4));
        for _ in 0..4 {
            std::mem::forget(InFlight::enter(&calls).await);
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
