//! Limits how many calls are in flight at once. The limit can change at any time.
//!
//! Calls for which others wait go before those others: otherwise they would queue behind calls of other cells, while the
//! calls that wait for them cannot be sent.
//!
//! ```text
//!   others ──> one after the other, no more than the limit ──┐
//!   calls that go ahead ─────────────────────────────────────┴──> places in flight
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use tokio::sync::Semaphore;

use super::office::OwnLimit;
use super::waiters::Waiters;

/// Limits the calls in flight.
#[derive(Debug)]
pub(super) struct InFlight {
    places: Places,
    /// As many of the others as may be in flight: they alone stand before a call that goes ahead.
    others: Places,
    waiters: Waiters,
}

/// A number of places. Waiting calls take their turns in the order in which they arrived.
#[derive(Debug)]
struct Places {
    free: Semaphore,
    limit: AtomicU32,
    /// Calls in flight in excess of a lowered limit. As many have to end before others may start.
    above_limit: AtomicUsize,
}

impl InFlight {
    pub(super) fn new(limit: u32) -> Self {
        Self { places: Places::new(limit), others: Places::new(limit), waiters: Waiters::default() }
    }

    pub(super) fn limit(&self) -> u32 {
        self.places.limit.load(Ordering::Relaxed)
    }

    /// Waits until one more call may be in flight.
    pub(super) async fn enter(in_flight: &Arc<Self>, goes_ahead: bool) -> Place {
        // Given back by the place when it is dropped, also if the call gives up before it has a place in flight.
        let mut place = Place { in_flight: Arc::clone(in_flight), is_other: false, is_in_flight: false };
        if !goes_ahead {
            in_flight.others.enter(&in_flight.waiters).await;
            place.is_other = true;
        }
        in_flight.places.enter(&in_flight.waiters).await;
        place.is_in_flight = true;
        place
    }

    /// Changes the limit. Must not be called from two threads at once.
    pub(super) fn set_limit(&self, limit: u32) {
        self.places.set_limit(limit);
        self.others.set_limit(limit);
    }

    /// The limit, if a call waits for it.
    pub(super) fn waited_for(&self) -> Option<OwnLimit> {
        (!self.waiters.is_empty()).then(|| OwnLimit::CallsInFlight(self.limit()))
    }
}

impl Places {
    fn new(limit: u32) -> Self {
        let (free, limit) = (Semaphore::new(limit as usize), AtomicU32::new(limit));
        Self { free, limit, above_limit: AtomicUsize::new(0) }
    }

    async fn enter(&self, waiters: &Waiters) {
        let place = if let Ok(place) = self.free.try_acquire() {
            place
        } else {
            let _waiter = waiters.add();
            self.free.acquire().await.expect("the semaphore is never closed")
        };
        place.forget();
    }

    /// Gives a place back.
    fn leave(&self) {
        let is_above = self.above_limit.load(Ordering::Relaxed) > 0 && self.lower_excess(1) == 1;
        if !is_above {
            self.free.add_permits(1);
        }
    }

    fn set_limit(&self, limit: u32) {
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
}

/// A call's place among those in flight, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    in_flight: Arc<InFlight>,
    is_other: bool,
    is_in_flight: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_in_flight {
            self.in_flight.places.leave();
        }
        if self.is_other {
            self.in_flight.others.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    /// Takes a place that is free.
    async fn take(places: &Places) {
        places.enter(&Waiters::default()).await;
    }

    #[tokio::test]
    async fn a_call_for_which_others_wait_goes_before_them() {
        let calls = Arc::new(InFlight::new(2));
        let first = InFlight::enter(&calls, false).await;
        let _second = InFlight::enter(&calls, false).await;
        let (mut third, mut ahead) = (pin!(InFlight::enter(&calls, false)), pin!(InFlight::enter(&calls, true)));
        assert!(poll!(&mut third).is_pending() && poll!(&mut ahead).is_pending());
        assert!(calls.waited_for().is_some());
        drop(first);
        assert!(poll!(&mut third).is_pending(), "the place is another's");
        let ahead = ahead.await;
        assert!(poll!(&mut third).is_pending());
        drop(ahead);
        third.await;
        assert!(calls.waited_for().is_none());
    }

    #[tokio::test]
    async fn a_call_that_gives_up_takes_no_place() {
        let calls = Arc::new(InFlight::new(1));
        let ahead = InFlight::enter(&calls, true).await;
        {
            let mut other = pin!(InFlight::enter(&calls, false));
            assert!(poll!(&mut other).is_pending(), "it is first among the others, without a place in flight");
        }
        drop(ahead);
        assert_eq!((calls.others.free.available_permits(), calls.places.free.available_permits()), (1, 1));
    }

    #[tokio::test]
    async fn a_lowered_limit_holds_once_enough_calls_have_ended() {
        let calls = Places::new(4);
        for _ in 0..4 {
            take(&calls).await;
        }
        calls.set_limit(2);
        calls.leave();
        calls.leave();
        assert_eq!(calls.free.available_permits(), 0, "two are still in flight");
        calls.leave();
        take(&calls).await;
        calls.leave();
        calls.leave();
        assert_eq!((calls.free.available_permits(), calls.limit.into_inner()), (2, 2));
    }

    #[tokio::test]
    async fn a_limit_that_is_raised_again_makes_exactly_the_room_it_promises() {
        let calls = Places::new(4);
        for _ in 0..4 {
            take(&calls).await;
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
