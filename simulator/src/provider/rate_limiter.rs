//! Admits calls within the limits, and counts them.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use super::limits::{LimitsChange, ProviderLimits};
use super::options::{LimitRule, OptionsError, ProviderOptions};
use super::window::SlidingWindow;

/// The limits of a provider and their use.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    window: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limits: ProviderLimits,
    /// The admitted calls of a second, and of a window.
    second: SlidingWindow,
    admitted: SlidingWindow,
    /// The calls of a window that count against its limits.
    counted: SlidingWindow,
    calls: Bucket,
    tokens: Bucket,
    in_flight: u64,
    most_in_flight: u64,
}

/// Why a call was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LimitExceeded {
    /// The limit that was reached.
    pub(crate) limit: Limit,
    /// Its value for one window.
    pub(crate) max: u64,
    /// How much of it is used.
    pub(crate) used: u64,
    /// How much of it the call needs.
    pub(crate) needed: u64,
    /// When the call would be admitted, if no other comes first.
    pub(crate) retry_after: Duration,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests,
    Tokens,
    InFlight,
}

/// The state of one limit, as reported in the headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LimitStatus {
    pub(crate) max: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
}

/// The admitted calls: the fullest windows and the calls in flight.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) most_calls_in_second: u64,
    pub(crate) most_calls_in_window: u64,
    pub(crate) most_tokens_in_window: u64,
    pub(crate) in_flight: u64,
    pub(crate) most_in_flight: u64,
}

/// The wait that is advised when too many calls are in flight.
const IN_FLIGHT_RETRY: Duration = Duration::from_millis(500);

impl RateLimiter {
    /// A limiter with the limits of the options.
    pub(crate) fn new(options: &ProviderOptions) -> Self {
        let window = SlidingWindow::new(options.window);
        let full = Bucket::full(Instant::now());
        let state = State {
            limits: ProviderLimits::new(options),
            second: SlidingWindow::new(Duration::from_secs(1)),
            admitted: window.clone(),
            counted: window,
            calls: full,
            tokens: full,
            in_flight: 0,
            most_in_flight: 0,
        };
        Self { window: options.window, state: Mutex::new(state) }
    }

    /// Whether a call of at least this many tokens would be admitted now. Counts a refused call.
    pub(crate) fn check(&self, tokens: u64) -> Result<(), LimitExceeded> {
        let mut state = self.state();
        let now = Instant::now();
        state.check(now, tokens)
    }

