//! The estimate: before the first call, and from the cells that are finished.

use serde_json::Value;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::money::{PRICE, charged};
use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const METHODS: &str = "valuesim,full-info,no-cab,no-profile,no-story,average";

fn flags<'a>(verb: &'a str, url: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let data = [verb, "--synthetic", "100", "--users", "10", "--folds", "1,5", "--methods", METHODS];
    let model = ["--model", "m", "--base-url", url, "--price", PRICE];
    [&data[..], &model, more].concat()
}

#[test]
fn a_pilot_is_held_and_its_estimate_is_within_a_tenth_of_the_bill() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let url = provider.base_url();
    let held = sandbox.run(&flags("run", &url, &["--pilot", "4"])).expect_success();
    assert!(
        held.stderr.contains("held after the pilot") && held.stderr.contains("with a chance of 90 %"),
        "{}",
        held.stderr
    );
    let of_pilot = charged(&provider.stats());

    let estimate = sandbox.run(&flags("estimate", &url, &["--json"])).expect_success().events().remove(0);
    assert_eq!(charged(&provider.stats()), of_pilot, "an estimate makes no call");
    let outlook = &estimate["outlook"]["models"][0];
    assert_eq!([&outlook["finished"], &outlook["left"]], [4, 16]);

    sandbox.run(&flags("run", &url, &[])).expect_success();
    let bill = charged(&provider.stats());
    let number = |value: &Value| value.as_u64().unwrap();
    let whole = &outlook["whole"];
    let likely = number(&whole["cost"]);
    assert!(likely.abs_diff(bill) * 10 <= bill, "{likely} estimated, {bill} billed");
    let tokens = provider.stats().tokens;
    assert!(number(&whole["tokens"]["input"]).abs_diff(tokens.input) * 10 <= tokens.input);
    assert!(number(&whole["tokens"]["output"]).abs_diff(tokens.output) * 10 <= tokens.output);
}

#[test]
fn a_pilot_goes_on_if_the_whole_run_costs_less_than_the_user_allows() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let url = provider.base_url();
    let held = sandbox.run(&flags("run", &url, &["--pilot", "2", "--yes-below", "0.01"])).expect_success();
    assert!(held.stderr.contains("held after the pilot"), "{}", held.stderr);
    let whole = sandbox.run(&flags("run", &url, &["--pilot", "2", "--yes-below", "1000000"])).expect_success();
    assert!(whole.stderr.contains("goes on: the whole run costs at most"), "{}", whole.stderr);
    let finished = sandbox.run(&flags("estimate", &url, &["--json"])).expect_success().events().remove(0);
    assert_eq!(finished["outlook"]["models"][0]["left"], 0);
}

#[test]
fn an_estimate_shows_stages_time_power_and_what_is_cheaper() {
    let sandbox = Sandbox::new();
    let arguments =
        ["estimate", "--synthetic", "200", "--users", "50", "--model", "gpt-4o", "--requests-per-minute", "500"];
    let text = sandbox.run(&arguments).expect_success().stdout;
    for part in [
        "coordinator",
        "hours within its limits",
        "points in accuracy",
        "Cheaper",
        "at the same host costs",
        "--folds 1",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}
