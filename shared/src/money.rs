//! Money and tokens as integers, and the prices of models.

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
    /// All tokens of the replies, reasoning included.
    pub output: u64,
}

impl Tokens {
    /// These tokens times `factor`.
    #[must_use]
    pub const fn times(self, factor: u64) -> Self {
        Self {
            input: self.input.saturating_mul(factor),
            cached: self.cached.saturating_mul(factor),
            output: self.output.saturating_mul(factor),
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        // A provider can report any number; an overflow would hide what was spent.
        self.input = self.input.saturating_add(other.input);
        self.cached = self.cached.saturating_add(other.cached);
        self.output = self.output.saturating_add(other.output);
    }
}

/// A model's prices in US dollars per million tokens, as providers publish them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price of a million prompt tokens.
    pub input_usd_per_million: f64,
    /// Price of a million prompt tokens read from the cache; the input price if there is no discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_usd_per_million: Option<f64>,
    /// Price of a million reply tokens.
    pub output_usd_per_million: f64,
}

impl Price {
    /// The cost of `tokens`, rounded to the nearest nano-dollar.
    pub fn cost(&self, tokens: Tokens) -> NanoUsd {
        let cached = tokens.cached.min(tokens.input);
        let fresh = tokens.input - cached;
        let pico = u128::from(fresh) * pico_per_token(self.input_usd_per_million)
            + u128::from(cached) * pico_per_token(self.cached_usd_per_million.unwrap_or(self.input_usd_per_million))
            + u128::from(tokens.output) * pico_per_token(self.output_usd_per_million);
        NanoUsd(u64::try_from((pico + 500) / 1000).unwrap_or(u64::MAX))
    }

    /// The first of the prices that is not plausible, if any.
    pub fn implausible(&self) -> Option<f64> {
        // A thousand dollars for a thousand tokens is far above any list price, so it is a typing error.
        const MAX_USD: f64 = 1e6;
        [Some(self.input_usd_per_million), self.cached_usd_per_million, Some(self.output_usd_per_million)]
            .into_iter()
            .flatten()
            .find(|usd| !(0.0..=MAX_USD).contains(usd))
    }
}

/// Trillionths of a dollar per token. Exact, because list prices per million tokens have at most six decimals.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are checked to lie in 0..=1e6")]
fn pico_per_token(usd_per_million: f64) -> u128 {
    (usd_per_million * 1e6).round() as u128
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_cost_their_own_price() {
        // gpt-4o-mini, 1,024 of 2,000 tokens cached, 100 out: 0.0002832 USD, as LiteLLM 1.109.1 computes it.
        let price =
            Price { input_usd_per_million: 0.15, cached_usd_per_million: Some(0.075), output_usd_per_million: 0.6 };
        assert_eq!(price.cost(Tokens { input: 2000, cached: 1024, output: 100 }), NanoUsd(283_200));
    }

    #[test]
    fn cached_tokens_without_a_discount_cost_the_input_price() {
        let price = Price { input_usd_per_million: 0.5, cached_usd_per_million: None, output_usd_per_million: 1.5 };
        assert_eq!(price.cost(Tokens { input: 1500, cached: 1000, output: 130 }), NanoUsd(945_000));
    }

    #[test]
    fn amounts_are_displayed_in_dollars() {
        assert_eq!(NanoUsd(86_432_100_000_000).to_string(), "$86432.10");
        assert_eq!(NanoUsd(400_000).to_string(), "$0.0004");
        assert_eq!(NanoUsd(0).to_string(), "$0.00");
    }

    #[test]
    fn negative_and_absurd_prices_are_found() {
        let price =
            |usd| Price { input_usd_per_million: usd, cached_usd_per_million: None, output_usd_per_million: 1.0 };
        assert_eq!(price(0.5).implausible(), None);
        assert_eq!(price(-0.5).implausible(), Some(-0.5));
        assert_eq!(price(2e6).implausible(), Some(2e6));
        assert!(price(f64::NAN).implausible().is_some());
    }
}
