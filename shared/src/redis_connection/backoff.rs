//! Growing waits between attempts.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first wait: a server that was only restarted is back in a moment.
const FIRST: Duration = Duration::from_millis(20);

/// The longest wait: a fleet resumes within about a second of its server's return.
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double up to a second, each randomly shortened by up to half, so that the processes of a fleet do not all
/// reconnect at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Waits before the next attempt.
    pub(super) async fn pause(&mut self) {
        let by_chance = RandomState::new().hash_one(0_u8) % 512;
        let shortened = self.next.mul_f64(1.0 - by_chance as f64 / 1024.0);
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(shortened).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_second_and_no_further() {
        let mut backoff = Backoff::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            backoff.pause().await;
            waits.push(start.elapsed());
        }
        assert!(waits[0] <= FIRST + Duration::from_millis(1), "{waits:?}");
        // tokio's clock counts whole milliseconds, rounded up.
        let longest = LONGEST..=LONGEST * 2;
        assert!(waits[8..].iter().all(|&wait| longest.contains(&(wait * 2)) && wait <= LONGEST), "{waits:?}");
    }
}
