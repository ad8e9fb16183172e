//! Notices that this process stood still: it was frozen, or its machine was. Others may have been given its cells meanwhile; it
//! hears of that a moment after it wakes, and begins no call before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval};

/// How often it is noted that time goes on.
const BEATS_EVERY: Duration = Duration::from_millis(250);

/// A process of which nothing was noted for so long stood still: a broker and a store bear more before they give its cells away.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// For so long no call is begun then: lost connections and claims are heard of at once.
pub(crate) const HEAR_FIRST: Duration = Duration::from_secs(1);

/// When this process was last seen to go on.
#[derive(Debug)]
pub(crate) struct Pulse {
    since: Instant,
    /// Milliseconds after that.
    last: AtomicU64,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Whether this process stood still and has not beaten since.
    pub(crate) fn is_late(&self) -> bool {
        let gone_on = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(gone_on) > STOOD_STILL
    }

    /// Beats for ever; calls `stood_still` where one is late.
    pub(crate) async fn beat<T>(&self, stood_still: impl Fn()) -> T {
        let mut beats = interval(BEATS_EVERY);
        loop {
            beats.tick().await;
            if self.is_late() {
                stood_still();
            }
            self.note();
        }
    }

    /// Notes that this process goes on.
    pub(crate) fn note(&self) {
        let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(millis, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_that_stood_still_is_late_until_it_beats_and_is_told_once() {
        let (pulse, told) = (Pulse::new(), Cell::new(0));
        let mut beating = Box::pin(pulse.beat::<()>(|| told.set(told.get() + 1)));
        let mut goes_on_for = async |time| {
            tokio::select! {
                () = &mut beating => {}
                () = tokio::time::sleep(time) => {}
            }
        };
        goes_on_for(STOOD_STILL * 5).await;
        assert!(!pulse.is_late() && told.get() == 0);
        tokio::time::advance(STOOD_STILL * 2).await;
        assert!(pulse.is_late());
        goes_on_for(BEATS_EVERY).await;
        assert!(!pulse.is_late() && told.get() == 1);
        goes_on_for(STOOD_STILL * 5).await;
        assert_eq!(told.get(), 1);
    }
}
