//! The bill of a run: equal to what the provider counted, in every division, and at other prices.

use std::fs;

use serde_json::Value;
use valuesim_simulator::provider::{CacheRule, ProviderOptions};

use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const RUN: &[&str] =
    &["run", "--synthetic", "60", "--users", "2", "--folds", "1,5", "--methods", "valuesim,no-cognitive"];

/// A run with a price, against a provider that fails, answers badly and has a cache.
fn finished() -> (Sandbox, Simulated) {
    let (sandbox, options) = (
        Sandbox::new(),
        ProviderOptions {
            error_rate: 0.05,
            malformed_rate: 0.1,
            refusal_rate: 0.02,
            cache: CacheRule::Vllm { block_tokens: 16 },
            ..ProviderOptions::default()
        },
    );
    let provider = Simulated::start(options);
    let model = ["--model", "m", "--base-url", &provider.base_url(), "--price", "1,0.1,2", "--runs", "runs"];
    sandbox.run(&[RUN, &model].concat()).expect_success();
    (sandbox, provider)
}

fn bill(sandbox: &Sandbox, more: &[&str]) -> Value {
    let folder = sandbox.run_folder("runs");
    let arguments = [&["cost", folder.to_str().unwrap(), "--format", "json"], more].concat();
    sandbox.run(&arguments).expect_success().events().remove(0)
}

fn sum(bill: &Value, by: &str, figure: impl Fn(&Value) -> u64) -> u64 {
    let parts = bill["parts"].as_array().unwrap().iter();
    parts.filter(|part| part["by"] == by).map(|part| figure(&part["used"])).sum()
}

#[test]
fn the_bill_is_what_the_provider_counted_whatever_it_is_divided_by() {
    let (sandbox, provider) = finished();
    let (stats, output) = (provider.stats(), bill(&sandbox, &[]));
    let (bill, total) = (&output["bill"], &output["bill"]["total"]);
    let number = |value: &Value| value.as_u64().unwrap();
    assert!(stats.malformed > 0 && stats.errors.values().sum::<u64>() > 0 && stats.tokens.cached_input > 0);
    assert_eq!(number(&total["answered"]), stats.answered);
    assert_eq!(number(&total["failed"]), stats.errors.values().sum::<u64>());
    assert_eq!(number(&total["tokens"]["input"]), stats.tokens.input);
    assert_eq!(number(&total["tokens"]["cached"]), stats.tokens.cached_input);
    assert_eq!(number(&total["tokens"]["output"]), stats.tokens.output);
    let fresh = stats.tokens.input - stats.tokens.cached_input;
    let cost = fresh * 1000 + stats.tokens.cached_input * 100 + stats.tokens.output * 2000;
    assert_eq!(number(&total["cost_nano_usd"]), cost);
    for by in ["model", "stage", "fold", "day"] {
        assert_eq!(sum(bill, by, |used| number(&used["cost_nano_usd"])), cost, "{by}");
        assert_eq!(sum(bill, by, |used| number(&used["tokens"]["input"])), stats.tokens.input, "{by}");
    }
    let of_arms = sum(bill, "arm", |used| number(&used["cost_nano_usd"]));
    assert_eq!(of_arms - cost, number(&bill["saved"]["by_sharing_nano_usd"]));
    assert_eq!(number(&bill["saved"]["by_cache_nano_usd"]), stats.tokens.cached_input * 900);
    let (again, unusable) = (&bill["waste"]["asked_again"], &bill["waste"]["unusable"]);
    assert!(number(&again["answered"]) > 0 && number(&again["cost"]) > 0);
    assert!(number(&unusable["answered"]) >= number(&again["answered"]));
}

#[test]
fn a_run_is_billed_again_at_other_prices_and_beside_the_providers_count() {
    let (sandbox, provider) = finished();
    let litellm = r#"{"m": {"input_cost_per_token": 3e-6, "output_cost_per_token": 5e-6}}"#;
    fs::write(sandbox.path("prices.json"), litellm).unwrap();
    let tokens = provider.stats().tokens;
    let again = bill(&sandbox, &["--at-prices", "prices.json"]);
    let cost = again["bill"]["total"]["cost_nano_usd"].as_u64().unwrap();
    assert_eq!(cost, tokens.input * 3000 + tokens.output * 5000);

    let export = format!(
        "model,requests,input_tokens,output_tokens\nm,{},{},{}\nother,1,2,3\n",
        provider.stats().answered,
        tokens.input + 7,
        tokens.output
    );
    fs::write(sandbox.path("usage.csv"), export).unwrap();
    let compared = bill(&sandbox, &["--compare", "usage.csv"]);
    let lines = compared["comparison"]["lines"].as_array().unwrap();
    let off: Vec<_> = lines.iter().filter(|line| line["ours"] != line["theirs"]).collect();
    assert_eq!(off.len(), 1, "{off:?}");
    assert_eq!(off[0]["figure"], "input tokens");
    assert_eq!(compared["comparison"]["not_in_export"][0], "cached tokens");
    assert_eq!(compared["comparison"]["days"]["export_has_unknown"], true);
    assert_eq!(compared["comparison"]["only_in_export"][0], "other");

    let folder = sandbox.run_folder("runs");
    let table = sandbox.run(&["cost", folder.to_str().unwrap(), "--compare", "usage.csv"]).expect_success().stdout;
    for part in [
        "(SIMULATED)",
        "by stage",
        "cognitive",
        "of 4 finished cells; what unfinished cells have cost is not in it",
        "asked again",
        "by the provider's cache",
        "+7",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
    sandbox
        .run(&["cost", folder.to_str().unwrap(), "--compare", "usage.csv", "--format", "csv"])
        .expect_code(2)
        .check_error(&["no place for --compare", "--format table or json"]);
    let csv = sandbox.run(&["cost", folder.to_str().unwrap(), "--format", "csv"]).expect_success().stdout;
    assert!(csv.lines().all(|line| line.split(',').count() == 17) && csv.contains("\nstage,story,"), "{csv}");
}

#[test]
fn mistakes_are_named() {
    let sandbox = Sandbox::new();
    sandbox
        .run(&["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "no-profile"])
        .expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.to_str().unwrap();
    fs::write(sandbox.path("survey.csv"), "respondent,Q1\n1,2\n").unwrap();
    sandbox.run(&["cost", "no-such-run"]).expect_code(2).check_error(&["there is no run no-such-run"]);
    sandbox
        .run(&["cost", run, "--at-prices", "survey.csv"])
        .expect_code(2)
        .check_error(&["expected a table of prices"]);
    sandbox
        .run(&["cost", run, "--compare", "survey.csv"])
        .expect_code(2)
        .check_error(&["expected OpenAI's usage in JSON"]);
    fs::write(sandbox.path("utf16.csv"), b"\xff\xfem\0").unwrap();
    sandbox.run(&["cost", run, "--compare", "utf16.csv"]).expect_code(2).check_error(&["save it as UTF-8"]);
    let unpriced = sandbox.run(&["cost", run]).expect_success().stdout;
    assert!(unpriced.contains("unknown"), "a model without a price costs an unknown sum: {unpriced}");
}
