//! The budget: a wall that no call passes, whatever fails, with everything kept behind it.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use valuesim_simulator::provider::{Latency, ProviderOptions};

use crate::support::ledger;
use crate::support::money::{PRICE, charged};
use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const RUN: &[&str] = &["run", "--synthetic", "60", "--folds", "1,5", "--methods", "valuesim"];
const FEW: [&str; 2] = ["--users", "4"];
const MORE: [&str; 2] = ["--users", "10"];

/// Kills in the middle of the run, and the calls that may be in flight then, as the flag says, too.
const KILLS: u64 = 6;
const IN_FLIGHT: u64 = 2;

/// A call of the run costs at most 20,000 bytes of prompt and 4,000 tokens of reply at [`PRICE`], in nano-dollars.
const MOST_OF_A_CALL: u64 = 28_000_000;

fn flags<'a>(url: &'a str, runs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let model = ["--model", "m", "--base-url", url, "--price", PRICE, "--max-output-tokens", "4000", "--runs", runs];
    [RUN, &model, more].concat()
}

/// What the whole run costs, in nano-dollars.
fn whole(sandbox: &Sandbox, users: [&str; 2]) -> u64 {
    let provider = Simulated::start(ProviderOptions::default());
    sandbox.run(&flags(&provider.base_url(), "whole", &users)).expect_success();
    charged(&provider.stats())
}

fn dollars(nano: u64) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

#[test]
fn a_run_stops_before_its_budget_is_passed_and_goes_on_when_it_is_raised() {
    let sandbox = Sandbox::new();
    let whole = whole(&sandbox, FEW);
    let provider = Simulated::start(ProviderOptions::default());
    let (url, budget) = (provider.base_url(), dollars(whole / 2));
    let stopped = sandbox.run(&flags(&url, "limited", &[&FEW[..], &["--budget", &budget]].concat())).expect_code(3);
    let spent = charged(&provider.stats());
    assert!(spent <= whole / 2, "{spent} of {}", whole / 2);
    assert!(spent * 100 >= whole / 2 * 97, "only {spent} of {} are used", whole / 2);
    for part in ["stopped by the budget", "80 % of the budget", "95 % of the budget"] {
        assert!(stopped.stderr.contains(part), "{part} is not in\n{}", stopped.stderr);
    }
    let folder = sandbox.run_folder("limited");
    assert!(!ledger::cells(&folder).is_empty() && folder.join("results.json").exists());
    sandbox.run(&flags(&url, "limited", &[&FEW[..], &["--budget", &budget]].concat())).expect_code(3);
    assert!(charged(&provider.stats()) <= whole / 2);

    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let raised = sandbox.run(&["budget", &name, &dollars(whole * 2), "--runs", "limited"]).expect_success().stdout;
    assert!(raised.contains("may cost $") && raised.contains("goes on"), "{raised}");
    sandbox.run(&flags(&url, "limited", &[&FEW[..], &["--budget", &budget]].concat())).expect_success();
    assert_eq!(ledger::cells(&folder), ledger::cells(&sandbox.run_folder("whole")));
    assert!(charged(&provider.stats()) <= whole * 2);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "there is no runtime here, and a count at the provider is waited for")]
fn kills_at_any_time_do_not_let_a_run_pass_its_budget() {
    let sandbox = Sandbox::new();
    let whole = whole(&sandbox, MORE);
    let latency = Latency::Fixed(Duration::from_millis(1));
    let provider = Simulated::start(ProviderOptions { latency, ..ProviderOptions::default() });
    let (url, limit) = (provider.base_url(), whole / 2);
    let budget = dollars(limit);
    for kill in 0..KILLS {
        let mut command: Command = sandbox.command(&flags(
            &url,
            "killed",
            &[&MORE[..], &["--budget", &budget, "--calls-in-flight", "2"]].concat(),
        ));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let wanted = provider.stats().answered + 20 + kill * 7919 % 60;
        while provider.stats().answered < wanted && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        child.wait().unwrap();
        assert!(charged(&provider.stats()) <= limit, "after {kill} kills");
    }
    sandbox
        .run(&flags(&url, "killed", &[&MORE[..], &["--budget", &budget, "--calls-in-flight", "2"]].concat()))
        .expect_code(3);
    let spent = charged(&provider.stats());
    // What was in flight at a kill counts as the most that it can have cost.
    let unknown = KILLS * IN_FLIGHT * MOST_OF_A_CALL;
    assert!(spent <= limit && (spent + unknown) * 100 >= limit * 97, "{spent} of {limit}");
}

