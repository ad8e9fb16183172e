//! Reads the data of genai-prices: dollars for a million tokens, by provider, with dates and hours.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::amount::{tidy, wrong};
use super::entries::Entries;
use crate::price::{Hours, Price, PricedModel, TableError, Variant};

const FIELDS: [&str; 4] = ["input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok"];

/// The models of the data.
pub(super) fn entries(providers: &[Value]) -> Entries {
    let mut found = Entries::default();
    for provider in providers {
        let host = provider.get("id").and_then(Value::as_str).unwrap_or("unknown");
        for model in provider.get("models").and_then(Value::as_array).into_iter().flatten() {
            let Some(name) = model.get("id").and_then(Value::as_str) else { continue };
            found.add(name, priced(name, host, model));
        }
    }
    found
}

/// The model, if it has a price for input and output.
fn priced(name: &str, host: &str, model: &Value) -> Result<Option<PricedModel>, TableError> {
    let mut variants = match model.get("prices") {
        Some(Value::Object(prices)) => of_all_sizes(name, prices)?,
        Some(Value::Array(conditional)) => {
            let all: Result<Vec<_>, _> = conditional.iter().map(|price| conditional_variants(name, price)).collect();
            all?.into_iter().flatten().collect()
        }
        _ => return Err(wrong(name, "prices: expected an object or a list")),
    };
    for variant in model.get("price_variants").and_then(Value::as_array).into_iter().flatten() {
        variants.extend(of_service_tier(name, variant)?);
    }
    if variants.is_empty() || !variants[0].is_unconditional() {
        return Ok(None);
    }
    let base = variants.remove(0);
    let price = Price {
        cache_write_usd_per_million: base.cache_write_usd_per_million,
        variants,
        ..Price::flat(base.input_usd_per_million, base.cached_usd_per_million, base.output_usd_per_million)
    };
    let (name, host) = (name.to_owned(), host.to_owned());
    Ok(Some(PricedModel { name, host, retires: None, successor: None, extra_body: Map::new(), price }))
}

/// The prices for prompts of all sizes, the smallest first; none if input or output has no price.
fn of_all_sizes(model: &str, prices: &Map<String, Value>) -> Result<Vec<Variant>, TableError> {
    let mut sizes = BTreeSet::from([0]);
    for field in FIELDS {
        let tiers = prices.get(field).and_then(|price| price.get("tiers")).and_then(Value::as_array);
        sizes.extend(tiers.into_iter().flatten().filter_map(|tier| tier.get("start")?.as_u64()));
    }
    let mut variants = Vec::new();
    for size in sizes {
        let mut amounts = [None; 4];
        for (amount, field) in amounts.iter_mut().zip(FIELDS) {
            *amount = prices.get(field).map(|price| at_size(model, field, price, size)).transpose()?;
        }
        let [Some(input), cached, cache_write, Some(output)] = amounts else { return Ok(Vec::new()) };
        let above_input_tokens = (size > 0).then_some(size);
        let variant = Variant::flat(input, output);
        variants.push(Variant {
            above_input_tokens,
            cached_usd_per_million: cached,
            cache_write_usd_per_million: cache_write,
            ..variant
        });
    }
    Ok(variants)
}

/// A price above a number of input tokens.
fn at_size(model: &str, field: &str, price: &Value, size: u64) -> Result<f64, TableError> {
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.parse().ok()).map(tidy);
    let tiers = price.get("tiers").and_then(Value::as_array).into_iter().flatten();
    let mut reached =
        tiers.filter(|tier| tier.get("start").and_then(Value::as_u64).is_some_and(|start| start <= size && size > 0));
    let tiered = reached.next_back().and_then(|tier| tier.get("price")).or_else(|| price.get("base"));
    let found = number(tiered.unwrap_or(price));
    found.ok_or_else(|| wrong(model, format!("{field} is {price}: expected dollars for a million tokens")))
}

fn conditional_variants(model: &str, conditional: &Value) -> Result<Vec<Variant>, TableError> {
    let Some(prices) = conditional.get("prices").and_then(Value::as_object) else {
        return Err(wrong(model, "prices: expected an object in each element of the list"));
    };
    under(model, conditional.get("constraint"), of_all_sizes(model, prices)?)
}

