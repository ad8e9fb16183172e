//! Reads LiteLLM's table: dollars for a token, with suffixes for tiers and batches.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::amount::{tidy, wrong};
use super::entries::Entries;
use crate::day::Day;
use crate::price::{Hours, Price, PricedModel, TableError, Variant, Weekday};

/// The kinds of entries that are language models.
const MODES: [&str; 3] = ["chat", "completion", "responses"];

/// The service tiers that replies may name, with the suffix of their prices.
const TIERS: [(&str, &str); 3] = [("flex", "_flex"), ("priority", "_priority"), ("batch", "_batches")];

/// The language models of the table.
pub(super) fn entries(entries: &Map<String, Value>) -> Entries {
    let mut found = Entries::default();
    for (name, entry) in entries.iter().filter_map(|(name, entry)| Some((name, entry.as_object()?))) {
        let mode = entry.get("mode").and_then(Value::as_str).unwrap_or("chat");
        if name != "sample_spec" && MODES.contains(&mode) && entry.contains_key("input_cost_per_token") {
            found.add(name, Entry { name, entry }.model());
        }
    }
    found
}

struct Entry<'a> {
    name: &'a str,
    entry: &'a Map<String, Value>,
}

/// A price's five amounts, as far as the entry has them under a suffix.
#[derive(Clone, Copy)]
struct Amounts([Option<f64>; 5]);

const FIELDS: [&str; 5] = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
];

impl Amounts {
    /// These, and where there are none the others.
    fn or(self, others: Self) -> Self {
        let mut all = self.0;
        all.iter_mut().zip(others.0).for_each(|(own, other)| *own = own.or(other));
        Self(all)
    }

    fn variant(self) -> Variant {
        let [input, cached, cache_write, output, reasoning] = self.0;
        Variant {
            cached_usd_per_million: cached,
            cache_write_usd_per_million: cache_write,
            reasoning_usd_per_million: reasoning,
            ..Variant::flat(input.unwrap_or(0.0), output.unwrap_or(0.0))
        }
    }
}

impl Entry<'_> {
    /// The model, if it has a price for input and output.
    fn model(&self) -> Result<Option<PricedModel>, TableError> {
        let Some(price) = self.price()? else { return Ok(None) };
        let text = |field: &str| self.entry.get(field).and_then(Value::as_str);
        let host = text("litellm_provider").unwrap_or("unknown");
        let name = self.name.split_once('/').filter(|(before, _)| host.starts_with(before));
        let retires = text("deprecation_date").map(str::parse::<Day>).transpose();
        Ok(Some(PricedModel {
            name: name.map_or(self.name, |(_, name)| name).to_owned(),
            host: host.to_owned(),
            retires: retires.unwrap_or(None),
            successor: text("successor_model").map(str::to_owned),
            extra_body: Map::new(),
            price,
        }))
    }

    fn price(&self) -> Result<Option<Price>, TableError> {
        let base = self.amounts("")?;
        let [Some(input), cached, cache_write, Some(output), reasoning] = base.0 else { return Ok(None) };
        let off_peak = self.off_peak()?;
        let mut variants = Vec::new();
        for (above, suffix) in self.sizes() {
            let amounts = self.amounts(&suffix)?.or(base);
            variants.push(Variant { above_input_tokens: Some(above), ..amounts.variant() });
        }
        variants.extend(off_peak);
        for (tier, suffix) in TIERS {
            variants.extend(self.tier(tier, suffix)?);
        }
        Ok(Some(Price {
            cache_write_usd_per_million: cache_write,
            reasoning_usd_per_million: reasoning,
            variants,
            ..Price::flat(input, cached, output)
        }))
    }

    /// The prices of a service tier, for prompts of all sizes.
    fn tier(&self, tier: &str, suffix: &str) -> Result<Vec<Variant>, TableError> {
        let own = self.amounts(suffix)?;
        if own.0[0].is_none() || own.0[3].is_none() {
            return Ok(Vec::new());
        }
        let mut variants = vec![own.variant()];
        for (above, size) in self.sizes() {
            let amounts = self.amounts(&format!("{size}{suffix}"))?.or(own);
            variants.push(Variant { above_input_tokens: Some(above), ..amounts.variant() });
        }
        let of_tier = |variant| Variant { service_tier: Some(tier.to_owned()), ..variant };
        Ok(variants.into_iter().map(of_tier).collect())
    }

    /// The numbers of input tokens above which other prices apply, smallest first, each with its suffix.
    fn sizes(&self) -> Vec<(u64, String)> {
        let thousands = |field: &String| {
            field.strip_prefix("input_cost_per_token_above_")?.strip_suffix("k_tokens")?.parse::<u64>().ok()
        };
        let sizes: BTreeSet<u64> = self.entry.keys().filter_map(thousands).collect();
        sizes.into_iter().map(|size| (size * 1000, format!("_above_{size}k_tokens"))).collect()
    }

    fn amounts(&self, suffix: &str) -> Result<Amounts, TableError> {
        amounts(self.name, self.entry, suffix)
    }

    /// The prices in cheap hours, which are in UTC.
    fn off_peak(&self) -> Result<Vec<Variant>, TableError> {
        let Some(off_peak) = self.entry.get("off_peak_pricing").and_then(Value::as_object) else {
            return Ok(Vec::new());
        };
        let variant = amounts(self.name, off_peak, "")?.or(self.amounts("")?).variant();
        let windows = off_peak.get("windows").and_then(Value::as_array).into_iter().flatten();
        windows.map(|window| self.window(window, &variant)).collect()
    }

    fn window(&self, window: &Value, variant: &Variant) -> Result<Variant, TableError> {
        let expected = "off_peak_pricing: expected hours_utc such as \"00:00-01:00\", and weekdays from 1 to 7";
        let hours = match window.get("hours_utc") {
            Some(Value::String(hours)) => vec![hours.as_str()],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => return Err(wrong(self.name, expected)),
        };
        let hours = hours.into_iter().map(str::parse).collect::<Result<Vec<Hours>, _>>();
        let days = window.get("weekdays").and_then(Value::as_array).into_iter().flatten();
        let days: Option<Vec<Weekday>> = days.map(|day| Weekday::from_number(day.as_u64()?)).collect();
        let days = days.ok_or_else(|| wrong(self.name, expected))?;
        let hours = hours.map_err(|error| wrong(self.name, format!("off_peak_pricing: {error}")))?;
        Ok(Variant { days, hours, ..variant.clone() })
    }
}

