//! What a model's tokens cost: rates for each kind of token, and the conditions under which others apply.

mod condition;
mod dearest;
pub mod import;
mod table;
mod week;

use serde::{Deserialize, Serialize};

use crate::money::{NanoUsd, Tokens};

pub use condition::{ClockTime, Condition, Hours, PricedCall, UtcOffset, Weekday};
pub use table::{Host, PriceTable, PricedModel, TableError};
pub use week::OverHours;

/// The service tier of a batch.
const BATCH: &str = "batch";

/// A model's price. In an experiment's file, rates are US dollars for a million tokens, as vendors list them; sums are made
/// of whole trillionths of a dollar for a token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Price of a million prompt tokens.
    pub input_usd_per_million: f64,
    /// Price of a million prompt tokens read from the cache; the input price if there is no discount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_usd_per_million: Option<f64>,
    /// Price of a million prompt tokens written to the cache; the input price if there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd_per_million: Option<f64>,
    /// Price of a million reply tokens.
    pub output_usd_per_million: f64,
    /// Price of a million tokens of reasoning; the output price if there is no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_usd_per_million: Option<f64>,
    /// Rates that apply under conditions. The last one whose conditions all hold replaces the rates above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
    /// The table that the price comes from; none if the experiment states it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Rates that apply under conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The service tier that the reply names, such as `flex`, or `batch` for a batch; any but those named elsewhere if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// The model that the reply names, where a router chooses among several; any if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Applies to calls with more input tokens than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_input_tokens: Option<u64>,
    /// The first day on which it applies, on the vendor's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<crate::day::Day>,
    /// The last day on which it applies, on the vendor's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<crate::day::Day>,
    /// The days of the week on which its hours begin, on the vendor's calendar; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
    /// The hours in which it applies, on the vendor's clock, such as `22:00-06:00`; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
    /// How far the vendor's clock is ahead of UTC, such as `+08:00`.
    #[serde(default, skip_serializing_if = "UtcOffset::is_zero")]
    pub utc_offset: UtcOffset,
    /// As in [`Price`].
    pub input_usd_per_million: f64,
    /// As in [`Price`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_usd_per_million: Option<f64>,
    /// As in [`Price`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_usd_per_million: Option<f64>,
    /// As in [`Price`].
    pub output_usd_per_million: f64,
    /// As in [`Price`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_usd_per_million: Option<f64>,
}

/// What a token of each kind costs, in trillionths of a dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// A token of a prompt.
    pub input: u64,
    /// A token of a prompt that was read from the cache.
    pub cached: u64,
    /// A token of a prompt that was written to the cache.
    pub cache_write: u64,
    /// A token of a reply.
    pub output: u64,
    /// A token of reasoning.
    pub reasoning: u64,
}

impl Rates {
    /// The cost of `tokens`, rounded to the nearest nano-dollar.
    pub fn cost(&self, tokens: Tokens) -> NanoUsd {
        let cached = tokens.cached.min(tokens.input);
        let cache_write = tokens.cache_write.min(tokens.input - cached);
        let reasoning = tokens.reasoning.min(tokens.output);
        let parts = [
            (tokens.input - cached - cache_write, self.input),
            (cached, self.cached),
            (cache_write, self.cache_write),
            (tokens.output - reasoning, self.output),
            (reasoning, self.reasoning),
        ];
        let pico: u128 = parts.into_iter().map(|(tokens, rate)| u128::from(tokens) * u128::from(rate)).sum();
        NanoUsd(u64::try_from((pico + 500) / 1000).unwrap_or(u64::MAX))
    }

    /// For each kind of token, the dearer of two.
    fn dearer(self, other: Self) -> Self {
        Self {
            input: self.input.max(other.input),
            cached: self.cached.max(other.cached),
            cache_write: self.cache_write.max(other.cache_write),
            output: self.output.max(other.output),
            reasoning: self.reasoning.max(other.reasoning),
        }
    }
}

impl Price {
    /// A price without conditions, in US dollars for a million tokens of input, of cached input, and of output.
    pub const fn flat(input: f64, cached: Option<f64>, output: f64) -> Self {
        Self {
            input_usd_per_million: input,
            cached_usd_per_million: cached,
            cache_write_usd_per_million: None,
            output_usd_per_million: output,
            reasoning_usd_per_million: None,
            variants: Vec::new(),
            version: None,
        }
    }

    /// The price of a call that a model of this name has answered: if this one is from the table of this release, that of the
    /// model's entry there for the same address. What an experiment states, an imported table and one of another release go
    /// first, so that a run is priced alike from its estimate to its end.
    pub fn of_reply(&self, model: &str, base_url: Option<&str>) -> &Self {
        let table = PriceTable::built_in();
        let is_of_this_release = self.version.as_ref().is_some_and(|version| *version == table.version);
        let known = || Some(&table.find(model, Some(base_url?))?.price);
        is_of_this_release.then(known).flatten().unwrap_or(self)
    }

