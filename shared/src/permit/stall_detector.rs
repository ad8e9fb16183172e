//! Detects that this process, or its machine, was frozen for a while. Other workers may have taken over its cells meanwhile.
//! The process finds that out shortly after it wakes up, and starts no call before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, interval};
use tokio_util::task::AbortOnDropHandle;

use super::cooldown::Cooldown;
use super::office::Reason;

/// How often the process records a heartbeat.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// A process counts as stalled after this long without a heartbeat. Broker and store wait longer before they give its cells
/// to others.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// How long a process starts no call after a stall: within that time it learns of lost connections and leases.
const RECOVERY_PAUSE: Duration = Duration::from_secs(1);

/// Pauses all calls of the process for a moment after it was frozen.
#[derive(Debug)]
pub(super) struct StallDetector {
    state: Arc<State>,
    _beat_task: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct State {
    heartbeat: Heartbeat,
    recovery: Cooldown,
}

impl StallDetector {
    /// Starts to watch this process.
    pub(super) fn start() -> Self {
        let state = Arc::new(State { heartbeat: Heartbeat::new(), recovery: Cooldown::default() });
        let watched = Arc::clone(&state);
        let beating = tokio::spawn(async move { watched.heartbeat.beat(|| watched.stalled()).await });
        Self { state, _beat_task: AbortOnDropHandle::new(beating) }
    }

    /// Pauses calls if this process was frozen just now.
    pub(super) fn check(&self) {
        if self.state.heartbeat.is_late() {
            self.state.stalled();
        }
    }

    /// How long no call may start because this process was frozen.
    pub(super) fn left(&self) -> Option<(Duration, Reason)> {
        self.state.recovery.left()
    }
}

impl State {
    fn stalled(&self) {
        self.recovery.at_least(RECOVERY_PAUSE, Reason::Stalled);
    }
}

/// When this process was last seen running.
#[derive(Debug)]
struct Heartbeat {
    since: Instant,
    /// The last heartbeat, in milliseconds after `since`.
    last: AtomicU64,
}

impl Heartbeat {
    fn new() -> Self {
        Self { since: Instant::now(), last: AtomicU64::new(0) }
    }

    /// Whether the next heartbeat is overdue, which means that the process was frozen.
    fn is_late(&self) -> bool {
        let last_beat = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.since.elapsed().saturating_sub(last_beat) > STALLED_AFTER
    }

    /// Records heartbeats forever. Calls `stalled` whenever one comes late.
    async fn beat<T>(&self, stalled: impl Fn()) -> T {
        let mut beats = interval(BEAT_EVERY);
        loop {
            beats.tick().await;
            if self.is_late() {
                stalled();
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
    async fn a_process_that_was_frozen_is_late_until_its_next_heartbeat_and_reports_it_once() {
        let (heartbeat, stalls) = (Heartbeat::new(), Cell::new(0));
        let mut beating = Box::pin(heartbeat.beat::<()>(|| stalls.set(stalls.get() + 1)));
        let mut runs_for = async |time| {
            tokio::select! {
                () = &mut beating => {}
                () = tokio::time::sleep(time) => {}
            }
        };
        runs_for(STALLED_AFTER * 5).await;
        assert!(!heartbeat.is_late() && stalls.get() == 0);
        tokio::time::advance(STALLED_AFTER * 2).await;
        assert!(heartbeat.is_late());
        runs_for(BEAT_EVERY).await;
        assert!(!heartbeat.is_late() && stalls.get() == 1);
        runs_for(STALLED_AFTER * 5).await;
        assert_eq!(stalls.get(), 1);
    }
}
