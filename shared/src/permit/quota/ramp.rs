//! A slow start where no limit is known: the pace grows while demand fills it, until a call is refused.

use serde::{Deserialize, Serialize};

/// The pace at the start, in calls a minute.
const START: f64 = 600.0;

/// The pace doubles at most this often; so the calls that are under way when a limit is found are a small share of it.
const SLOWEST_MS: u64 = 5_000;

/// The pace doubles at least this often while demand fills it.
const FASTEST_MS: u64 = 100;

/// The pace doubles once in so many times of what a call takes. A provider that answers in a millisecond refuses in one,
/// too: it can be tried sooner than one that takes a second.
const LATENCIES: u64 = 40;

/// No provider answers more calls a minute.
const FASTEST_PACE: f64 = 1e9;

/// The pace of a slow start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Ramp {
    per_minute: f64,
    /// When demand filled the pace last.
    filled_at: Option<u64>,
    /// What a call takes, by a moving average, in microseconds. Unknown until the first is answered.
    latency_us: Option<u64>,
}

impl Default for Ramp {
    fn default() -> Self {
        Self { per_minute: START, filled_at: None, latency_us: None }
    }
}

impl Ramp {
    /// The pace, in calls a minute.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 600 to 1e9")]
    pub(super) const fn per_minute(&self) -> u64 {
        self.per_minute as u64
    }

    /// A call was answered within so many milliseconds.
    pub(super) fn answered(&mut self, took_ms: u64) {
        let took_us = took_ms.saturating_mul(1_000);
        self.latency_us = Some(self.latency_us.map_or(took_us, |average| average - average / 8 + took_us / 8));
    }

    /// Calls waited for the pace.
    pub(super) fn filled(&mut self, now: u64) {
        let interval = self.interval_ms();
        // At most one doubling at a time, however long nobody asked.
        let since = self.filled_at.map_or(0, |before| now.saturating_sub(before)).min(interval);
        self.per_minute = (self.per_minute * (since as f64 / interval as f64).exp2()).min(FASTEST_PACE);
        self.filled_at = Some(now);
    }

    /// A call was refused. If that taught no pace, because it was for another limit or nobody knows for which, the search
    /// goes on from well below.
    pub(super) fn refused(&mut self) {
        self.per_minute = (self.per_minute / 4.0).max(START);
        self.rest();
    }

    /// Calls did not wait for the pace, or the provider has trouble: no growth until they wait again.
    pub(super) fn rest(&mut self) {
        self.filled_at = None;
    }

    fn interval_ms(&self) -> u64 {
        let by_latency = self.latency_us.map_or(SLOWEST_MS, |average| average.saturating_mul(LATENCIES) / 1_000);
        by_latency.clamp(FASTEST_MS, SLOWEST_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_doubles_every_five_seconds_or_sooner_where_replies_are_quick() {
        let check = |took_ms: u64, ms: u64, doublings: f64| {
            let mut ramp = Ramp::default();
            ramp.answered(took_ms);
            (0..=ms).for_each(|now| ramp.filled(now));
            let expected = START * doublings.exp2();
            assert!((ramp.per_minute / expected - 1.0).abs() < 1e-6, "{ramp:?}, expected {expected}");
        };
        check(1_000, 5_000, 1.0);
        check(1_000, 12_500, 2.5);
        check(0, 1_000, 10.0);
        check(10, 1_000, 2.5);
        assert_eq!(Ramp::default().interval_ms(), SLOWEST_MS, "before the first reply");
    }

    #[test]
    fn a_pace_that_nobody_fills_stays() {
        let mut ramp = Ramp::default();
        ramp.filled(0);
        ramp.rest();
        ramp.filled(60_000);
        assert_eq!(ramp.per_minute(), 600);
    }
}