fn amounts(model: &str, fields: &Map<String, Value>, suffix: &str) -> Result<Amounts, TableError> {
    let mut amounts = [None; 5];
    for (amount, field) in amounts.iter_mut().zip(FIELDS) {
        let field = format!("{field}{suffix}");
        let Some(value) = fields.get(&field).filter(|value| !value.is_null()) else { continue };
        let usd =
            value.as_f64().ok_or_else(|| wrong(model, format!("{field} is {value}: expected dollars for a token")))?;
        // LiteLLM writes 0 for a cache whose writes cost no more than input.
        let is_no_price = usd == 0.0 && field.starts_with("cache_creation");
        *amount = (!is_no_price).then(|| tidy(usd * 1e6));
    }
    Ok(Amounts(amounts))
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn an_entry_is_read_with_its_tiers_hours_and_batch() {
        let text = r#"{"deepseek/m": {"mode": "chat", "litellm_provider": "deepseek", "input_cost_per_token": 3e-07,
            "cache_read_input_token_cost": 6e-09, "cache_creation_input_token_cost": 0.0, "output_cost_per_token": 1.2e-06,
            "input_cost_per_token_above_200k_tokens": 6e-07, "input_cost_per_token_batches": 1.5e-07,
            "output_cost_per_token_batches": 6e-07, "deprecation_date": "2026-12-01", "successor_model": "n",
            "off_peak_pricing": {"input_cost_per_token": 1.5e-07, "windows": [
                {"hours_utc": ["10:00-00:00"], "weekdays": [5]}, {"hours_utc": "00:00-00:00", "weekdays": [6, 7]}]}},
            "an-image-model": {"mode": "image_generation", "input_cost_per_token": 1}}"#;
        let table = read(text, "litellm").expect("is sound");
        insta::assert_snapshot!(table.to_toml(), @r#"
        version = "litellm"

        [[host]]
        name = "deepseek"
        base_url = "https://api.deepseek.com/v1"
        api_key_env = "DEEPSEEK_API_KEY"
        prices_from = "api-docs.deepseek.com/quick_start/pricing"

        [[model]]
        name = "m"
        host = "deepseek"
        retires = "2026-12-01"
        successor = "n"

        [model.price]
        input_usd_per_million = 0.3
        cached_usd_per_million = 0.006
        output_usd_per_million = 1.2

        [[model.price.variants]]
        above_input_tokens = 200000
        input_usd_per_million = 0.6
        cached_usd_per_million = 0.006
        output_usd_per_million = 1.2

        [[model.price.variants]]
        days = ["fri"]
        hours = ["10:00-00:00"]
        input_usd_per_million = 0.15
        cached_usd_per_million = 0.006
        output_usd_per_million = 1.2

        [[model.price.variants]]
        days = ["sat", "sun"]
        hours = ["00:00-00:00"]
        input_usd_per_million = 0.15
        cached_usd_per_million = 0.006
        output_usd_per_million = 1.2

        [[model.price.variants]]
        service_tier = "batch"
        input_usd_per_million = 0.15
        output_usd_per_million = 0.6

        [[model.price.variants]]
        service_tier = "batch"
        above_input_tokens = 200000
        input_usd_per_million = 0.15
        output_usd_per_million = 0.6
        "#);
    }
}
