//! Notices that a provider is down: calls fail and none is answered. Then all calls to the model are kept back for a pause,
//! which grows; the first call that goes out after it shows whether the provider is back.
//!
//! Without it each call that is ready would find out by itself, and a quick worker has thousands of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The circuit opens when so many calls in a row have failed for each one that may be in flight: the provider may have been
/// restarted under all of them, or have turned all of them away once.
const FAILURES_PER_CALL_IN_FLIGHT: u32 = 2;

/// For how long an open circuit keeps calls back: doubling from the first pause to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitPauses {
    /// When it opens.
    pub first: Duration,
    /// When it has opened often.
    pub longest: Duration,
}

impl Default for CircuitPauses {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), longest: Duration::from_secs(15) }
    }
}

impl CircuitPauses {
    /// The pause after the circuit has opened so often before.
    fn after(self, opened: u32) -> Duration {
        let doubled = 1_u32.checked_shl(opened).unwrap_or(u32::MAX);
        self.first.saturating_mul(doubled).min(self.longest)
    }
}

/// What is known of a model's provider since it last answered.
#[derive(Debug)]
pub(super) struct CircuitBreaker {
    pauses: CircuitPauses,
    since_answer: Mutex<SinceAnswer>,
    /// Whether any call has failed since; checked with each reply.
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

    /// Counts a failed call; says for how long the circuit opens, if it does. `is_kept_back` says whether calls are kept
    /// back already: what fails then was sent before.
    pub(super) fn failed(&self, may_be_in_flight: u32, is_kept_back: impl FnOnce() -> bool) -> Option<Duration> {
        let mut since = self.since_answer.lock().unwrap_or_else(PoisonError::into_inner);
        since.failed = since.failed.saturating_add(1);
        self.has_failures.store(true, Ordering::Relaxed);
        let threshold = may_be_in_flight.saturating_mul(FAILURES_PER_CALL_IN_FLIGHT);
        if since.failed < threshold || is_kept_back() {
            return None;
        }
        let pause = self.pauses.after(since.opened);
        since.opened = since.opened.saturating_add(1);
        Some(pause)
    }

    /// A call was answered, if only with a no to its prompt: the provider is there.
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
        assert_eq!(left(), None, "an answer came between");
        fail(1);
        assert_eq!(cooldown.left(), Some((Duration::from_millis(500), Reason::CircuitOpen)));
        fail(20);
        assert_eq!(left(), Some(500), "these were under way when it opened");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(left(), None);
        fail(1);
        assert_eq!(left(), Some(1_000), "the first that goes out is enough");
        tokio::time::advance(Duration::from_secs(1)).await;
        circuit.answered();
        fail(15);
        assert_eq!(left(), None);
    }
}
