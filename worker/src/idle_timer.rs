//! Measures how long a worker has had room for a task of a model while none has arrived, for the starvation watchdog.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Runs while a model's loop waits for a delivery.
#[derive(Debug, Default)]
pub(crate) struct IdleTimer {
    since: Mutex<Option<Instant>>,
}

impl IdleTimer {
    /// Starts the timer. It stops when the guard is dropped.
    pub(crate) fn start(&self) -> Idle<'_> {
        *self.since() = Some(Instant::now());
        Idle(self)
    }

    /// How long the loop has waited. `None` if it is not waiting.
    pub(crate) fn elapsed(&self) -> Option<Duration> {
        self.since().map(|since| since.elapsed())
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A wait for a delivery. It also ends when a task of this worker does, because a worker that finishes tasks is not starved.
pub(crate) struct Idle<'a>(&'a IdleTimer);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        *self.0.since() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_wait_is_measured_from_its_own_start() {
        let timer = IdleTimer::default();
        assert_eq!(timer.elapsed(), None);
        let idle = timer.start();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(timer.elapsed(), Some(Duration::from_secs(5)));
        drop(idle);
        assert_eq!(timer.elapsed(), None);
        let _idle = timer.start();
        assert_eq!(timer.elapsed(), Some(Duration::ZERO));
    }
}