    /// Admits and counts a call of this many tokens, if the limits allow it; it is in flight until the guard is dropped.
    pub(crate) fn admit(&self, tokens: u64) -> Result<InFlightGuard<'_>, LimitExceeded> {
        let mut state = self.state();
        // Read under the lock, so that the windows receive the calls in chronological order.
        let now = Instant::now();
        state.check(now, tokens)?;
        state.second.count(now, tokens);
        state.admitted.count(now, tokens);
        state.charge(now, tokens);
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        Ok(InFlightGuard(self))
    }

    /// What remains of the limits on requests and on tokens, if they are set and stated.
    pub(crate) fn remaining(&self) -> [Option<LimitStatus>; 2] {
        let mut state = self.state();
        let now = Instant::now();
        state.slide(now);
        let (limits, window) = (state.limits, &state.counted);
        if !limits.headers {
            return [None; 2];
        }
        let status = |max: u64, used: u64, bucket: Bucket| match limits.rule {
            LimitRule::SlidingWindow => {
                LimitStatus { max, remaining: max.saturating_sub(used), reset: window.until_empty(now) }
            }
            LimitRule::TokenBucket => {
                LimitStatus { max, remaining: bucket.left(), reset: bucket.until(max, max, limits.window) }
            }
        };
        [
            limits.calls().map(|max| status(max, window.calls(), state.calls)),
            limits.tokens().map(|max| status(max, window.tokens(), state.tokens)),
        ]
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> ProviderLimits {
        self.state().limits
    }

    /// Changes the limits. What was counted so far still counts.
    pub(crate) fn change(&self, change: LimitsChange) -> Result<ProviderLimits, OptionsError> {
        let mut state = self.state();
        state.limits = state.limits.changed(change)?;
        Ok(state.limits)
    }

    /// The admitted calls so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let state = self.state();
        Traffic {
            most_calls_in_second: state.second.peak().calls,
            most_calls_in_window: state.admitted.peak().calls,
            most_tokens_in_window: state.admitted.peak().tokens,
            in_flight: state.in_flight,
            most_in_flight: state.most_in_flight,
        }
    }

    /// Resets the maxima; does not affect the limits.
    pub(crate) fn reset_peak(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.second.slide(now);
        state.admitted.slide(now);
        state.second.reset_peak();
        state.admitted.reset_peak();
        state.most_in_flight = state.in_flight;
    }

    /// The period that the limits apply to.
    pub(crate) fn window(&self) -> Duration {
        self.window
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

impl State {
    /// Brings the use of the limits to `now`.
    fn slide(&mut self, now: Instant) {
        self.counted.slide(now);
        let window = self.limits.window;
        for (bucket, max) in [(&mut self.calls, self.limits.calls()), (&mut self.tokens, self.limits.tokens())] {
            match max {
                Some(max) => bucket.refill(now, max, window),
                None => *bucket = Bucket::full(now),
            }
        }
    }

    fn charge(&mut self, now: Instant, tokens: u64) {
        self.counted.count(now, tokens);
        self.calls.take(1);
        self.tokens.take(tokens);
    }

    /// Whether a call fits. If not, it is counted where refused calls count.
    fn check(&mut self, now: Instant, tokens: u64) -> Result<(), LimitExceeded> {
        self.slide(now);
        let exceeded = self.exceeded(now, tokens);
        if exceeded.is_err() && self.limits.count_refused {
            self.charge(now, 0);
        }
        exceeded
    }

    fn exceeded(&self, now: Instant, tokens: u64) -> Result<(), LimitExceeded> {
        let exceeded = |limit, max, used, needed, retry_after| LimitExceeded { limit, max, used, needed, retry_after };
        let in_flight = self.limits.max_in_flight.map(u64::from);
        if let Some(max) = in_flight.filter(|&max| self.in_flight >= max) {
            return Err(exceeded(Limit::InFlight, max, self.in_flight, 1, IN_FLIGHT_RETRY));
        }
        let checks = [
            (Limit::Requests, self.limits.calls(), self.counted.calls(), self.calls, 1),
            (Limit::Tokens, self.limits.tokens(), self.counted.tokens(), self.tokens, tokens),
        ];
        for (limit, max, counted, bucket, needed) in checks {
            let Some(max) = max else { continue };
            match self.limits.rule {
                LimitRule::SlidingWindow if counted + needed > max => {
                    let excess = counted + needed - max;
                    let gone = if limit == Limit::Requests { (excess, 0) } else { (0, excess) };
                    let wait = self.counted.until_gone(now, gone.0, gone.1);
                    return Err(exceeded(limit, max, counted, needed, wait));
                }
                LimitRule::TokenBucket if !bucket.has(needed) => {
                    let wait = bucket.until(needed, max, self.limits.window);
                    return Err(exceeded(limit, max, max - bucket.left(), needed, wait));
                }
                LimitRule::SlidingWindow | LimitRule::TokenBucket => {}
            }
        }
        Ok(())
    }
}

/// A call that is in flight.
#[derive(Debug)]
pub(crate) struct InFlightGuard<'a>(&'a RateLimiter);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(options: &ProviderOptions) -> RateLimiter {
        options.check().unwrap();
        RateLimiter::new(options)
    }

    #[tokio::test(start_paused = true)]
    async fn no_sliding_window_exceeds_the_limit_and_the_wait_is_exact() {
        let limiter = limiter(&ProviderOptions { requests_per_minute: Some(30), ..ProviderOptions::default() });
        for _ in 0..30 {
            drop(limiter.admit(10).unwrap());
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let exceeded = limiter.admit(10).unwrap_err();
        assert_eq!((exceeded.limit, exceeded.max, exceeded.used), (Limit::Requests, 30, 30));
        assert_eq!(exceeded.retry_after, Duration::from_secs(57));
        tokio::time::advance(Duration::from_millis(56_999)).await;
        assert!(limiter.check(10).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(limiter.admit(10).unwrap());
        assert!(limiter.admit(10).is_err(), "only one call has status the window");
        assert_eq!(limiter.traffic().most_calls_in_window, 30);
        assert_eq!(limiter.traffic().most_calls_in_second, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_window_has_its_share_of_the_limit() {
        let window = Duration::from_secs(6);
        let limiter = limiter(&ProviderOptions { tokens_per_minute: Some(1000), window, ..ProviderOptions::default() });
        drop(limiter.admit(60).unwrap());
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(limiter.admit(40).unwrap());
        let exceeded = limiter.admit(61).unwrap_err();
        assert_eq!((exceeded.limit, exceeded.max, exceeded.used, exceeded.needed), (Limit::Tokens, 100, 100, 61));
        assert_eq!(exceeded.retry_after, Duration::from_secs(6), "the first call's 60 tokens are not enough");
        assert_eq!(limiter.admit(60).unwrap_err().retry_after, Duration::from_secs(4));
        let [requests, tokens] = limiter.remaining();
        assert_eq!(requests, None);
        assert_eq!(tokens, Some(LimitStatus { max: 100, remaining: 0, reset: window }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_bucket_admits_a_full_minute_at_once_and_then_refills() {
        let options = ProviderOptions { requests_per_minute: Some(60), ..ProviderOptions::default() };
        let limiter = limiter(&ProviderOptions { limit_rule: LimitRule::TokenBucket, ..options });
        (0..60).for_each(|_| drop(limiter.admit(1).unwrap()));
        assert_eq!(limiter.admit(1).unwrap_err().retry_after.as_millis(), 1000);
        tokio::time::advance(Duration::from_secs(30)).await;
        (0..30).for_each(|_| drop(limiter.admit(1).unwrap()));
        assert!(limiter.admit(1).is_err());
        assert_eq!(limiter.traffic().most_calls_in_window, 90, "a bucket lets a sliding minute hold more");
    }

    #[tokio::test(start_paused = true)]
    async fn refused_calls_count_where_they_do() {
        let options = ProviderOptions { requests_per_minute: Some(2), count_refused: true, ..Default::default() };
        let limiter = limiter(&options);
        (0..2).for_each(|_| drop(limiter.admit(1).unwrap()));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(limiter.check(1).is_err());
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(limiter.admit(1).unwrap());
        assert!(limiter.admit(1).is_err(), "the refused call fills the second place");
        assert_eq!(limiter.traffic().most_calls_in_window, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn limits_change_while_calls_come() {
        let limiter = limiter(&ProviderOptions { requests_per_minute: Some(4), ..ProviderOptions::default() });
        (0..3).for_each(|_| drop(limiter.admit(1).unwrap()));
        let half = LimitsChange { requests_per_minute: Some(Some(2)), headers: Some(false), ..Default::default() };
        assert_eq!(limiter.change(half).unwrap().requests_per_minute, Some(2));
        assert_eq!((limiter.admit(1).unwrap_err().max, limiter.remaining()), (2, [None, None]));
        limiter.change(LimitsChange { requests_per_minute: Some(None), ..Default::default() }).unwrap();
        drop(limiter.admit(1).unwrap());
    }

    #[test]
    fn a_call_is_in_flight_until_its_guard_is_dropped() {
        let limiter = limiter(&ProviderOptions { max_in_flight: Some(2), ..ProviderOptions::default() });
        let guards = [limiter.admit(1).unwrap(), limiter.admit(1).unwrap()];
        assert_eq!(limiter.admit(1).unwrap_err().limit, Limit::InFlight);
        drop(guards);
        drop(limiter.admit(1).unwrap());
        assert_eq!((limiter.traffic().in_flight, limiter.traffic().most_in_flight), (0, 2));
    }
}