#[test]
fn a_budget_of_a_model_in_the_file_is_a_wall_too() {
    let sandbox = Sandbox::new();
    let whole = whole(&sandbox, FEW);
    let provider = Simulated::start(ProviderOptions::default());
    let file = format!(
        "methods = ['valuesim']\nsurvey.synthetic = 60\nsample.users = 4\nsplit.only = [1, 5]\n[[model]]\nname = 'm'\nbase_url = '{}'\n\
         max_output_tokens = 4000\nbudget_usd = {}\nprice = {{ input_usd_per_million = 1, output_usd_per_million = 2 }}\n",
        provider.base_url(),
        dollars(whole / 3)
    );
    fs::write(sandbox.path("limited.toml"), file).unwrap();
    sandbox.run(&["run", "limited.toml"]).expect_code(3);
    let spent = charged(&provider.stats());
    assert!(spent <= whole / 3 && spent * 100 >= whole / 3 * 95, "{spent} of {}", whole / 3);
}

#[test]
fn a_model_whose_budget_is_spent_ends_no_cell_of_another() {
    let sandbox = Sandbox::new();
    let latency = Latency::Fixed(Duration::from_millis(5));
    let provider = Simulated::start(ProviderOptions { latency, ..ProviderOptions::default() });
    let model = |name: &str, more: &str| {
        format!(
            "[[model]]\nname = '{name}'\nbase_url = '{}'\nmax_output_tokens = 4000\n{more}\n\
             price = {{ input_usd_per_million = 1, output_usd_per_million = 2 }}\n",
            provider.base_url()
        )
    };
    // One call at a time: nothing is reserved between two of them.
    let run = |budget: &str| {
        let models = [model("slow", "limits = { calls_in_flight = 1 }"), model("spent", budget)].concat();
        let about = "methods = ['full-info']\nsurvey.synthetic = 60\nsample.users = 2\nsplit.only = [1]\n";
        fs::write(sandbox.path("limited.toml"), [about, &models].concat()).unwrap();
        sandbox.run(&["run", "limited.toml"])
    };
    let finished =
        || -> Vec<u16> { ledger::cells(&sandbox.run_folder("runs")).into_iter().map(|(cell, _)| cell.0).collect() };
    let said = run("budget_usd = 0.1").expect_code(3);
    assert_eq!(finished(), [0, 0], "{}", said.stderr);
    assert!(said.stderr.contains("To raise it, its model or endpoint gets more"), "{}", said.stderr);
    let spent = charged(&provider.stats());
    run("budget_usd = 0.1").expect_code(3);
    assert_eq!((finished(), charged(&provider.stats())), (vec![0, 0], spent), "nothing more is paid for");
    run("budget_usd = 10").expect_success();
    assert_eq!(finished(), [0, 0, 1, 1]);
}

/// A run of 8 cells, 59 calls for each.
fn one_method<'a>(url: &'a str, runs: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let data = ["run", "--synthetic", "60", "--folds", "1,5", "--methods", "no-cab", "--users", "4"];
    let model = ["--model", "m", "--base-url", url, "--price", PRICE, "--max-output-tokens", "4000", "--runs", runs];
    [&data[..], &model, more].concat()
}

