//! Limits per minute: token buckets that refill evenly and hold a small burst.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, sleep};

use super::limits::Limits;
use super::office::OwnLimit;
use super::waiters::Waiters;

const MINUTE: Duration = Duration::from_mins(1);

/// The limit of tokens per minute, divided by this, is the size of their bucket: large enough for calls of all sizes.
const TOKEN_BURST_DIVISOR: u32 = 10;

/// The limit of requests per minute, divided by this, is the size of their bucket: the requests of a second.
const REQUEST_BURST_DIVISOR: u32 = 60;

/// The limits per minute of an endpoint and model.
#[derive(Debug)]
pub(super) struct Pace {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Pace {
    /// A pace with full buckets; `None` if nothing is limited per minute.
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        let bucket = |limit: Option<u32>, part: u32| limit.and_then(|limit| Bucket::per_minute(limit, limit / part));
        let pace = Self {
            requests: bucket(limits.requests_per_minute, REQUEST_BURST_DIVISOR),
            tokens: bucket(limits.tokens_per_minute, TOKEN_BURST_DIVISOR),
        };
        (pace.requests.is_some() || pace.tokens.is_some()).then_some(pace)
    }

    /// A pace with empty buckets, because the calls made under earlier limits count too.
    pub(super) fn after_others(limits: &Limits) -> Option<Self> {
        let pace = Self::new(limits)?;
        pace.requests.iter().chain(&pace.tokens).for_each(Bucket::empty);
        Some(pace)
    }

    /// Waits until a call with this many tokens is within the limits.
    pub(super) async fn take(&self, tokens: u32) {
        if let Some(requests) = &self.requests {
            requests.take(1).await;
        }
        if let Some(bucket) = &self.tokens {
            bucket.take(tokens).await;
        }
    }

    /// The limit for which calls wait, if any call waits.
    pub(super) fn waited_for(&self) -> Option<OwnLimit> {
        let requests = self.requests.as_ref().and_then(Bucket::waited_for).map(OwnLimit::RequestsPerMinute);
        requests.or_else(|| self.tokens.as_ref().and_then(Bucket::waited_for).map(OwnLimit::TokensPerMinute))
    }
}

/// A token bucket that keeps to one limit per minute.
#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    allowance: NonZeroU32,
    limit: u32,
    waiters: Waiters,
}

/// Tokio's clock, which tests can pause.
#[derive(Debug, Clone)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Bucket {
    /// Lets through at most `limit` in any minute, and at most `allowance` at once.
    ///
    /// The burst of a full bucket and the refill of a minute add up to the limit, so no sliding minute exceeds it.
    fn per_minute(limit: u32, allowance: u32) -> Option<Self> {
        let allowance = NonZeroU32::new(allowance.max(1).min(limit))?;
        let clock = SinceStart(Instant::now());
        let limiter = RateLimiter::direct_with_clock(Self::quota(limit, allowance)?, clock.clone());
        Some(Self { limiter, clock, allowance, limit, waiters: Waiters::default() })
    }

    fn quota(limit: u32, allowance: NonZeroU32) -> Option<Quota> {
        let flow = (limit - allowance.get()).max(1);
        // Rounded up: at large limits, a period that is a nanosecond too short lets through thousands of tokens too many.
        let period = MINUTE.as_nanos().div_ceil(u128::from(flow));
        let period = Duration::from_nanos(u64::try_from(period).unwrap_or(u64::MAX));
        Some(Quota::with_period(period)?.allow_burst(allowance))
    }

    fn empty(&self) {
        // The bucket is full, so this fits.
        let _ = self.limiter.check_n(self.allowance);
    }

    /// Waits until `amount` fits. An amount above the bucket's size waits for several full buckets.
    async fn take(&self, amount: u32) {
        let _waiter = self.waiters.add();
        let mut rest = amount;
        while let Some(part) = NonZeroU32::new(rest.min(self.allowance.get())) {
            while let Err(later) = self.limiter.check_n(part).expect("a part is at most the allowance") {
                sleep(later.wait_time_from(self.clock.now())).await;
            }
            rest -= part.get();
        }
    }

    fn waited_for(&self) -> Option<u32> {
        (!self.waiters.is_empty()).then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whenever calls arrive, no sliding minute exceeds the limit.
        #[test]
        fn no_minute_holds_more_than_the_limit(limit in 1_u32..500, gaps in prop::collection::vec(0_u64..2_000, 1..2_000)) {
            let allowance = NonZeroU32::new((limit / 60).max(1)).expect("not 0");
            let quota = Bucket::quota(limit, allowance).expect("positive");
            let clock = FakeRelativeClock::default();
            let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
            let (mut now, mut granted) = (0_u64, Vec::new());
            for gap in gaps {
                now += gap;
                clock.advance(Duration::from_millis(gap));
                if limiter.check().is_ok() {
                    granted.push(now);
                }
            }
            let in_the_minute_from = |at: usize| granted[at..].iter().take_while(|&&t| t < granted[at] + 60_000).count();
            let most = (0..granted.len()).map(in_the_minute_from).max().unwrap_or(0);
            prop_assert!(most <= limit as usize, "{most} in a minute, limit {limit}");
        }
    }
}
