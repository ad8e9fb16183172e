//! Prices usages as litellm and genai-prices price them. `tests/compat/price_checks.py` makes the golden file from both;
//! where they differ, it says which one is followed and why.
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]

use std::time::{Duration, UNIX_EPOCH};

use serde::Deserialize;
use valuesim_shared::day::Day;
use valuesim_shared::money::{NanoUsd, Tokens};
use valuesim_shared::price::{PriceTable, PricedCall};

#[derive(Debug, Deserialize)]
struct Usage {
    host: String,
    model: String,
    tokens: Tokens,
    service_tier: Option<String>,
    at: String,
    litellm: Option<u64>,
    genai_prices: Option<u64>,
    cost: u64,
    why: Option<String>,
}

impl Usage {
    fn call(&self) -> PricedCall<'_> {
        let (day, time) = self.at.trim_end_matches('Z').split_once('T').unwrap();
        let seconds = time.split(':').fold(0, |seconds, part| seconds * 60 + part.parse::<u64>().unwrap());
        let day = u64::from(day.parse::<Day>().unwrap().0);
        let ended = UNIX_EPOCH + Duration::from_secs(day * 24 * 60 * 60 + seconds);
        PricedCall { ended, service_tier: self.service_tier.as_deref(), model: None }
    }
}

#[test]
fn forty_usages_cost_what_litellm_and_genai_prices_say() {
    let golden: Vec<Usage> = serde_json::from_str(include_str!("golden.json")).unwrap();
    assert!(golden.len() >= 40);
    let table = PriceTable::built_in();
    for usage in &golden {
        let model = table.models.iter().find(|model| model.name == usage.model && model.host == usage.host).unwrap();
        assert_eq!(model.price.cost(usage.tokens, usage.call()), NanoUsd(usage.cost), "{usage:?}");
    }
}

#[test]
fn each_difference_between_the_two_is_explained() {
    let golden: Vec<Usage> = serde_json::from_str(include_str!("golden.json")).unwrap();
    for usage in &golden {
        assert_eq!(usage.litellm == usage.genai_prices, usage.why.is_none(), "{usage:?}");
    }
}
