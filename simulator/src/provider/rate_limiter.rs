//! Admits calls within the limits, and counts them.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::options::ProviderOptions;
use super::window::SlidingWindow;

/// The limits of a provider and their use. Strict: no sliding window ever exceeds its limit.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limits: Limits,
    state: Mutex<State>,
}

/// The maximum of each in one window, or at a time.
#[derive(Debug, Clone, Copy)]
struct Limits {
    calls: Option<u64>,
    tokens: Option<u64>,
    in_flight: Option<u64>,
    /// The period that the limits apply to.
    window: Duration,
}

#[derive(Debug)]
struct State {
    second: SlidingWindow,
    window: SlidingWindow,
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

/// A window's share of a limit per minute; at least 1.
fn in_window(per_minute: u64, window: Duration) -> u64 {
    let share = u128::from(per_minute) * window.as_nanos() / MINUTE.as_nanos();
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}

const MINUTE: Duration = Duration::from_mins(1);

/// The wait that is advised when too many calls are in flight.
const IN_FLIGHT_RETRY: Duration = Duration::from_millis(500);

impl RateLimiter {
    /// A limiter with the limits of the options.
    pub(crate) fn new(options: &ProviderOptions) -> Self {
        let in_window = |per_minute: u64| in_window(per_minute, options.window);
        let limits = Limits {
            calls: options.requests_per_minute.map(|limit| in_window(limit.into())),
            tokens: options.tokens_per_minute.map(in_window),
            in_flight: options.max_in_flight.map(u64::from),
            window: options.window,
        };
        let second = SlidingWindow::new(Duration::from_secs(1));
        let window = SlidingWindow::new(options.window);
        Self { limits, state: Mutex::new(State { second, window, in_flight: 0, most_in_flight: 0 }) }
    }

    /// Whether a call of at least this many tokens would be admitted now.
    pub(crate) fn check(&self, tokens: u64) -> Result<(), LimitExceeded> {
        self.limits.check(&mut self.state(), Instant::now(), tokens)
    }

    /// Admits and counts a call of this many tokens, if the limits allow it; it is in flight until the guard is dropped.
    pub(crate) fn admit(&self, tokens: u64) -> Result<InFlightGuard<'_>, LimitExceeded> {
        let mut state = self.state();
        // Read under the lock, so that the windows receive the calls in chronological order.
        let now = Instant::now();
        self.limits.check(&mut state, now, tokens)?;
        state.second.count(now, tokens);
        state.window.count(now, tokens);
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        Ok(InFlightGuard(self))
    }

    /// What remains of the limits on requests and on tokens, if they are set.
    pub(crate) fn remaining(&self) -> [Option<LimitStatus>; 2] {
        let mut state = self.state();
        let now = Instant::now();
        state.window.slide(now);
        let window = &state.window;
        let status = |max: u64, used: u64| LimitStatus {
            max,
            remaining: max.saturating_sub(used),
            reset: window.until_empty(now),
        };
        [
            self.limits.calls.map(|max| status(max, window.calls())),
            self.limits.tokens.map(|max| status(max, window.tokens())),
        ]
    }

    /// The admitted calls so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let state = self.state();
        Traffic {
            most_calls_in_second: state.second.peak().calls,
            most_calls_in_window: state.window.peak().calls,
            most_tokens_in_window: state.window.peak().tokens,
            in_flight: state.in_flight,
            most_in_flight: state.most_in_flight,
        }
    }

    /// Resets the maxima; does not affect the limits.
    pub(crate) fn reset_peak(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.second.slide(now);
        state.window.slide(now);
        state.second.reset_peak();
        state.window.reset_peak();
        state.most_in_flight = state.in_flight;
    }

    /// The period that the limits apply to.
    pub(crate) fn window(&self) -> Duration {
        self.limits.window
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }
}

impl Limits {
    fn check(&self, state: &mut State, now: Instant, tokens: u64) -> Result<(), LimitExceeded> {
        state.window.slide(now);
        let window = &state.window;
        let exceeded = |limit, max, used, needed, retry_after| LimitExceeded { limit, max, used, needed, retry_after };
        if let Some(max) = self.in_flight.filter(|&max| state.in_flight >= max) {
            return Err(exceeded(Limit::InFlight, max, state.in_flight, 1, IN_FLIGHT_RETRY));
        }
        if let Some(max) = self.calls.filter(|&max| window.calls() >= max) {
            let wait = window.until_gone(now, window.calls() - max + 1, 0);
            return Err(exceeded(Limit::Requests, max, window.calls(), 1, wait));
        }
        if let Some(max) = self.tokens.filter(|&max| window.tokens() + tokens > max) {
            let wait = window.until_gone(now, 0, window.tokens() + tokens - max);
            return Err(exceeded(Limit::Tokens, max, window.tokens(), tokens, wait));
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
