//! The permit office of one process.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Ask, Limits, PermitOffice};
use crate::id::ModelId;

const MINUTE: Duration = Duration::from_mins(1);

/// Permits for the models of one process. Cheap to clone; clones share the limits.
#[derive(Debug, Clone)]
pub struct LocalOffice {
    desks: Arc<[Desk]>,
}

/// The limits of one model.
#[derive(Debug)]
struct Desk {
    in_flight: Arc<Semaphore>,
    requests: Option<Bucket>,
    tokens: Option<Bucket>,
}

/// A limit for each minute, as an even flow with a small allowance.
#[derive(Debug)]
struct Bucket {
    limiter: DefaultDirectRateLimiter,
    allowance: NonZeroU32,
    limit: u32,
    /// Calls that wait for it.
    waiting: AtomicUsize,
}

/// A limit of the user's own for which calls wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnLimit {
    /// Requests in any minute.
    RequestsPerMinute(u32),
    /// Tokens in any minute.
    TokensPerMinute(u32),
}

impl LocalOffice {
    /// An office for the models of an experiment, in the experiment's order.
    pub fn new(limits: &[Limits]) -> Self {
        Self { desks: limits.iter().map(Desk::new).collect() }
    }

    /// For which limit the calls to a model wait at this moment; none where they do not.
    pub fn waits_for(&self, model: ModelId) -> Option<OwnLimit> {
        let desk = &self.desks[model.0 as usize];
        let requests = desk.requests.as_ref().and_then(Bucket::waited_for).map(OwnLimit::RequestsPerMinute);
        requests.or_else(|| desk.tokens.as_ref().and_then(Bucket::waited_for).map(OwnLimit::TokensPerMinute))
    }
}

impl Desk {
    fn new(limits: &Limits) -> Self {
        let tokens = limits.tokens_per_minute.and_then(|limit| Bucket::per_minute(limit, limit / 10));
        Self {
            in_flight: Arc::new(Semaphore::new(limits.calls_in_flight.clamp(1, super::MOST_CALLS_IN_FLIGHT) as usize)),
            requests: limits.requests_per_minute.and_then(|limit| Bucket::per_minute(limit, limit / 60)),
            tokens,
        }
    }
}

impl Bucket {
    /// At most `limit` in any minute, of which at most `allowance` at once.
    ///
    /// What a full bucket gives at once and what flows in during a minute add up to the limit, so that no sliding
    /// window holds more.
    fn per_minute(limit: u32, allowance: u32) -> Option<Self> {
        let allowance = NonZeroU32::new(allowance.max(1).min(limit))?;
        let limiter = RateLimiter::direct(Self::quota(limit, allowance)?);
        Some(Self { limiter, allowance, limit, waiting: AtomicUsize::new(0) })
    }

    fn quota(limit: u32, allowance: NonZeroU32) -> Option<Quota> {
        let flow = (limit - allowance.get()).max(1);
        // Rounded up: a period that is a nanosecond too short lets thousands of tokens too many through at large limits.
        let period = MINUTE.as_nanos().div_ceil(u128::from(flow));
        let period = Duration::from_nanos(u64::try_from(period).unwrap_or(u64::MAX));
        Some(Quota::with_period(period)?.allow_burst(allowance))
    }

    /// Waits until `amount` fits. What is more than the bucket can ever hold waits for a full bucket.
    async fn take(&self, amount: u32) {
        let _place = Place::in_queue(&self.waiting);
        let mut rest = amount;
        while let Some(part) = NonZeroU32::new(rest.min(self.allowance.get())) {
            self.limiter.until_n_ready(part).await.expect("a part is at most the allowance");
            rest -= part.get();
        }
    }
}

impl Bucket {
    fn waited_for(&self) -> Option<u32> {
        (self.waiting.load(Ordering::Relaxed) > 0).then_some(self.limit)
    }
}

/// A place in a queue, left by dropping it: a call may be given up while it waits.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn in_queue(queue: &'a AtomicUsize) -> Self {
        queue.fetch_add(1, Ordering::Relaxed);
        Self(queue)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Leave to make one call, until it is dropped.
#[derive(Debug)]
pub struct LocalPermit {
    _in_flight: OwnedSemaphorePermit,
}

impl PermitOffice for LocalOffice {
    type Permit = LocalPermit;

    async fn permit(&self, ask: Ask) -> LocalPermit {
        let desk = &self.desks[ask.model.0 as usize];
        let in_flight = Arc::clone(&desk.in_flight).acquire_owned().await.expect("the semaphore is never closed");
        if let Some(requests) = &desk.requests {
            requests.take(1).await;
        }
        if let Some(tokens) = &desk.tokens {
            tokens.take(ask.tokens).await;
        }
        LocalPermit { _in_flight: in_flight }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};
    use std::time::Instant;

    use governor::clock::FakeRelativeClock;
    use proptest::prelude::*;

    use super::*;

    fn ask(tokens: u32) -> Ask {
        Ask { model: ModelId(0), tokens }
    }

    #[tokio::test]
    async fn calls_in_flight_are_bounded_until_a_permit_is_dropped() {
        let office = LocalOffice::new(&[Limits { calls_in_flight: 2, ..Limits::default() }]);
        let first = office.permit(ask(1)).await;
        let _second = office.permit(ask(1)).await;
        assert_eq!(office.desks[0].in_flight.available_permits(), 0);
        drop(first);
        let _third = office.permit(ask(1)).await;
    }

    #[tokio::test]
    async fn a_token_limit_makes_the_next_call_wait() {
        // 60,000 a minute: 6,000 at once, then 900 a second.
        let office = LocalOffice::new(&[Limits { tokens_per_minute: Some(60_000), ..Limits::default() }]);
        drop(office.permit(ask(6_000)).await);
        let start = Instant::now();
        drop(office.permit(ask(90)).await);
        assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
    }

    #[tokio::test]
    async fn the_limit_that_is_waited_for_is_known_until_nobody_waits() {
        // Ten at once, then 590 a minute.
        let limits = Limits { requests_per_minute: Some(600), tokens_per_minute: Some(1_000_000), ..Limits::default() };
        let office = LocalOffice::new(&[limits]);
        for _ in 0..10 {
            drop(office.permit(ask(1)).await);
        }
        assert_eq!(office.waits_for(ModelId(0)), None);
        let mut waiting = Box::pin(office.permit(ask(1)));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(office.waits_for(ModelId(0)), Some(OwnLimit::RequestsPerMinute(600)));
        drop(waiting);
        assert_eq!(office.waits_for(ModelId(0)), None);
    }

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
