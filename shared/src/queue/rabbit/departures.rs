//! Moments at which messages leave: one by one while there are few, many together while there are many.
//!
//! A quorum queue writes to its disk, and has its followers write, as often as something comes. A thousand messages a second
//! that come one by one cost a broker ten times the CPU of the same in a hundred bursts; whoever waits for them does so for
//! seconds.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The shortest time between two departures.
const EVERY: Duration = Duration::from_millis(20);

/// When messages leave.
#[derive(Debug)]
pub(super) struct Departures {
    next: Mutex<Instant>,
}

impl Departures {
    pub(super) fn new() -> Self {
        Self { next: Mutex::new(Instant::now()) }
    }

    /// Returns at the next departure: at once, if the last one was long ago.
    pub(super) async fn depart(&self) {
        if let Some(later) = self.takes_part_in() {
            sleep_until(later).await;
            self.has_left(later);
        }
    }

    /// When the next departure is, if not now.
    fn takes_part_in(&self) -> Option<Instant> {
        let (mut next, now) = (self.next.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if *next > now {
            return Some(*next);
        }
        *next = now + EVERY;
        None
    }

    /// Those who left together count as one departure.
    fn has_left(&self, departure: Instant) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if *next == departure {
            *next = departure + EVERY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_single_message_leaves_at_once_and_many_leave_together() {
        let (departures, start) = (Departures::new(), Instant::now());
        departures.depart().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        tokio::time::advance(EVERY / 2).await;
        let depart = async || {
            departures.depart().await;
            start.elapsed()
        };
        let (one, two, three) = tokio::join!(depart(), depart(), depart());
        assert_eq!([one, two, three], [EVERY; 3]);
        assert_eq!(depart().await, 2 * EVERY, "whoever comes just after them waits for the next");
        tokio::time::advance(EVERY).await;
        assert_eq!(depart().await, 3 * EVERY);
    }
}