#[test]
#[expect(clippy::disallowed_methods, reason = "there is no runtime here, and a count at the provider is waited for")]
fn a_budget_that_is_set_while_the_run_works_holds_at_once_below_what_is_spent_too() {
    let sandbox = Sandbox::new();
    // Slow enough that the run goes on while two commands are started on a busy machine.
    let latency = Latency::Fixed(Duration::from_millis(30));
    let provider = Simulated::start(ProviderOptions { latency, ..ProviderOptions::default() });
    let url = provider.base_url();
    let run = || sandbox.start(&one_method(&url, "told", &["--calls-in-flight", "2", "--budget", "1000"]));
    let name = || sandbox.run_folder("told").file_name().unwrap().to_str().unwrap().to_owned();
    let set = |usd: &str| sandbox.run(&["budget", &name(), usd, "--runs", "told"]).expect_success();

    let mut working = run();
    while provider.stats().answered < 60 {
        std::thread::sleep(Duration::from_millis(1));
    }
    set("2000");
    working.wait_for("the budget is $2000.00 now, set by");
    set("0.01");
    working.wait_for("the budget is $0.0100 now, set by");
    let spent = charged(&provider.stats());
    assert!(spent > 10_000_000, "it has spent more than it may");
    let ended = working.wait().expect_code(3);
    assert!(ended.stderr.contains("stopped by the budget"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("resumed"), "nobody had paused it:\n{}", ended.stderr);
    // Calls that were in flight, and as many that had their money.
    let stopped_at = charged(&provider.stats());
    assert!(stopped_at <= spent + 2 * IN_FLIGHT * MOST_OF_A_CALL, "{spent}, and then {stopped_at}");

    run().wait().expect_code(3);
    assert_eq!(charged(&provider.stats()), stopped_at);
    set("2000");
    run().wait().expect_success();
}

#[test]
fn a_pilot_that_is_stopped_by_the_budget_goes_on_when_it_is_raised() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let url = provider.base_url();
    let pilot = || sandbox.run(&one_method(&url, "short", &["--pilot", "2", "--budget", "0.3"]));
    let stopped = pilot().expect_code(3);
    assert!(stopped.stderr.contains("stopped by the budget"), "{}", stopped.stderr);
    assert!(charged(&provider.stats()) <= 300_000_000);
    let name = sandbox.run_folder("short").file_name().unwrap().to_str().unwrap().to_owned();
    let set = || sandbox.run(&["budget", &name, "100", "--runs", "short"]).expect_success();
    set();
    let held = pilot().expect_success();
    assert!(held.stderr.contains("held after the pilot"), "{}", held.stderr);
    assert!(set().stdout.contains("goes on"), "a held run is not finished");
}

#[test]
fn a_run_without_a_budget_is_not_given_one_that_nothing_holds() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let url = provider.base_url();
    let run = |more: &[&str]| sandbox.run(&one_method(&url, "free", more));
    run(&["--pilot", "2"]).expect_success();
    let name = sandbox.run_folder("free").file_name().unwrap().to_str().unwrap().to_owned();
    let set = |usd: &str| sandbox.run(&["budget", &name, usd, "--runs", "free"]);
    set("5")
        .expect_code(1)
        .check_error(&["was started without a budget", "start the same `valuesim run` with --budget"]);
    let of_pilot = charged(&provider.stats());
    let budget = dollars(of_pilot * 3 / 2);
    run(&["--budget", &budget]).expect_code(3);
    assert!((of_pilot + 1..=of_pilot * 3 / 2).contains(&charged(&provider.stats())), "what the pilot cost counts");
    set("5").expect_success();
    run(&["--budget", &budget]).expect_success();
}

#[test]
fn a_budget_that_cannot_be_kept_is_refused() {
    let sandbox = Sandbox::new();
    let refused = |flags: &[&str], expected: &str| {
        let model = ["--model", "m", "--base-url", "http://127.0.0.1:9/v1"];
        sandbox.run(&[RUN, &model, flags].concat()).expect_code(2).check_error(&[expected]);
    };
    let output = "--max-output-tokens=4000";
    refused(&["--budget", "5", output, "--price-unknown"], "a budget needs a price");
    refused(&["--budget", "5", "--price", "1,2"], "a budget needs a limit of the reply");
    refused(&["--budget", "0.000001", "--price", "1,2", output], "the most that a single call of m can cost");
    for absurd in ["--budget=-5", "--budget=0", "--budget=1e12", "--budget=nan", "--budget=much"] {
        refused(&[absurd, "--price", "1,2", output], "above 0 and up to a billion");
    }
    let embeddings = ["--methods", "rag", "--embeddings-model", "e", "--embeddings-base-url", "http://127.0.0.1:9/v1"];
    let rag = |flags: &[&str]| {
        let model = [
            "run",
            "--synthetic",
            "60",
            "--model",
            "m",
            "--base-url",
            "http://127.0.0.1:9/v1",
            "--price",
            "1,2",
            output,
        ];
        let unset = ("VALUESIM_PRICE_UNKNOWN", "");
        sandbox.run_with(unset, &[&model, &embeddings[..], flags, &["--dry-run"]].concat())
    };
    rag(&[]).expect_code(2).check_error(&["embeddings \"e\": its price is unknown", "--embeddings-price"]);
    rag(&["--price-unknown", "--budget", "90"])
        .expect_code(2)
        .check_error(&["embeddings \"e\": a budget needs a price"]);
    rag(&["--embeddings-price", "0.1", "--budget", "90"]).expect_success();
    rag(&["--embeddings-price", "-1"]).expect_code(2);
}
