//! How long to wait before something is tried again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first wait: a server that was only restarted is back in a moment.
const FIRST: Duration = Duration::from_millis(20);

/// The longest: a fleet is back at work within a second or so of its server.
const LONGEST: Duration = Duration::from_secs(1);

/// Waits that double up to a second, each shortened by up to a half by chance, so that a fleet does not come back at once.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Pauses {
    /// Waits a little longer than the last time.
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
        let mut pauses = Pauses::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            let start = Instant::now();
            pauses.pause().await;
            waits.push(start.elapsed());
        }
        assert!(waits[0] <= FIRST + Duration::from_millis(1), "{waits:?}");
        // tokio's clock counts whole milliseconds, rounded up.
        let longest = LONGEST..=LONGEST * 2;
        assert!(waits[8..].iter().all(|&wait| longest.contains(&(wait * 2)) && wait <= LONGEST), "{waits:?}");
    }
}
