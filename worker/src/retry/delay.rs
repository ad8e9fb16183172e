//! How long a call waits before it is tried again.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use tokio_util::sync::CancellationToken;

use crate::halt::Halt;
use crate::timeouts::Backoff;

/// The ceilings of the delays, which double from the first to the longest.
pub(super) fn ceilings(backoff: Backoff) -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new().with_min_delay(backoff.first).with_max_delay(backoff.longest).without_max_times().build()
}

/// A random delay below the ceiling (full jitter, so that workers do not all return at once), in addition to the wait that
/// the provider asked for.
pub(super) fn delay(ceiling: Duration, retry_after: Option<Duration>) -> Duration {
    let jitter = ceiling.mul_f64(fraction());
    // If the provider says when to return, jitter only spreads the calls a little.
    retry_after.map_or(jitter, |after| after + jitter.min(after / 4))
}

/// A random number in 0..1 that differs between calls and between processes.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let bits = RandomState::new().hash_one(0_u8) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

pub(super) async fn sleep_unless_stopped(delay: Duration, stop: &CancellationToken) -> Result<(), Halt> {
    tokio::select! {
        biased;
        () = stop.cancelled() => Err(Halt::Stopped),
        () = tokio::time::sleep(delay) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_longest() {
        let seconds: Vec<f64> = ceilings(Backoff::default()).take(9).map(|ceiling| ceiling.as_secs_f64()).collect();
        assert_eq!(seconds, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
    }

    #[test]
    fn jitter_covers_the_whole_range_below_the_ceiling() {
        let ceiling = Duration::from_secs(8);
        let delays: Vec<Duration> = (0..2000).map(|_| delay(ceiling, None)).collect();
        assert!(delays.iter().all(|&delay| delay < ceiling));
        assert!(
            delays.iter().any(|&delay| delay < ceiling / 10) && delays.iter().any(|&delay| delay > ceiling / 10 * 9)
        );
    }

    #[test]
    fn a_provider_that_names_a_wait_is_not_asked_earlier() {
        let after = Duration::from_secs(20);
        for _ in 0..100 {
            let delay = delay(Duration::from_mins(1), Some(after));
            assert!(delay >= after && delay <= after + after / 4, "{delay:?}");
        }
    }
}
