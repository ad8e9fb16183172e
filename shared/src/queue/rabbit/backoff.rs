//! Growing waits between attempts, so that a fleet does not overload a broker in trouble.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// Ceiling of the first wait.
const FIRST: Duration = Duration::from_millis(100);

/// Ceiling of the longest wait: a broker that is back is used again within seconds.
const LONGEST: Duration = Duration::from_secs(5);

/// A connection that lasts this long counts as stable: the waits then start from the first again.
const LASTING: Duration = Duration::from_secs(10);

/// Waits before attempts: each a random time below a ceiling that doubles (full jitter).
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { ceiling: FIRST }
    }
}

impl Backoff {
    /// Reports how long the result of an attempt lasted. Waits keep growing as long as each breaks off early.
    pub(super) fn has_lasted(&mut self, time: Duration) {
        if time >= LASTING {
            *self = Self::default();
        }
    }

    /// Waits before the next attempt.
    pub(super) async fn pause(&mut self) {
        let wait = self.ceiling.mul_f64(fraction());
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        tokio::time::sleep(wait).await;
    }
}

/// A number in 0..1 that differs from call to call and process to process.
fn fraction() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_lasts_begins_the_waits_anew() {
        let mut backoff = Backoff::default();
        for _ in 0..3 {
            backoff.pause().await;
            backoff.has_lasted(LASTING.saturating_sub(Duration::from_millis(1)));
        }
        assert_eq!(backoff.ceiling, FIRST * 8);
        backoff.has_lasted(LASTING);
        assert_eq!(backoff.ceiling, FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn waits_stay_below_ceilings_that_double_up_to_the_longest() {
        let mut backoff = Backoff::default();
        let mut ceiling = FIRST;
        let mut total = Duration::ZERO;
        for _ in 0..40 {
            let start = Instant::now();
            backoff.pause().await;
            // Tokio's clock counts milliseconds.
            assert!(start.elapsed() <= ceiling + Duration::from_millis(1), "{:?} over {ceiling:?}", start.elapsed());
            total += start.elapsed();
            ceiling = (ceiling * 2).min(LONGEST);
        }
        // 34 waits below five seconds, half of that on average: far from none, and far from all.
        assert!((Duration::from_secs(34)..Duration::from_secs(150)).contains(&total), "{total:?} in all");
    }
}
