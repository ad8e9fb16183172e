//! What providers were seen to answer, played by `simulate-provider --replay`, and what must come of each.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;
use valuesim_simulator::provider::{Cases, ProviderOptions};

use crate::support::sandbox::{CommandOutput, Sandbox, read};
use crate::support::simulated::Simulated;

/// The file of cases.
const CASES: &str = include_str!("../fixtures/provider_cases.toml");

/// A provider that plays all cases. It lives as long as the tests of this process.
fn provider() -> &'static Simulated {
    static PROVIDER: OnceLock<Simulated> = OnceLock::new();
    PROVIDER.get_or_init(|| {
        let cases = Cases::from_toml(CASES).expect("reads").cases;
        Simulated::start(ProviderOptions { cases, ..ProviderOptions::default() })
    })
}

/// The base URL of the case whose name begins so.
fn url(name: &str) -> String {
    let cases = Cases::from_toml(CASES).expect("reads").cases;
    let at = cases.iter().position(|case| case.name.starts_with(name)).unwrap_or_else(|| panic!("no case {name}"));
    provider().base_url().replace("/v1", &format!("/cases/{}/v1", at + 1))
}

/// Runs two people against the case whose name begins so.
fn run(sandbox: &Sandbox, name: &str, flags: &[&str]) -> CommandOutput {
    let url = url(name);
    let who = ["run", "--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "valuesim,full-info"];
    let whom = ["--model", "m", "--base-url", &url, "--requests-per-minute", "100000000"];
    sandbox.run(&[&who[..], &whom, flags].concat())
}

/// How often predictions of a finished run ended so, all arms together.
fn endings(sandbox: &Sandbox) -> BTreeMap<String, u64> {
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).expect("is JSON");
    let mut all = BTreeMap::new();
    for arm in results["arms"].as_array().expect("has arms") {
        for (ended, count) in arm["score"]["endings"].as_object().expect("has endings") {
            *all.entry(ended.clone()).or_default() += count.as_u64().expect("is a count");
        }
    }
    all
}

/// A case of single prompts: the run finishes, some predictions end so, few others have no answer, and `show` has the words.
#[track_caller]
fn check_some_end(name: &str, ended: &str, said: Option<&str>) {
    let sandbox = Sandbox::new();
    run(&sandbox, name, &[]).expect_success();
    let endings = endings(&sandbox);
    let count = |of: &str| endings.get(of).copied().unwrap_or(0);
    assert!((1..=15).contains(&count(ended)), "{name}: {endings:?}");
    assert!(count("answered") > 150, "{name}: {endings:?}");
    let Some(said) = said else { return };
    let ledger = std::fs::read(sandbox.run_folder("runs").join("ledger.redb")).expect("is there");
    assert!(ledger.windows(said.len()).any(|part| part == said.as_bytes()), "{name}: {said:?} is not in the ledger");
}

/// A case that costs no prediction.
#[track_caller]
fn check_nothing_is_lost(name: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    run(&sandbox, name, &[]).expect_success();
    let endings = endings(&sandbox);
    let others = ["refused", "too long", "rejected", "no backstory", "cut off"];
    assert!(others.iter().all(|of| endings.get(*of).copied().unwrap_or(0) == 0), "{name}: {endings:?}");
    sandbox
}

/// A case that stops the run.
#[track_caller]
fn check_stops(name: &str, flags: &[&str], code: i32, expected: &[&str]) {
    let output = run(&Sandbox::new(), name, flags).expect_code(code);
    for part in expected {
        assert!(output.stderr.contains(part), "{name}: {part:?} is not in\n{}", output.stderr);
    }
}

#[test]
fn a_model_that_takes_no_temperature_runs_without_one() {
    check_stops("temperature refused", &[], 2, &["temperature = \"default\"", "--temperature default"]);
    let sandbox = Sandbox::new();
    run(&sandbox, "temperature refused", &["--temperature", "default"]).expect_success();
    let report = read(&sandbox.run_folder("runs"), "report.md");
    assert!(report.contains("temperature of m: the provider's own"), "{report}");
}

#[test]
fn prompts_that_a_provider_refuses_end_refused_with_its_words() {
    check_some_end("content refused by the provider (DeepSeek)", "refused", Some("Content Exists Risk"));
    check_some_end("content refused by the provider (Qwen)", "refused", Some("inappropriate content"));
    check_some_end("moderation at a router", "refused", Some("requires moderation"));
}

#[test]
fn prompts_that_are_too_long_end_so_however_that_is_said() {
    check_some_end("too long, in other words (1)", "too long", Some("context length (4096 tokens)"));
    check_some_end("too long, in other words (2)", "too long", Some("must be <= 4097"));
}

#[test]
fn other_prompts_that_a_provider_does_not_take_end_rejected_or_cut_off() {
    check_some_end("an unknown 4xx about one prompt", "rejected", Some("\"said\":\"unprocessable\""));
    check_some_end("a choice without a message", "cut off", None);
}

#[test]
fn what_concerns_all_calls_stops_the_run_and_is_named() {
    let large = ["--max-output-tokens", "8000"];
    check_stops("the setting is too large", &large, 2, &["max_output_tokens", "--max-output-tokens"]);
    check_stops("a limit of tokens per minute as 413", &[], 2, &["7000", "6000", "can never pass"]);
    check_stops("no money, in other words", &[], 1, &["out of credit", "resume"]);
}

#[test]
fn what_passes_is_waited_out_and_costs_no_prediction() {
    for name in [
        "interrupted in the middle",
        "a compressed body that nobody asked for",
        "a firewall's page in mid-run",
        "a 404 that passes",
        "closed by a gateway",
    ] {
        check_nothing_is_lost(name);
    }
}

#[test]
fn reasoning_beside_the_completion_is_output() {
    let sandbox = check_nothing_is_lost("reasoning tokens beside the completion");
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).expect("is JSON");
    for (stage, totals) in results["spend"][0]["stages"].as_object().expect("has stages") {
        let [answered, output] = ["answered", "output_tokens"].map(|of| totals[of].as_u64().expect("is a count"));
        assert_eq!(output, 2_819 * answered, "{stage}");
    }
}

#[test]
fn replies_that_are_all_reasoning_are_invalid_and_that_is_said_once() {
    let sandbox = Sandbox::new();
    let output = run(&sandbox, "all in reasoning_content", &[]).expect_success();
    let said = output.stderr.matches("empty but have reasoning_content").count();
    assert_eq!(said, 1, "{}", output.stderr);
    let endings = endings(&sandbox);
    assert!(endings["invalid"] > 100, "{endings:?}");
    let report = read(&sandbox.run_folder("runs"), "report.md");
    assert!(report.contains("the text is empty, and there is only reasoning"), "{report}");
}
