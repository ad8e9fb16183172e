//! A pause for all calls to an endpoint and model: what one call learns applies to all of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::office::Reason;

/// When the next call may be sent, and what the pause is for.
#[derive(Debug, Default)]
pub(super) struct Cooldown {
    until: Mutex<Option<(Instant, Reason)>>,
    /// Whether a pause is on. Spares each call the lock.
    is_on: AtomicBool,
}

impl Cooldown {
    /// Pauses calls for `pause`, unless the present pause ends later.
    pub(super) fn at_least(&self, pause: Duration, reason: Reason) {
        let end = Instant::now() + pause;
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_none_or(|(longest, _)| longest < end) {
            *until = Some((end, reason));
            self.is_on.store(true, Ordering::Release);
        }
    }

    /// How much of the pause is left, and what it is for. `None` if calls may be sent.
    pub(super) fn left(&self) -> Option<(Duration, Reason)> {
        if !self.is_on.load(Ordering::Acquire) {
            return None;
        }
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, reason) = (*until)?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            *until = None;
            self.is_on.store(false, Ordering::Release);
            return None;
        }
        Some((left, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_cooldown_lasts_until_its_end() {
        let cooldown = Cooldown::default();
        assert_eq!(cooldown.left(), None);
        cooldown.at_least(Duration::from_secs(5), Reason::Cooldown);
        cooldown.at_least(Duration::from_secs(2), Reason::Stalled);
        assert_eq!(cooldown.left(), Some((Duration::from_secs(5), Reason::Cooldown)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(cooldown.left(), None);
        cooldown.at_least(Duration::from_secs(1), Reason::Stalled);
        assert_eq!(cooldown.left(), Some((Duration::from_secs(1), Reason::Stalled)), "a new one starts from zero");
    }
}
