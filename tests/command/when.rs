//! `--when off-peak` lets cells begin in the hours in which the model costs least.

use std::time::{SystemTime, UNIX_EPOCH};

use valuesim_simulator::provider::ProviderOptions;

use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const MINUTES_PER_DAY: u64 = 24 * 60;

/// An experiment whose model is twice as dear for six hours of each day, which begin so many minutes from now.
fn dear_from(sandbox: &Sandbox, url: &str, minutes: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 60 % MINUTES_PER_DAY;
    let clock = |minute: u64| format!("{:02}:{:02}", minute % MINUTES_PER_DAY / 60, minute % 60);
    let (from, until) = (clock(now + minutes), clock(now + minutes + 6 * 60));
    let experiment = format!(
        r#"
methods = ["full-info"]
survey = {{ synthetic = 60 }}
sample = {{ users = 2 }}
split = {{ only = [1] }}
[[model]]
name = "m"
base_url = "{url}"
[model.price]
input_usd_per_million = 1000.0
output_usd_per_million = 1000.0
variants = [{{ hours = ["{from}-{until}"], input_usd_per_million = 2000.0, output_usd_per_million = 2000.0 }}]
"#
    );
    std::fs::write(sandbox.path("experiment.toml"), experiment).unwrap();
    "experiment.toml".to_owned()
}

#[test]
fn cells_begin_at_once_in_cheap_hours_and_wait_in_dear_ones() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let file = dear_from(&sandbox, &provider.base_url(), 12 * 60);
    let run = ["run", &file, "--when", "off-peak"];
    let plan = sandbox.run(&[&run[..], &["--dry-run"]].concat()).expect_success().stdout;
    let saves = "off-peak: cells of m begin in its cheapest hours, which saves nothing against a run that begins now";
    assert!(plan.contains(saves), "it ends before the dear hours: {plan}");
    assert!(plan.contains("; the first begin now, the last end in about "), "{plan}");
    let estimate = sandbox.run(&["estimate", &file, "--when", "off-peak"]).expect_success().stdout;
    assert!(estimate.contains("off-peak: cells of m begin in its cheapest hours"), "{estimate}");
    assert!(!estimate.contains("--when off-peak"), "what is done already is no advice: {estimate}");
    sandbox.run(&run).expect_success();

    // Since ten minutes ago, and for nearly six hours more.
    let file = dear_from(&sandbox, &provider.base_url(), MINUTES_PER_DAY - 10);
    let before = provider.stats().requests;
    let cost = |more: &[&str]| {
        let said = sandbox.run(&[&["estimate", &file, "--json"], more].concat()).expect_success().events().remove(0);
        let of_model = &said["estimate"]["models"][0];
        let stages: u64 =
            of_model["stages"].as_array().unwrap().iter().map(|it| it["cost"]["likely"].as_u64().unwrap()).sum();
        assert_eq!(Some(stages), of_model["cost"]["likely"].as_u64(), "the stages sum to the whole");
        (stages, said["off_peak"][0]["saves"].as_u64())
    };
    let (now, (cheap, saves)) = (cost(&[]).0, cost(&["--when", "off-peak"]));
    assert_eq!((now, saves), (2 * cheap, Some(cheap)));
    let dear = ["run", &file, "--when", "off-peak", "--runs", "dear"];
    let mut running = sandbox.start(&dear);
    running.wait_for("m is dearer at this hour: new cells wait 3");
    assert_eq!(provider.stats().requests, before);
    drop(running);
    sandbox.run(&["run", &file, "--runs", "dear"]).expect_success();
    assert!(provider.stats().requests > before);
}

#[test]
fn waiting_for_hours_that_no_price_names_is_refused() {
    let sandbox = Sandbox::new();
    let flags = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--when", "off-peak"];
    let refused = sandbox.run(&[&["run"][..], &flags].concat()).expect_code(2);
    assert!(
        refused.stderr.contains("no model of the experiment has a price that depends on the hour"),
        "{}",
        refused.stderr
    );
}
