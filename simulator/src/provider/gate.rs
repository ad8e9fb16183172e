//! Lets calls in while the limits allow, and counts them as they pass.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::options::ProviderOptions;
use super::window::Window;

/// The limits of a provider and what has been used of them. Strict: no sliding window is ever above its limit.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    state: Mutex<State>,
}

/// The most of each that fits one window, or the time.
#[derive(Debug, Clone, Copy)]
struct Limits {
    calls: Option<u64>,
    tokens: Option<u64>,
    in_flight: Option<u64>,
    /// The time in which the limits hold.
    window: Duration,
}

#[derive(Debug)]
struct State {
    second: Window,
    window: Window,
    in_flight: u64,
    most_in_flight: u64,
}

/// Why a call may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed {
    /// Which limit is reached.
    pub(crate) limit: Limit,
    /// How much of it there is in one window.
    pub(crate) most: u64,
    /// How much of it is used.
    pub(crate) used: u64,
    /// How much of it the call needs.
    pub(crate) needed: u64,
    /// When it may pass, if nobody else comes before.
    pub(crate) retry_after: Duration,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Requests,
    Tokens,
    InFlight,
}

/// What is left of one limit, as the headers tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) most: u64,
    pub(crate) remaining: u64,
    pub(crate) reset: Duration,
}

/// What has passed the gate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) most_calls_in_second: u64,
    pub(crate) most_calls_in_window: u64,
    pub(crate) most_tokens_in_window: u64,
    pub(crate) in_flight: u64,
    pub(crate) most_in_flight: u64,
}

/// The share of a limit for a minute that a window has; at least 1.
fn in_window(a_minute: u64, window: Duration) -> u64 {
    let share = u128::from(a_minute) * window.as_nanos() / MINUTE.as_nanos();
    u64::try_from(share).unwrap_or(u64::MAX).max(1)
}

const MINUTE: Duration = Duration::from_mins(1);

/// How long a call that finds too many others under way is told to wait.
const IN_FLIGHT_RETRY: Duration = Duration::from_millis(500);

impl Gate {
    /// A gate with the limits of the options.
    pub(crate) fn new(options: &ProviderOptions) -> Self {
        let in_window = |a_minute: u64| in_window(a_minute, options.window);
        let limits = Limits {
            calls: options.requests_per_minute.map(|limit| in_window(limit.into())),
            tokens: options.tokens_per_minute.map(in_window),
            in_flight: options.max_in_flight.map(u64::from),
            window: options.window,
        };
        let second = Window::new(Duration::from_secs(1));
        let window = Window::new(options.window);
        Self { limits, state: Mutex::new(State { second, window, in_flight: 0, most_in_flight: 0 }) }
    }

    /// Whether a call of at least so many tokens would be let in now.
    pub(crate) fn look(&self, tokens: u64) -> Result<(), Closed> {
        self.limits.check(&mut self.state(), Instant::now(), tokens)
    }

    /// Lets a call of so many tokens in, if it may, and counts it. It is in flight until the ticket is dropped.
    pub(crate) fn pass(&self, tokens: u64) -> Result<Ticket<'_>, Closed> {
        let mut state = self.state();
        // Taken under the lock, so that the windows see the calls in the order of their times.
        let now = Instant::now();
        self.limits.check(&mut state, now, tokens)?;
        state.second.count(now, tokens);
        state.window.count(now, tokens);
        state.in_flight += 1;
        state.most_in_flight = state.most_in_flight.max(state.in_flight);
        Ok(Ticket(self))
    }

    /// What is left of the limits on requests and on tokens, where there are such.
    pub(crate) fn left(&self) -> [Option<Left>; 2] {
        let mut state = self.state();
        let now = Instant::now();
        state.window.slide(now);
        let window = &state.window;
        let left =
            |most: u64, used: u64| Left { most, remaining: most.saturating_sub(used), reset: window.until_empty(now) };
        [
            self.limits.calls.map(|most| left(most, window.calls())),
            self.limits.tokens.map(|most| left(most, window.tokens())),
        ]
    }

    /// What has passed.
    pub(crate) fn passed(&self) -> Passed {
        let state = self.state();
        Passed {
            most_calls_in_second: state.second.most().calls,
            most_calls_in_window: state.window.most().calls,
            most_tokens_in_window: state.window.most().tokens,
            in_flight: state.in_flight,
            most_in_flight: state.most_in_flight,
        }
    }

    /// Starts anew to look for the most; the limits go on as they are.
    pub(crate) fn reset_most(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.second.slide(now);
        state.window.slide(now);
        state.second.reset_most();
        state.window.reset_most();
        state.most_in_flight = state.in_flight;
    }

    /// The window in which the limits hold.
    pub(crate) fn window(&self) -> Duration {
        self.limits.window
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the gate")
    }
}

