//! A token bucket: it starts full, holds the limit of one window, and refills evenly.

use std::time::Duration;

use tokio::time::Instant;

/// How much of one limit is left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    level: f64,
    at: Instant,
}

impl Bucket {
    /// A bucket that holds anything until its first refill to a limit.
    pub(crate) fn full(now: Instant) -> Self {
        Self { level: f64::INFINITY, at: now }
    }

    /// Refills to `now` at `max` per `window`. A bucket never holds more than `max`, also after a limit was lowered.
    pub(crate) fn refill(&mut self, now: Instant, max: u64, window: Duration) {
        let elapsed = now.saturating_duration_since(self.at);
        let refilled = max as f64 * elapsed.as_secs_f64() / window.as_secs_f64();
        *self = Self { level: (self.level + refilled).min(max as f64), at: now };
    }

    /// Whether this much is left.
    pub(crate) fn has(&self, amount: u64) -> bool {
        self.level >= amount as f64
    }

    /// Takes this much; below 0 the bucket owes it.
    pub(crate) fn take(&mut self, amount: u64) {
        self.level -= amount as f64;
    }

    /// How much is left, rounded down.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a limit")]
    pub(crate) fn left(&self) -> u64 {
        self.level.max(0.0) as u64
    }

    /// How long until this much is left, at `max` per `window`.
    pub(crate) fn until(&self, amount: u64, max: u64, window: Duration) -> Duration {
        let missing = (amount as f64 - self.level).max(0.0);
        let seconds = missing / max as f64 * window.as_secs_f64();
        // Rounded up, so that a retry on time is admitted.
        Duration::try_from_secs_f64(seconds).unwrap_or(window) + Duration::from_micros(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_windows_limit_and_refills_evenly() {
        let (start, window) = (Instant::now(), Duration::from_mins(1));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(start);
        bucket.refill(at(0), 60, window);
        assert!(bucket.has(60) && !bucket.has(61));
        bucket.take(60);
        assert_eq!((bucket.left(), bucket.until(3, 60, window).as_millis()), (0, 3000));
        bucket.refill(at(3), 60, window);
        assert!(bucket.has(3) && !bucket.has(4));
        bucket.refill(at(600), 60, window);
        assert_eq!(bucket.left(), 60);
        bucket.refill(at(600), 30, window);
        assert_eq!(bucket.left(), 30, "the limit was lowered");
    }
}
