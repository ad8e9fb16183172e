//! Money and tokens as integers.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// An amount of money in billionths of a US dollar. An integer, so that sums of 113 million calls are exact.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

impl NanoUsd {
    /// The amount in dollars, for display only, not for further sums.
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// What `part` of `whole` equal things cost if this is what the whole costs, rounded down.
    #[must_use]
    pub fn share(self, part: u64, whole: u64) -> Self {
        let of_part = u128::from(self.0) * u128::from(part) / u128::from(whole.max(1));
        Self(u64::try_from(of_part).unwrap_or(u64::MAX))
    }

    /// This amount times `factor`.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
}

impl fmt::Display for NanoUsd {
    /// Two decimals from ten cents up, four below: `$86432.10`, `$0.0004`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if self.0 == 0 || dollars >= 0.1 { write!(f, "${dollars:.2}") } else { write!(f, "${dollars:.4}") }
    }
}

impl Add for NanoUsd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for NanoUsd {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl AddAssign for NanoUsd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self(0), Add::add)
    }
}

/// Tokens used by calls, as the provider reported them, in the same form for all providers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// All tokens of the prompts, cached ones included.
    pub input: u64,
    /// The part of `input` that the provider read from its prefix cache.
    pub cached: u64,
    /// The part of `input` that the provider wrote to its prefix cache at a price of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// All tokens of the replies, reasoning included.
    pub output: u64,
    /// The part of `output` that was reasoning.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Tokens {
    /// These tokens times `factor`.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self {
            input: self.input.saturating_mul(factor),
            cached: self.cached.saturating_mul(factor),
            cache_write: self.cache_write.saturating_mul(factor),
            output: self.output.saturating_mul(factor),
            reasoning: self.reasoning.saturating_mul(factor),
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        // A provider can report any number; an overflow would hide what was spent.
        self.input = self.input.saturating_add(other.input);
        self.cached = self.cached.saturating_add(other.cached);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_displayed_in_dollars() {
        assert_eq!(NanoUsd(86_432_100_000_000).to_string(), "$86432.10");
        assert_eq!(NanoUsd(400_000).to_string(), "$0.0004");
        assert_eq!(NanoUsd(0).to_string(), "$0.00");
    }

    #[test]
    fn a_share_is_exact_for_large_amounts() {
        assert_eq!(NanoUsd(u64::MAX).share(3, 3), NanoUsd(u64::MAX));
        assert_eq!((NanoUsd(10).share(1, 4), NanoUsd(10).share(1, 0)), (NanoUsd(2), NanoUsd(10)));
        assert_eq!(NanoUsd(10).share(0, 0), NanoUsd(0));
    }
}
