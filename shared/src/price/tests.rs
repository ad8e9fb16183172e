//! Tests of prices and of the conditions under which they apply.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::day::{Day, SECONDS_PER_DAY};

fn tokens(input: u64, cached: u64, output: u64) -> Tokens {
    Tokens { input, cached, output, ..Tokens::default() }
}

/// A moment in UTC, such as `2026-11-27 23:30`.
fn moment(text: &str) -> SystemTime {
    let (day, time) = text.split_once(' ').expect("day and time");
    let Day(day) = day.parse().expect("a day");
    let (hour, minute) = time.split_once(':').expect("a time");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let seconds = u64::from(day) * SECONDS_PER_DAY + number(hour) * 3600 + number(minute) * 60;
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn now() -> PricedCall<'static> {
    PricedCall::at(moment("2026-11-27 12:00"))
}

fn price(text: &str) -> Price {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The price of a million input tokens at a moment.
#[track_caller]
fn check(price: &Price, at: &str, usd: f64) {
    let cost = price.cost(tokens(1_000_000, 0, 0), PricedCall::at(moment(at)));
    assert!((cost.dollars() - usd).abs() < 1e-9, "{at}: {cost:?}, expected {usd} USD");
}

#[test]
fn cached_tokens_cost_their_own_price() {
    // gpt-4o-mini, 1,024 of 2,000 tokens cached, 100 out: 0.0002832 USD, as LiteLLM 1.109.1 computes it.
    let price = Price::flat(0.15, Some(0.075), 0.6);
    assert_eq!(price.cost(tokens(2000, 1024, 100), now()), NanoUsd(283_200));
}

#[test]
fn cached_tokens_without_a_discount_cost_the_input_price() {
    assert_eq!(Price::flat(0.5, None, 1.5).cost(tokens(1500, 1000, 130), now()), NanoUsd(945_000));
}

#[test]
fn cache_writes_and_reasoning_cost_their_own_price_and_are_counted_once() {
    let price = price(
        "input_usd_per_million = 1.0\ncached_usd_per_million = 0.1\ncache_write_usd_per_million = 1.25
         output_usd_per_million = 5.0\nreasoning_usd_per_million = 6.0",
    );
    let used = Tokens { input: 1000, cached: 300, cache_write: 200, output: 100, reasoning: 40 };
    // 500 x 1 + 300 x 0.1 + 200 x 1.25 + 60 x 5 + 40 x 6 millionths.
    assert_eq!(price.cost(used, now()), NanoUsd(1_320_000));
    // A provider may report parts that are larger than the whole.
    let absurd = Tokens { input: 10, cached: 20, cache_write: 20, output: 1, reasoning: 9 };
    assert_eq!(price.cost(absurd, now()), NanoUsd(7_000));
}

#[test]
fn the_whole_call_costs_more_above_a_number_of_input_tokens() {
    let price = price(
        "input_usd_per_million = 1.0\noutput_usd_per_million = 1.0
         variants = [{ above_input_tokens = 200, input_usd_per_million = 2.0, output_usd_per_million = 3.0 }]",
    );
    assert_eq!(price.cost(tokens(200, 0, 10), now()), NanoUsd(210_000));
    assert_eq!(price.cost(tokens(201, 0, 10), now()), NanoUsd(432_000));
}

#[test]
fn a_service_tier_has_its_own_price_only_if_the_reply_names_it() {
    let price = price(
        "input_usd_per_million = 1.0\noutput_usd_per_million = 1.0
         variants = [{ service_tier = 'flex', input_usd_per_million = 0.5, output_usd_per_million = 0.5 }]",
    );
    let at = |service_tier| price.cost(tokens(1000, 0, 0), PricedCall { service_tier, ..now() });
    assert_eq!(at(Some("flex")), NanoUsd(500_000));
    assert_eq!([at(None), at(Some("default"))], [NanoUsd(1_000_000); 2]);
}

/// Dearer on weekdays from nine to twelve in Beijing.
const PEAK: &str = "input_usd_per_million = 0.15\noutput_usd_per_million = 0.6
    [[variants]]
    days = ['mon', 'tue', 'wed', 'thu', 'fri']
    hours = ['09:00-12:00']
    utc_offset = '+08:00'
    input_usd_per_million = 0.3
    output_usd_per_million = 1.2";

#[test]
fn hours_apply_on_their_days_of_the_week_alone() {
    let price = price(PEAK);
    check(&price, "2026-11-27 00:59", 0.15);
    check(&price, "2026-11-27 01:00", 0.3);
    check(&price, "2026-11-27 03:59", 0.3);
    check(&price, "2026-11-27 04:00", 0.15);
    // A Saturday.
    check(&price, "2026-11-28 02:00", 0.15);
}

#[test]
fn the_day_of_the_week_is_the_vendors_and_not_that_of_utc() {
    let price = price(&PEAK.replace("09:00-12:00", "00:00-03:00"));
    // Sunday evening in UTC is Monday in Beijing, and Friday evening is Saturday.
    check(&price, "2026-11-29 17:00", 0.3);
    check(&price, "2026-11-27 17:00", 0.15);
}

#[test]
fn a_price_does_not_apply_before_its_first_day_or_after_its_last() {
    let price = price(&PEAK.replace("hours", "since = '2026-11-26'\nuntil = '2026-11-27'\nhours"));
    check(&price, "2026-11-25 02:00", 0.15);
    check(&price, "2026-11-26 02:00", 0.3);
    check(&price, "2026-11-27 02:00", 0.3);
    check(&price, "2026-11-30 02:00", 0.15);
}

#[test]
fn hours_that_pass_midnight_belong_to_the_day_on_which_they_begin() {
    let price = price(&PEAK.replace("09:00-12:00", "22:00-06:00").replace("+08:00", "+00:00"));
    check(&price, "2026-11-27 21:59", 0.15);
    check(&price, "2026-11-27 22:00", 0.3);
    // Saturday morning belongs to Friday, Monday morning to Sunday.
    check(&price, "2026-11-28 05:59", 0.3);
    check(&price, "2026-11-28 06:00", 0.15);
    check(&price, "2026-11-28 23:00", 0.15);
    check(&price, "2026-11-30 05:00", 0.15);
}

#[test]
fn the_most_that_a_call_costs_is_the_dearest_hour_and_nothing_from_the_cache() {
    let used = Tokens { input: 1_000_000, cached: 900_000, output: 1_000_000, ..Tokens::default() };
    assert_eq!(price(PEAK).cost_at_most(used, None), NanoUsd(1_500_000_000));
}

#[test]
fn the_most_that_a_call_costs_is_that_of_the_service_tier_that_it_asks_for() {
    let tier = |name: &str, usd| Variant { service_tier: Some(name.to_owned()), ..Variant::flat(usd, usd) };
    let price = Price { variants: vec![tier("priority", 4.0), tier("batch", 9.0)], ..Price::flat(1.0, None, 1.0) };
    let most = |asked| price.cost_at_most(tokens(1000, 0, 0), asked);
    assert_eq!([None, Some("flex")].map(most), [NanoUsd(1_000_000); 2]);
    assert_eq!([Some("priority"), Some("auto")].map(most), [NanoUsd(4_000_000); 2]);
    assert_eq!(most(Some("batch")), NanoUsd(9_000_000));
}

#[test]
fn an_imported_price_and_one_of_another_release_hold_whatever_the_reply_names() {
    let openai = Some("https://api.openai.com/v1");
    let imported =
        Price { version: Some("prices.json, imported on 2026-11-27".to_owned()), ..Price::flat(7.0, None, 7.0) };
    for reply in ["gpt-4o-mini", "gpt-4o"] {
        assert_eq!(imported.of_reply(reply, openai), &imported);
    }
}

#[test]
fn negative_and_absurd_prices_are_found() {
    let flat = |usd| Price::flat(usd, None, 1.0);
    assert_eq!(flat(0.5).implausible(), None);
    assert_eq!(flat(-0.5).implausible(), Some(-0.5));
    assert_eq!(flat(2e6).implausible(), Some(2e6));
    assert!(flat(f64::NAN).implausible().is_some());
    assert_eq!(price(&PEAK.replace("0.3", "-0.3")).implausible(), Some(-0.3));
}

#[test]
fn a_price_is_written_as_it_is_read() {
    let peak = price(PEAK);
    assert_eq!(price(&toml::to_string(&peak).expect("writes")), peak);
    for wrong in ["'25:00-26:00'", "'9-12'", "'09:00'", "'09:60-10:00'"] {
        let text = PEAK.replace("'09:00-12:00'", wrong);
        assert!(toml::from_str::<Price>(&text).is_err(), "{wrong}");
    }
    assert!(toml::from_str::<Price>(&PEAK.replace("+08:00", "8")).is_err());
}

#[test]
fn a_router_s_reply_is_priced_by_the_model_that_gave_it() {
    let openai = Some("https://api.openai.com/v1");
    let table = PriceTable::built_in();
    let price = |name: &str| &table.find(name, openai).expect("is in the table").price;
    let (mini, large) = (price("gpt-4o-mini"), price("gpt-4o"));
    assert_eq!(mini.of_reply("gpt-4o", openai), large);
    assert_eq!(mini.of_reply("gpt-4o-mini", openai), mini);
    assert_eq!(mini.of_reply("unheard-of", openai), mini, "nothing better is known");
    assert_eq!(mini.of_reply("gpt-4o", Some("http://127.0.0.1:4000/v1")), mini, "another host has prices of its own");
    let stated = Price::flat(1.0, None, 2.0);
    assert_eq!(stated.of_reply("gpt-4o", openai), &stated, "what the experiment states goes first");
    let of_model = Variant { model: Some("large".to_owned()), ..Variant::flat(10.0, 20.0) };
    let stated = Price { variants: vec![of_model], ..stated };
    let cost = |model| stated.cost(tokens(1000, 0, 0), PricedCall { model, ..now() });
    assert_eq!([cost(None), cost(Some("small")), cost(Some("large"))], [1_000_000, 1_000_000, 10_000_000].map(NanoUsd));
    assert_eq!(stated.cost_at_most(tokens(1000, 0, 0), None), NanoUsd(10_000_000));
}
