//! The limits of a provider, and how `POST /limits` changes them while it runs.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::options::{LimitRule, OptionsError, ProviderOptions};

const MINUTE: Duration = Duration::from_mins(1);

/// The limits in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ProviderLimits {
    /// The maximum calls per minute.
    pub requests_per_minute: Option<u32>,
    /// The maximum tokens per minute.
    pub tokens_per_minute: Option<u64>,
    /// The maximum concurrent calls.
    pub max_in_flight: Option<u32>,
    /// How the limits per minute are counted.
    pub rule: LimitRule,
    /// Whether refused calls count against the limit of calls.
    pub count_refused: bool,
    /// Whether replies state the limits (`x-ratelimit-*`).
    pub headers: bool,
    /// Whether refusals say when to retry.
    pub retry_after: bool,
    /// The period in which each limit has its share; see [`ProviderOptions::window`].
    #[serde(skip)]
    pub window: Duration,
}

/// A change of limits: absent fields stay as they are, `null` removes a limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsChange {
    /// The maximum calls per minute.
    #[serde(default, deserialize_with = "present")]
    pub requests_per_minute: Option<Option<u32>>,
    /// The maximum tokens per minute.
    #[serde(default, deserialize_with = "present")]
    pub tokens_per_minute: Option<Option<u64>>,
    /// The maximum concurrent calls.
    #[serde(default, deserialize_with = "present")]
    pub max_in_flight: Option<Option<u32>>,
    /// How the limits per minute are counted.
    pub rule: Option<LimitRule>,
    /// Whether refused calls count against the limit of calls.
    pub count_refused: Option<bool>,
    /// Whether replies state the limits.
    pub headers: Option<bool>,
    /// Whether refusals say when to retry.
    pub retry_after: Option<bool>,
}

/// Distinguishes `null` from an absent field.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl ProviderLimits {
    /// The limits that the options name.
    pub(crate) fn new(options: &ProviderOptions) -> Self {
        Self {
            requests_per_minute: options.requests_per_minute,
            tokens_per_minute: options.tokens_per_minute,
            max_in_flight: options.max_in_flight,
            rule: options.limit_rule,
            count_refused: options.count_refused,
            headers: options.limit_headers,
            retry_after: options.retry_after,
            window: options.window,
        }
    }

    /// These limits with a change. Fails if the change sets a limit to 0.
    pub(crate) fn changed(self, change: LimitsChange) -> Result<Self, OptionsError> {
        let changed = Self {
            requests_per_minute: change.requests_per_minute.unwrap_or(self.requests_per_minute),
            tokens_per_minute: change.tokens_per_minute.unwrap_or(self.tokens_per_minute),
            max_in_flight: change.max_in_flight.unwrap_or(self.max_in_flight),
            rule: change.rule.unwrap_or(self.rule),
            count_refused: change.count_refused.unwrap_or(self.count_refused),
            headers: change.headers.unwrap_or(self.headers),
            retry_after: change.retry_after.unwrap_or(self.retry_after),
            window: self.window,
        };
        changed.check().map(|()| changed)
    }

    /// Checks that no limit is 0.
    pub(crate) fn check(&self) -> Result<(), OptionsError> {
        let zeros = [
            ("requests_per_minute", self.requests_per_minute == Some(0)),
            ("tokens_per_minute", self.tokens_per_minute == Some(0)),
            ("max_in_flight", self.max_in_flight == Some(0)),
        ];
        let zero = zeros.into_iter().find(|(_, is_zero)| *is_zero);
        zero.map_or(Ok(()), |(name, _)| Err(OptionsError::Zero { name, hint: ", or none for no limit" }))
    }

    /// The maximum calls in one window.
    pub(crate) fn calls(&self) -> Option<u64> {
        self.requests_per_minute.map(|limit| self.in_window(limit.into()))
    }

    /// The maximum tokens in one window.
    pub(crate) fn tokens(&self) -> Option<u64> {
        self.tokens_per_minute.map(|limit| self.in_window(limit))
    }

    /// A window's share of a limit per minute; at least 1.
    fn in_window(&self, per_minute: u64) -> u64 {
        let share = u128::from(per_minute) * self.window.as_nanos() / MINUTE.as_nanos();
        u64::try_from(share).unwrap_or(u64::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name_and_null_removes_a_limit() {
        let options = ProviderOptions { requests_per_minute: Some(60), max_in_flight: Some(8), ..Default::default() };
        let before = ProviderLimits::new(&options);
        let change = |text: &str| serde_json::from_str::<LimitsChange>(text).unwrap();
        assert_eq!(before.changed(change("{}")), Ok(before));
        let after = before.changed(change(r#"{"max_in_flight": null, "headers": false, "rule": "token-bucket"}"#));
        let expected = ProviderLimits { max_in_flight: None, headers: false, rule: LimitRule::TokenBucket, ..before };
        assert_eq!(after, Ok(expected));
        let error = before.changed(change(r#"{"requests_per_minute": 0}"#)).unwrap_err().to_string();
        assert_eq!(error, "requests_per_minute is 0: expected at least 1, or none for no limit");
        assert!(serde_json::from_str::<LimitsChange>(r#"{"requests_per_minute": -5}"#).is_err());
        assert!(serde_json::from_str::<LimitsChange>(r#"{"rpm": 5}"#).is_err());
    }
}