impl Limits {
    fn check(&self, state: &mut State, now: Instant, tokens: u64) -> Result<(), Closed> {
        state.window.slide(now);
        let window = &state.window;
        let closed = |limit, most, used, needed, retry_after| Closed { limit, most, used, needed, retry_after };
        if let Some(most) = self.in_flight.filter(|&most| state.in_flight >= most) {
            return Err(closed(Limit::InFlight, most, state.in_flight, 1, IN_FLIGHT_RETRY));
        }
        if let Some(most) = self.calls.filter(|&most| window.calls() >= most) {
            let wait = window.until_gone(now, window.calls() - most + 1, 0);
            return Err(closed(Limit::Requests, most, window.calls(), 1, wait));
        }
        if let Some(most) = self.tokens.filter(|&most| window.tokens() + tokens > most) {
            let wait = window.until_gone(now, 0, window.tokens() + tokens - most);
            return Err(closed(Limit::Tokens, most, window.tokens(), tokens, wait));
        }
        Ok(())
    }
}

/// A call that is in flight.
#[derive(Debug)]
pub(crate) struct Ticket<'a>(&'a Gate);

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(options: &ProviderOptions) -> Gate {
        options.check().unwrap();
        Gate::new(options)
    }

    #[tokio::test(start_paused = true)]
    async fn no_sliding_window_is_above_the_limit_and_the_wait_is_exact() {
        let gate = gate(&ProviderOptions { requests_per_minute: Some(30), ..ProviderOptions::default() });
        for _ in 0..30 {
            drop(gate.pass(10).unwrap());
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        let closed = gate.pass(10).unwrap_err();
        assert_eq!((closed.limit, closed.most, closed.used), (Limit::Requests, 30, 30));
        assert_eq!(closed.retry_after, Duration::from_secs(57));
        tokio::time::advance(Duration::from_millis(56_999)).await;
        assert!(gate.look(10).is_err());
        tokio::time::advance(Duration::from_millis(1)).await;
        drop(gate.pass(10).unwrap());
        assert!(gate.pass(10).is_err(), "only one has left the window");
        assert_eq!(gate.passed().most_calls_in_window, 30);
        assert_eq!(gate.passed().most_calls_in_second, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_window_has_its_share_of_the_limit() {
        let window = Duration::from_secs(6);
        let gate = gate(&ProviderOptions { tokens_per_minute: Some(1000), window, ..ProviderOptions::default() });
        drop(gate.pass(60).unwrap());
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(gate.pass(40).unwrap());
        let closed = gate.pass(61).unwrap_err();
        assert_eq!((closed.limit, closed.most, closed.used, closed.needed), (Limit::Tokens, 100, 100, 61));
        assert_eq!(closed.retry_after, Duration::from_secs(6), "the first call's 60 tokens are not enough");
        assert_eq!(gate.pass(60).unwrap_err().retry_after, Duration::from_secs(4));
        let [requests, tokens] = gate.left();
        assert_eq!(requests, None);
        assert_eq!(tokens, Some(Left { most: 100, remaining: 0, reset: window }));
    }

    #[test]
    fn a_call_is_in_flight_until_its_ticket_is_dropped() {
        let gate = gate(&ProviderOptions { max_in_flight: Some(2), ..ProviderOptions::default() });
        let tickets = [gate.pass(1).unwrap(), gate.pass(1).unwrap()];
        assert_eq!(gate.pass(1).unwrap_err().limit, Limit::InFlight);
        drop(tickets);
        drop(gate.pass(1).unwrap());
        assert_eq!((gate.passed().in_flight, gate.passed().most_in_flight), (0, 2));
    }
}
