//! Notices that this process stood still: it was frozen, or its machine was. Others may have been given its cells meanwhile;
//! it hears of that a moment after it wakes, and begins no call before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

use super::cooldown::Cooldown;
use super::office::Reason;

/// How often a process notes that it goes on.
const BEATS_EVERY: Duration = Duration::from_millis(250);

/// A process that noted nothing for so long stood still: a broker and a store bear more before they give its cells away.
const STOOD_STILL: Duration = Duration::from_secs(1);

/// For so long it begins no call then: it hears of lost connections and claims at once.
const HEAR_FIRST: Duration = Duration::from_secs(1);

/// Keeps all calls of a process back for a moment after it stood still.
#[derive(Debug)]
pub(super) struct StallDetector {
    state: Arc<State>,
    _beating: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct State {
    pulse: Pulse,
    hears: Cooldown,
}

impl StallDetector {
    /// Begins to watch this process.
    pub(super) fn start() -> Self {
        let state = Arc::new(State { pulse: Pulse::new(), hears: Cooldown::default() });
        let watched = Arc::clone(&state);
        let beating = tokio::spawn(async move { watched.pulse.beat(|| watched.stood_still()).await });
        Self { state, _beating: AbortOnDropHandle::new(beating) }
    }

    /// Looks whether this process stood still just now.
    pub(super) fn check(&self) {
        if self.state.pulse.is_late() {
            self.state.stood_still();
        }
    }

    /// For how long no call begins because this process stood still.
    pub(super) fn left(&self) -> Option<(Duration, Reason)> {
        self.state.hears.left()
    }
}

impl State {
    fn stood_still(&self) {
        self.hears.at_least(HEAR_FIRST, Reason::Stalled);
    }
}

/// When this process was last seen to go on.
#[derive(Debug)]
struct Pulse {
    since: Instant,
    /// Milliseconds after that.
    last: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Whether this process stood still and has not beaten since.
    fn is_late(&self) -> bool {
        let gone_on = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(gone_on) > STOOD_STILL
    }

    /// Beats for ever; calls `stood_still` where a beat is late.
    async fn beat<T>(&self, stood_still: impl Fn()) -> T {
        let mut beats = interval(BEATS_EVERY);
        loop {
            beats.tick().await;
            if self.is_late() {
                stood_still();
            }
            let millis = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.last.store(millis, Ordering::Relaxed);
        }
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