fn of_service_tier(model: &str, variant: &Value) -> Result<Vec<Variant>, TableError> {
    let Some(when) = variant.get("when") else { return Ok(Vec::new()) };
    let tier = when.get("service_tier").or_else(|| when.get("processing")).and_then(Value::as_str);
    let (Some(tier), Some(prices)) = (tier, variant.get("prices").and_then(Value::as_object)) else {
        return Ok(Vec::new());
    };
    let variants = under(model, variant.get("constraint"), of_all_sizes(model, prices)?)?;
    let of_tier = |variant| Variant { service_tier: Some(tier.to_owned()), ..variant };
    Ok(variants.into_iter().map(of_tier).collect())
}

/// The variants under a constraint: a first day, or hours of the day in UTC.
fn under(model: &str, constraint: Option<&Value>, variants: Vec<Variant>) -> Result<Vec<Variant>, TableError> {
    let Some(constraint) = constraint.filter(|constraint| !constraint.is_null()) else { return Ok(variants) };
    let text = |field: &str| constraint.get(field).and_then(Value::as_str);
    let invalid = |error: String| wrong(model, format!("constraint: {error}"));
    if let Some(day) = text("start_date") {
        let since = Some(day.parse().map_err(|error: crate::day::NoDay| invalid(error.to_string()))?);
        return Ok(variants.into_iter().map(|variant| Variant { since, ..variant }).collect());
    }
    let (Some(from), Some(until)) = (text("start_time"), text("end_time")) else {
        return Err(invalid(format!("{constraint}: expected start_date, or start_time and end_time")));
    };
    let minutes = |time: &str| time.chars().take(5).collect::<String>();
    let hours: Result<Hours, _> = format!("{}-{}", minutes(from), minutes(until)).parse();
    let hours = vec![hours.map_err(|error| invalid(error.to_string()))?];
    Ok(variants.into_iter().map(|variant| Variant { hours: hours.clone(), ..variant }).collect())
}

#[cfg(test)]
mod tests {
    use super::super::read;

    #[test]
    fn an_entry_is_read_with_its_tiers_dates_hours_and_batch() {
        let text = r#"[{"id": "p", "models": [
            {"id": "m", "prices": [
                {"prices": {"input_mtok": {"base": 3, "tiers": [{"start": 200000, "price": 6}]}, "output_mtok": 15}},
                {"constraint": {"start_date": "2026-03-13"}, "prices": {"input_mtok": 3, "output_mtok": 15}},
                {"constraint": {"start_time": "16:30:00Z", "end_time": "00:30:00Z"},
                 "prices": {"input_mtok": 1, "cache_read_mtok": 0.1, "output_mtok": 5}}],
             "price_variants": [{"when": {"service_tier": "default"}, "prices": {}},
                {"when": {"processing": "batch"}, "prices": {"input_mtok": 1.5, "output_mtok": 7.5}}]},
            {"id": "only-audio", "prices": {"input_audio_mtok": 3}}]}]"#;
        let table = read(text, "genai-prices").expect("is sound");
        insta::assert_snapshot!(table.to_toml(), @r#"
        version = "genai-prices"
        hosts_without_address = ["p"]

        [[model]]
        name = "m"
        host = "p"

        [model.price]
        input_usd_per_million = 3.0
        output_usd_per_million = 15.0

        [[model.price.variants]]
        above_input_tokens = 200000
        input_usd_per_million = 6.0
        output_usd_per_million = 15.0

        [[model.price.variants]]
        since = "2026-03-13"
        input_usd_per_million = 3.0
        output_usd_per_million = 15.0

        [[model.price.variants]]
        hours = ["16:30-00:30"]
        input_usd_per_million = 1.0
        cached_usd_per_million = 0.1
        output_usd_per_million = 5.0

        [[model.price.variants]]
        service_tier = "batch"
        input_usd_per_million = 1.5
        output_usd_per_million = 7.5
        "#);
    }
}
