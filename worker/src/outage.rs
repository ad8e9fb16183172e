//! Notices that a provider is down: attempts fail and none is answered. Then all calls to the model are held back for a
//! moment, which grows; the first that goes out after it shows whether the provider is back.
//!
//! Without that each call that is ready would find out by itself, and a quick worker has thousands of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::hold::{Hold, Why};
use crate::timeouts::Waits;

/// So many attempts fail in a row for each place in flight before the provider counts as down: it may have been started
/// anew under all of them, or have turned all of them away once.
const FAILED_FOR_EACH_PLACE: u32 = 2;

/// The longest hold, as a part of the longest wait of one call.
const OF_THE_LONGEST_WAIT: u32 = 4;

/// What is known of a model's provider since it last answered.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    since: Mutex<Since>,
    /// Looked at with each reply.
    has_begun: AtomicBool,
}

#[derive(Debug, Default)]
struct Since {
    failed: u32,
    holds: u32,
}

impl Outage {
    /// An attempt failed, with so many places in flight; holds the model's calls where the provider is down.
    pub(crate) fn failed(&self, places: u32, waits: Waits, hold: &Hold) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.failed = since.failed.saturating_add(1);
        self.has_begun.store(true, Ordering::Relaxed);
        // What fails while calls are held was sent before.
        if since.failed >= places.saturating_mul(FAILED_FOR_EACH_PLACE) && hold.left().is_none() {
            hold.at_least(next_hold(since.holds, waits), Why::ProviderDown);
            since.holds = since.holds.saturating_add(1);
        }
    }

    /// A call was answered, if only with a no to its prompt: the provider is there.
    pub(crate) fn answered(&self) {
        if self.has_begun.load(Ordering::Relaxed) {
            let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
            *since = Since::default();
            self.has_begun.store(false, Ordering::Relaxed);
        }
    }
}

/// Doubling from the first wait of a call.
fn next_hold(holds: u32, waits: Waits) -> Duration {
    let doubled = 1_u32.checked_shl(holds).unwrap_or(u32::MAX);
    waits.first.saturating_mul(doubled).min(waits.longest / OF_THE_LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_double_up_to_the_longest() {
        let seconds: Vec<f64> = (0..8).map(|holds| next_hold(holds, Waits::default()).as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]);
        assert_eq!(next_hold(u32::MAX, Waits::default()), Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_is_down_when_all_places_have_failed_twice_and_until_it_answers() {
        let (outage, hold) = (Outage::default(), Hold::default());
        let fail = |times| (0..times).for_each(|_| outage.failed(8, Waits::default(), &hold));
        let held = || hold.left().map(|(left, _)| left.as_millis());
        fail(15);
        assert_eq!(held(), None);
        outage.answered();
        fail(15);
        assert_eq!(held(), None, "an answer came between");
        fail(1);
        assert_eq!(hold.left(), Some((Duration::from_millis(500), Why::ProviderDown)));
        fail(20);
        assert_eq!(held(), Some(500), "these were under way when it began");
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(held(), None);
        fail(1);
        assert_eq!(held(), Some(1_000), "the first that goes out is enough");
        tokio::time::advance(Duration::from_secs(1)).await;
        outage.answered();
        fail(15);
        assert_eq!(held(), None);
    }
}
