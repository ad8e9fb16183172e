//! Limits for each minute, as an even flow with a small allowance.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, sleep};

use super::limits::Limits;
use super::office::OwnLimit;
use super::queue::Queue;

const MINUTE: Duration = Duration::from_mins(1);

/// A full token bucket holds what a tenth of a minute's flow would be: calls differ in size.
const TOKENS_AT_ONCE: u32 = 10;

/// A full request bucket holds a second's requests.
const REQUESTS_AT_ONCE: u32 = 60;

/// The limits for each minute of an endpoint and model.
#[derive(Debug)]
pub(super) struct Pace {
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

impl Pace {
    /// With full buckets; none where nothing is limited.
    pub(super) fn new(limits: &Limits) -> Option<Self> {
        let bucket = |limit: Option<u32>, part: u32| limit.and_then(|limit| Bucket::per_minute(limit, limit / part));
        let pace = Self {
            requests: bucket(limits.requests_per_minute, REQUESTS_AT_ONCE),
            tokens: bucket(limits.tokens_per_minute, TOKENS_AT_ONCE),
        };
        (pace.requests.is_some() || pace.tokens.is_some()).then_some(pace)
    }

    /// With empty buckets: what came before under other limits counts too.
    pub(super) fn after_others(limits: &Limits) -> Option<Self> {
        let pace = Self::new(limits)?;
        pace.requests.iter().chain(&pace.tokens).for_each(Bucket::empty);
        Some(pace)
    }

    /// Waits until a call with so many tokens fits.
    pub(super) async fn take(&self, tokens: u32) {
        if let Some(requests) = &self.requests {
            requests.take(1).await;
        }
        if let Some(bucket) = &self.tokens {
            bucket.take(tokens).await;
        }
    }

    /// What calls wait for, if any do.
    pub(super) fn waited_for(&self) -> Option<OwnLimit> {
        let requests = self.requests.as_ref().and_then(Bucket::waited_for).map(OwnLimit::RequestsPerMinute);
        requests.or_else(|| self.tokens.as_ref().and_then(Bucket::waited_for).map(OwnLimit::TokensPerMinute))
    }
}

/// A limit for each minute.
#[derive(Debug)]
struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    allowance: NonZeroU32,
    limit: u32,
    queue: Queue,
}

/// The runtime's clock.
#[derive(Debug, Clone)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

impl Bucket {
    /// At most `limit` in any minute, of which at most `allowance` at once.
    ///
    /// What a full bucket gives at once and what flows in during a minute add up to the limit, so that no sliding
    /// window holds more.
    fn per_minute(limit: u32, allowance: u32) -> Option<Self> {
        let allowance = NonZeroU32::new(allowance.max(1).min(limit))?;
        let clock = SinceStart(Instant::now());
        let limiter = RateLimiter::direct_with_clock(Self::quota(limit, allowance)?, clock.clone());
        Some(Self { limiter, clock, allowance, limit, queue: Queue::default() })
    }

    fn quota(limit: u32, allowance: NonZeroU32) -> Option<Quota> {
        let flow = (limit - allowance.get()).max(1);
        // Rounded up: a period that is a nanosecond too short lets thousands of tokens too many through at large limits.
        let period = MINUTE.as_nanos().div_ceil(u128::from(flow));
        let period = Duration::from_nanos(u64::try_from(period).unwrap_or(u64::MAX));
        Some(Quota::with_period(period)?.allow_burst(allowance))
    }

    fn empty(&self) {
        // It is full, so this fits.
        let _ = self.limiter.check_n(self.allowance);
    }

    /// Waits until `amount` fits. What is more than the bucket can ever hold waits for a full bucket several times.
    async fn take(&self, amount: u32) {
        let _waiter = self.queue.join();
        let mut rest = amount;
        while let Some(part) = NonZeroU32::new(rest.min(self.allowance.get())) {
            while let Err(later) = self.limiter.check_n(part).expect("a part is at most the allowance") {
                sleep(later.wait_time_from(self.clock.now())).await;
            }
            rest -= part.get();
        }
    }

    fn waited_for(&self) -> Option<u32> {
        (!self.queue.is_empty()).then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However the calls come, no sliding minute holds more than the limit.
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