    /// The rates of a call with so many input tokens.
    pub fn rates(&self, input_tokens: u64, call: PricedCall<'_>) -> Rates {
        let applies = |variant: &&Variant| variant.condition().holds(input_tokens, call);
        self.variants.iter().rev().find(applies).map_or_else(|| self.base(), Variant::rates)
    }

    /// The cost of a call's tokens.
    pub fn cost(&self, tokens: Tokens, call: PricedCall<'_>) -> NanoUsd {
        self.rates(tokens.input, call).cost(tokens)
    }

    /// The most that a call costs, at any hour: public holidays and the end of a call are not known before. `asked_tier` is the
    /// service tier that its request asks for, if it does; with `auto`, the provider chooses.
    pub fn cost_at_most(&self, tokens: Tokens, asked_tier: Option<&str>) -> NanoUsd {
        let may_be = |tier: &str| asked_tier == Some(tier) || (asked_tier == Some("auto") && tier != BATCH);
        let possible = self.variants.iter().filter(|variant| variant.service_tier.as_deref().is_none_or(may_be));
        let mut rates = possible.map(Variant::rates).fold(self.base(), Rates::dearer);
        // It is not known which tokens the cache will write or which will be reasoning.
        rates.input = rates.input.max(rates.cache_write);
        rates.output = rates.output.max(rates.reasoning);
        rates.cost(Tokens { cached: 0, cache_write: 0, reasoning: 0, ..tokens })
    }

    fn base(&self) -> Rates {
        rates_of(&[
            Some(self.input_usd_per_million),
            self.cached_usd_per_million,
            self.cache_write_usd_per_million,
            Some(self.output_usd_per_million),
            self.reasoning_usd_per_million,
        ])
    }

    /// The first of the prices that is not plausible, if any.
    pub fn implausible(&self) -> Option<f64> {
        // A thousand dollars for a thousand tokens is far above any list price, so it is a typing error.
        const MAX_USD: f64 = 1e6;
        let own = [Some(self.input_usd_per_million), Some(self.output_usd_per_million)].into_iter();
        let own = own.chain([self.cached_usd_per_million, self.cache_write_usd_per_million]);
        let own = own.chain([self.reasoning_usd_per_million]);
        let all = own.chain(self.variants.iter().flat_map(Variant::amounts));
        all.flatten().find(|usd| !(0.0..=MAX_USD).contains(usd))
    }
}

impl Variant {
    /// Rates for input and output that apply always.
    const fn flat(input: f64, output: f64) -> Self {
        Self {
            service_tier: None,
            model: None,
            above_input_tokens: None,
            since: None,
            until: None,
            days: Vec::new(),
            hours: Vec::new(),
            utc_offset: UtcOffset::UTC,
            input_usd_per_million: input,
            cached_usd_per_million: None,
            cache_write_usd_per_million: None,
            output_usd_per_million: output,
            reasoning_usd_per_million: None,
        }
    }

    /// Whether the rates apply on some days or at some hours alone.
    fn depends_on_time(&self) -> bool {
        self.since.is_some() || self.until.is_some() || !self.days.is_empty() || !self.hours.is_empty()
    }

    /// Whether the rates apply always.
    fn is_unconditional(&self) -> bool {
        !self.depends_on_time()
            && self.service_tier.is_none()
            && self.model.is_none()
            && self.above_input_tokens.is_none()
    }

    fn amounts(&self) -> [Option<f64>; 5] {
        [
            Some(self.input_usd_per_million),
            self.cached_usd_per_million,
            self.cache_write_usd_per_million,
            Some(self.output_usd_per_million),
            self.reasoning_usd_per_million,
        ]
    }

    fn rates(&self) -> Rates {
        rates_of(&self.amounts())
    }

    fn condition(&self) -> Condition<'_> {
        Condition {
            service_tier: self.service_tier.as_deref(),
            model: self.model.as_deref(),
            above_input_tokens: self.above_input_tokens,
            since: self.since,
            until: self.until,
            days: &self.days,
            hours: &self.hours,
            utc_offset: self.utc_offset,
        }
    }
}

/// Rates from dollars per million tokens of input, cached input, cache writes, output and reasoning.
fn rates_of(&[input, cached, cache_write, output, reasoning]: &[Option<f64>; 5]) -> Rates {
    let (input, output) = (input.unwrap_or(0.0), output.unwrap_or(0.0));
    Rates {
        input: pico_per_token(input),
        cached: pico_per_token(cached.unwrap_or(input)),
        cache_write: pico_per_token(cache_write.unwrap_or(input)),
        output: pico_per_token(output),
        reasoning: pico_per_token(reasoning.unwrap_or(output)),
    }
}

/// Trillionths of a dollar per token. Exact, because list prices per million tokens have at most six decimals.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "prices are checked to lie in 0..=1e6")]
fn pico_per_token(usd_per_million: f64) -> u64 {
    (usd_per_million * 1e6).round() as u64
}

#[cfg(test)]
mod tests;
