//! The limits of one model.

use serde::{Deserialize, Serialize};

/// The limits of one model, set by the user to what the provider allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Calls in flight at the same time.
    #[serde(default = "default_calls_in_flight")]
    pub calls_in_flight: u32,
    /// Requests in any minute. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens of prompts and replies in any minute. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u32>,
}

/// The default limit of calls in flight: enough for a laptop, below any provider's limit.
pub const DEFAULT_CALLS_IN_FLIGHT: u32 = 64;

/// The largest limit of calls in flight: one process cannot have many more sockets.
pub const MAX_CALLS_IN_FLIGHT: u32 = 20_000;

const fn default_calls_in_flight() -> u32 {
    DEFAULT_CALLS_IN_FLIGHT
}

impl Default for Limits {
    fn default() -> Self {
        Self { calls_in_flight: DEFAULT_CALLS_IN_FLIGHT, requests_per_minute: None, tokens_per_minute: None }
    }
}

impl Limits {
    /// The limits that satisfy both: the smaller of each kind.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let smaller = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
        Self {
            calls_in_flight: self.calls_in_flight.min(other.calls_in_flight),
            requests_per_minute: smaller(self.requests_per_minute, other.requests_per_minute),
            tokens_per_minute: smaller(self.tokens_per_minute, other.tokens_per_minute),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_two_limits_applies_and_an_absent_one_does_not_count() {
        let one = Limits { calls_in_flight: 8, requests_per_minute: Some(600), tokens_per_minute: None };
        let other = Limits { calls_in_flight: 64, requests_per_minute: Some(60), tokens_per_minute: Some(9_000) };
        let both = Limits { calls_in_flight: 8, requests_per_minute: Some(60), tokens_per_minute: Some(9_000) };
        assert_eq!((one.and(other), other.and(one), one.and(one)), (both, both, one));
    }
}
