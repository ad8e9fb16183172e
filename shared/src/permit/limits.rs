//! The limits of one model.

use serde::{Deserialize, Serialize};

use super::token_kinds::ByTokenKind;

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
    /// Tokens of prompts in any minute. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u32>,
    /// Tokens of prompts that the provider does not read from its cache, in any minute. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncached_tokens_per_minute: Option<u32>,
    /// Tokens of replies in any minute. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u32>,
    /// Calls in flight at the same time of all workers of a fleet together. Unlimited if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_calls_in_flight: Option<u32>,
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
        Self {
            calls_in_flight: DEFAULT_CALLS_IN_FLIGHT,
            requests_per_minute: None,
            tokens_per_minute: None,
            input_tokens_per_minute: None,
            uncached_tokens_per_minute: None,
            output_tokens_per_minute: None,
            total_calls_in_flight: None,
        }
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
            input_tokens_per_minute: smaller(self.input_tokens_per_minute, other.input_tokens_per_minute),
            uncached_tokens_per_minute: smaller(self.uncached_tokens_per_minute, other.uncached_tokens_per_minute),
            output_tokens_per_minute: smaller(self.output_tokens_per_minute, other.output_tokens_per_minute),
            total_calls_in_flight: smaller(self.total_calls_in_flight, other.total_calls_in_flight),
        }
    }

    /// The tokens of each kind in any minute.
    pub fn tokens_a_minute(&self) -> ByTokenKind<Option<u64>> {
        let limits = ByTokenKind {
            all: self.tokens_per_minute,
            input: self.input_tokens_per_minute,
            uncached: self.uncached_tokens_per_minute,
            output: self.output_tokens_per_minute,
        };
        ByTokenKind::from_fn(|kind| limits.get(kind).map(u64::from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_two_limits_applies_and_an_absent_one_does_not_count() {
        let limits = |calls_in_flight, requests, tokens| Limits {
            calls_in_flight,
            requests_per_minute: Some(requests),
            output_tokens_per_minute: tokens,
            ..Limits::default()
        };
        let one = Limits { total_calls_in_flight: Some(9), ..limits(8, 600, None) };
        let other = Limits { total_calls_in_flight: Some(7), ..limits(64, 60, Some(9_000)) };
        let both = Limits { total_calls_in_flight: Some(7), ..limits(8, 60, Some(9_000)) };
        assert_eq!((one.and(other), other.and(one), one.and(one)), (both, both, one));
    }
}
