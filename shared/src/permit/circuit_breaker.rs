//! A circuit breaker: when calls keep failing and none is answered, it pauses all calls to the model. The first call after
//! the pause shows whether the provider is back; if it fails, the next pause is longer.
//!
//! Without it, every waiting call would have to fail on its own, and a fast worker has thousands of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The circuit opens after this many failures in a row for each call that may be in flight. One failure for each is not
/// enough: a restart of the provider, or one burst of refusals, fails all of them once.
const FAILURES_PER_CALL_IN_FLIGHT: u32 = 2;

/// How long an open circuit pauses calls. Pauses double from the first to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPauses {
    /// The first pause after an answered call.
    pub first: Duration,
    /// The upper bound of all pauses.
    pub longest: Duration,
}

impl Default for CircuitPauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(15) }
    }
}

impl CircuitPauses {
    /// The next pause if the circuit has opened `opened` times since the last answered call.
    fn after(self, opened: u32) -> Duration {
        let doubled = 1_u32.checked_shl(opened).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// Counts the failures of an endpoint and model since its last answered call.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    pauses: CircuitPauses,
    since_answer: Mutex<SinceAnswer>,
    /// Whether any call has failed since the last answer. Spares each reply the lock.
    has_failures: AtomicBool,
}

#[derive(Debug, Default)]
struct SinceAnswer {
    failed: u32,
    opened: u32,
}

impl CircuitBreaker {
    pub(super) fn new(pauses: CircuitPauses) -> Self {
        Self { pauses, since_answer: Mutex::default(), has_failures: AtomicBool::new(false) }
    }

    /// Counts a failed call. Returns the pause if this failure opens the circuit. A failure never opens it while
    /// `is_paused`, because the call was sent before that pause began.
    pub(super) fn failed(&self, may_be_in_flight: u32, is_paused: impl FnOnce() -> bool) -> Option<Duration> {
        let mut since = self.since_answer.lock().unwrap_or_else(PoisonError::into_inner);
        since.failed = since.failed.saturating_add(1);
        self.has_failures.store(true, Ordering::Relaxed);
        let threshold = may_be_in_flight.saturating_mul(FAILURES_PER_CALL_IN_FLIGHT);
        if since.failed < threshold || is_paused() {
            return None;
        }
        let pause = self.pauses.after(since.opened);
        since.opened = since.opened.saturating_add(1);
        Some(pause)
    }

    /// Closes the circuit: a call was answered, even if only to decline its prompt, so the provider is up.
    pub(super) fn answered(&self) {
        if self.has_failures.load(Ordering::Relaxed) {
            let mut since = self.since_answer.lock().unwrap_or_else(PoisonError::into_inner);
            *since = SinceAnswer::default();
            self.has_failures.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permit::cooldown::Cooldown;
    use crate::permit::office::Reason;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = CircuitPauses::default();
        let seconds: Vec<f64> = (0..8).map(|opened| pauses.after(opened).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]);
        assert_eq!(pauses.after(u32::MAX), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_down_when_all_calls_have_failed_twice_and_until_it_answers() {
        let (circuit, cooldown) = (CircuitBreaker::new(CircuitPauses::default()), Cooldown::default());
        let fail = |times| {
            for _ in 0..times {
                if let Some(pause) = circuit.failed(8, || cooldown.left().is_some()) {
                    cooldown.at_least(pause, Reason::CircuitOpen);
                }
            }
        };
        let left = || cooldown.left().map(|(left, _)| left.as_millis());
        fail(15);
        assert_eq!(left(), None);
        circuit.answered();
        fail(15);
        assert_eq!(left(), None, "a call was answered in between");
        fail(1);
        assert_eq!(cooldown.left(), Some((Duration::from_millis(500), Reason::CircuitOpen)));
        fail(20);
        assert_eq!(left(), Some(500), "these were in flight when it opened");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(left(), None);
        fail(1);
        assert_eq!(left(), Some(1_000), "one failure after the pause is enough");
        tokio::time::advance(Duration::from_secs(1)).await;
        circuit.answered();
        fail(15);
        assert_eq!(left(), None);
    }
}
