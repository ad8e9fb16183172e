//! Keeps calls back until a moment. What one call is told holds for all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::office::Reason;

/// Until when no call goes out, and why.
#[derive(Debug, Default)]
pub(super) struct Cooldown {
    until: Mutex<Option<(Instant, Reason)>>,
    /// Checked before each call.
    is_on: AtomicBool,
}

impl Cooldown {
    /// Keeps calls back for so long; a longer cooldown that is on already stands.
    pub(super) fn at_least(&self, wait: Duration, reason: Reason) {
        let end = Instant::now() + wait;
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.is_none_or(|(longest, _)| longest < end) {
            *until = Some((end, reason));
            self.is_on.store(true, Ordering::Release);
        }
    }

    /// For how long calls are still kept back, and why.
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
    async fn the_longest_cooldown_stands_until_it_is_over() {
        let cooldown = Cooldown::default();
        assert_eq!(cooldown.left(), None);
        cooldown.at_least(Duration::from_secs(5), Reason::Cooldown);
        cooldown.at_least(Duration::from_secs(2), Reason::Stalled);
        assert_eq!(cooldown.left(), Some((Duration::from_secs(5), Reason::Cooldown)));
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(cooldown.left(), None);
        cooldown.at_least(Duration::from_secs(1), Reason::Stalled);
        assert_eq!(cooldown.left(), Some((Duration::from_secs(1), Reason::Stalled)), "the next one begins anew");
    }
}
