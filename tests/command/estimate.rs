//! The estimate: before the first call, and from the cells that are finished.

use std::collections::BTreeMap;

use serde_json::Value;
use valuesim_coordinator::ledger::Ledger;
use valuesim_shared::id::ModelId;
use valuesim_shared::tokenizer::Tokenizer;
use valuesim_simulator::provider::{CacheRule, Latency, ProviderOptions};

use crate::support::money::{PRICE, charged};
use crate::support::sandbox::Sandbox;
use crate::support::simulated::Simulated;

const METHODS: [&str; 12] = [
    "valuesim",
    "full-info",
    "rag",
    "no-cab",
    "no-profile",
    "no-story",
    "average",
    "no-cognitive",
    "no-affective",
    "no-behavioral",
    "combined",
    "profile-scale(60)",
];

fn flags<'a>(verb: &'a str, url: &'a str, methods: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let data = [verb, "--synthetic", "100", "--folds", "1,5", "--methods", methods];
    let model = ["--model", "m", "--base-url", url, "--price", PRICE];
    let embeddings = ["--embeddings-model", "e", "--embeddings-base-url", url, "--embeddings-price", "0"];
    [&data[..], &model, &embeddings, more].concat()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// Checks that an estimate is within a tenth of what was billed.
fn check(what: &str, estimated: u64, billed: u64) {
    assert!(estimated.abs_diff(billed) * 10 <= billed, "{what}: {estimated} estimated, {billed} billed");
}

/// Runs a pilot with lognormal lengths of replies, estimates each method and all of them, and compares that with the bill.
fn compare(methods: &[&str], users: u32, pilot: u64) {
    let sandbox = Sandbox::new();
    let cache = CacheRule::Vllm { block_tokens: 16 };
    let provider = Simulated::start(ProviderOptions { reply_sigma: Some(0.2), cache, ..ProviderOptions::default() });
    let (url, all) = (provider.base_url(), methods.join(","));
    let (users, cells) = (users.to_string(), pilot.to_string());
    let with = |verb: &str, methods: &str, more: &[&str]| {
        sandbox.run(&flags(verb, &url, methods, &[&["--users", &users], more].concat()))
    };
    let held = with("run", &all, &["--pilot", &cells]).expect_success();
    for part in ["held after the pilot", "with a chance of 90 %"] {
        assert!(held.stderr.contains(part), "{}", held.stderr);
    }
    let of_pilot = charged(&provider.stats());

    let estimate = |methods: &str| {
        let mut said = with("estimate", methods, &["--json"]).expect_success().events();
        said.remove(0)
    };
    let of_methods = methods.iter().map(|method| estimate(method)["estimate"]["models"][0].take()).collect::<Vec<_>>();
    let whole = estimate(&all);
    assert_eq!(charged(&provider.stats()), of_pilot, "an estimate makes no call");
    let outlook = &whole["outlook"]["models"][0];
    assert_eq!(number(&outlook["finished"]), pilot);

    with("run", &all, &[]).expect_success();
    let (bill, tokens) = (charged(&provider.stats()), provider.stats().tokens);
    check("from the pilot", number(&outlook["whole"]["cost"]), bill);
    check("input from the pilot", number(&outlook["whole"]["tokens"]["input"]), tokens.input);
    check("output from the pilot", number(&outlook["whole"]["tokens"]["output"]), tokens.output);
    check("all methods", number(&whole["estimate"]["models"][0]["cost"]["likely"]), bill);

    let run = sandbox.run_folder("runs");
    let run = run.file_name().unwrap().to_str().unwrap();
    let billed = sandbox.run(&["cost", run, "--format", "json"]).expect_success().events().remove(0);
    for (method, estimated) in methods.iter().zip(&of_methods) {
        assert_eq!(estimated["is_measured"], true, "{method}");
        let arms = billed["bill"]["parts"].as_array().unwrap().iter().filter(|part| part["by"] == "arm");
        let line = arms.clone().find(|arm| arm["key"].as_str().unwrap().split([' ', '/']).next() == Some(method));
        let line = &line.unwrap_or_else(|| panic!("{method} is not in {arms:?}"))["used"];
        check(method, number(&estimated["cost"]["likely"]), number(&line["cost_nano_usd"]));
        check(method, number(&estimated["tokens"]["input"]), number(&line["tokens"]["input"]));
        check(method, number(&estimated["tokens"]["output"]), number(&line["tokens"]["output"]));
    }
}

#[test]
fn a_pilot_is_held_and_the_estimates_are_within_a_tenth_of_the_bill() {
    compare(&["valuesim", "full-info"], 6, 8);
}

/// Takes a minute or two: `cargo test --test command -- --ignored all_methods`.
#[test]
#[ignore = "takes minutes: see docs/development.md"]
fn estimates_of_all_methods_are_within_a_tenth_of_the_bill() {
    compare(&METHODS, 20, 24);
}

/// Takes minutes: `cargo test --test command -- --ignored interval`.
#[test]
#[ignore = "takes minutes: see docs/development.md"]
fn the_bill_lies_in_the_pilots_interval_as_often_as_it_claims() {
    const RUNS: u64 = 100;
    let mut inside = 0;
    for seed in 1..=RUNS {
        let sandbox = Sandbox::new();
        let provider = Simulated::start(ProviderOptions { reply_sigma: Some(0.5), seed, ..ProviderOptions::default() });
        let (url, seed) = (provider.base_url(), seed.to_string());
        let with = |verb: &str, more: &[&str]| {
            let whom = ["--users", "12", "--sample-seed", &seed];
            sandbox.run(&flags(verb, &url, "no-cab", &[&whom, more].concat())).expect_success()
        };
        // Two cells of each of two people: some 230 calls.
        with("run", &["--pilot", "4"]);
        let outlook = with("estimate", &["--json"]).events().remove(0)["outlook"]["models"][0]["whole"].take();
        let [low, high] = ["low", "high"].map(|end| number(&outlook["interval"][end]));
        with("run", &[]);
        inside += u64::from((low..=high).contains(&charged(&provider.stats())));
    }
    println!("in {inside} of {RUNS} runs the bill lay in the interval of the pilot");
    assert!((RUNS * 85 / 100..=RUNS * 97 / 100).contains(&inside), "{inside} of {RUNS}");
}

#[test]
fn a_pilot_goes_on_if_the_whole_run_costs_less_than_the_user_allows() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let url = provider.base_url();
    let held = sandbox
        .run(&flags("run", &url, "valuesim,no-cab", &["--users", "4", "--pilot", "2", "--yes-below", "0.01", "--json"]))
        .expect_success();
    assert!(held.stderr.contains("held after the pilot"), "{}", held.stderr);
    let pilot = held.events().into_iter().find(|event| event["event"] == "pilot").unwrap();
    assert_eq!((&pilot["is_held"], &pilot["outlook"]["models"][0]["finished"]), (&true.into(), &2.into()));
    let whole = sandbox
        .run(&flags("run", &url, "valuesim,no-cab", &["--users", "4", "--pilot", "2", "--yes-below", "1000000"]))
        .expect_success();
    assert!(whole.stderr.contains("goes on: the whole run costs at most"), "{}", whole.stderr);
    let (head, _) = whole.stderr.split_once("goes on").unwrap();
    assert!(head.contains("m, from 2 finished cells:") && head.contains("the 6 cells that are left: $"), "{head}");
    for cells in ["4", "99"] {
        let again =
            sandbox.run(&flags("run", &url, "valuesim,no-cab", &["--users", "4", "--pilot", cells])).expect_success();
        assert!(again.stderr.contains("nothing is left") && !again.stderr.contains("held after"), "{}", again.stderr);
    }
    let finished = sandbox
        .run(&flags("estimate", &url, "valuesim,no-cab", &["--users", "4", "--json"]))
        .expect_success()
        .events()
        .remove(0);
    assert_eq!(finished["outlook"]["models"][0]["left"], 0);
}

#[test]
fn what_a_pilot_does_not_know_is_not_zero() {
    let sandbox = Sandbox::new();
    let provider = Simulated::start(ProviderOptions::default());
    let (url, unknown) = (provider.base_url(), ["--price-unknown", "--pilot", "2"]);
    let data = ["run", "--synthetic", "100", "--folds", "1,5", "--methods", "no-cab", "--users", "2"];
    let run = |more: &[&str]| sandbox.run(&[&data[..], &["--model", "m", "--base-url", &url], more].concat());
    let refused = run(&[&unknown[..], &["--yes-below", "1"]].concat()).expect_code(2);
    refused.check_error(&["--yes-below: the price of model \"m\" is unknown", "--price"]);
    assert_eq!(provider.stats().requests, 0);
    let held = run(&unknown).expect_success().stderr;
    for part in ["cost not known", "what the rest costs is not known", "held after the pilot"] {
        assert!(held.contains(part), "{part} is not in\n{held}");
    }
    assert!(!held.contains("with a chance of 90 %"), "{held}");
    let control = std::fs::read_dir(sandbox.run_folder("runs").join("control")).into_iter().flatten();
    let forecasts = control.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("forecast"));
    assert_eq!(forecasts.count(), 0);
    run(&["--price-unknown"]).expect_success();
}

#[test]
fn a_run_that_leaves_what_its_pilot_expected_pauses_itself_once() {
    let sandbox = Sandbox::new();
    // Slow enough to be paused before it ends.
    let latency = Latency::Fixed(std::time::Duration::from_millis(30));
    let provider = Simulated::start(ProviderOptions { latency, ..ProviderOptions::default() });
    let url = provider.base_url();
    let slow = ["--users", "4", "--calls-in-flight", "2", "--requests-per-minute", "1000000"];
    let of = |more: &[&'static str]| flags("run", &url, "no-cab", &[&slow, more].concat());
    sandbox.run(&of(&["--pilot", "2"])).expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    // The prices have risen since the pilot.
    let dearer: Vec<&str> = of(&[]).into_iter().map(|flag| if flag == PRICE { "1000,2000" } else { flag }).collect();
    let mut running = sandbox.start(&dearer);
    running.wait_for(" for all of it: it pauses");
    running.wait_for("paused by valuesim");
    sandbox.run(&["resume", &run]).expect_success();
    running.wait().expect_success();
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
    let two = [&arguments[1..], &["--methods", "no-cab,full-info"]].concat();
    let text = sandbox.run(&[&["estimate"], &two[..]].concat()).expect_success().stdout;
    assert!(text.contains("method alone"), "{text}");
    let head = sandbox.run(&[&["run", "--dry-run"], &two[..]].concat()).expect_success().stdout;
    for part in ["minutes within its limits", "power: the sample shows a difference of", "cheaper: --folds 1"] {
        assert!(head.contains(part), "{part} is not in\n{head}");
    }
}

/// The mean input of each stage, as the model's tokenizer counts the prompts that a run has kept.
fn counted_prompts(sandbox: &Sandbox) -> BTreeMap<String, f64> {
    let ledger = Ledger::view(&sandbox.run_folder("runs").join("ledger.redb")).unwrap();
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for cell in ledger.with_transcript(ModelId(0)).unwrap() {
        for call in ledger.transcript(cell.unwrap()).unwrap().unwrap().calls() {
            let call = call.unwrap();
            let (tokens, calls) = sums.entry(call.key.stage.name().into_owned()).or_default();
            *tokens += Tokenizer::O200k.count_chat([call.messages[0].as_str()]) as f64;
            *calls += 1.0;
        }
    }
    sums.into_iter().map(|(stage, (tokens, calls))| (stage, tokens / calls)).collect()
}

#[test]
fn prompts_are_estimated_as_the_models_tokenizer_counts_them_until_replies_say_better() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let url = provider.base_url();
    let sample = ["--synthetic", "100", "--users", "2", "--folds", "1", "--methods", "full-info,no-profile,no-cab"];
    let of = |verb: &str, model: &str, more: &[&str]| {
        let whom = ["--model", model, "--base-url", &url, "--price", PRICE];
        sandbox.run(&[&[verb], &sample[..], &whom, more].concat()).expect_success()
    };
    let estimate = |model: &str| of("estimate", model, &["--json"]).events().remove(0)["estimate"]["models"][0].take();

    let (known, unknown) = (estimate("openai/gpt-4o-mini"), estimate("gpt-4o-of-somebody-else"));
    assert_eq!([&known["counted_by"], &unknown["counted_by"]], ["tokenizer", "length"]);
    let text = of("estimate", "openai/gpt-4o-mini", &[]).stdout;
    assert!(text.contains("prompts counted by the model's tokenizer"), "{text}");
    of("run", "openai/gpt-4o-mini", &["--transcripts"]);
    let counted = counted_prompts(&sandbox);
    for stage in known["stages"].as_array().unwrap() {
        let name = stage["stage"].as_str().unwrap();
        // How long the backstory is that this one reads is not known before.
        if name != "no_cab" {
            let estimated = number(&stage["tokens_per_call"]["input"]) as f64;
            let off = (estimated / counted[name] - 1.0).abs();
            assert!(off < 0.02, "{name}: {estimated} estimated, {} counted", counted[name]);
        }
    }
    let learned = estimate("openai/gpt-4o-mini");
    assert_eq!(learned["counted_by"], "earlier_runs");
    check("as the provider counts", number(&learned["tokens"]["input"]), provider.stats().tokens.input);
}

#[test]
fn an_estimate_holds_to_the_limits_of_the_run() {
    let sandbox = Sandbox::new();
    let of = |more: &[&str]| sandbox.run(&[&["estimate", "--synthetic", "60", "--model", "gpt-4o"], more].concat());
    let json = |more: &[&str]| of(&[more, &["--json"]].concat()).expect_success().events().remove(0);

    let (one, total) = (json(&["--calls-in-flight", "1"]), json(&["--total-calls-in-flight", "1"]));
    assert_eq!(one["hours"], total["hours"]);
    let short = json(&["--max-output-tokens", "1"])["estimate"]["models"][0].take();
    assert_eq!(short["tokens"]["output"], short["calls"]["likely"], "no reply is longer than its limit");
    for refused in [&["--tokens-per-minute", "1"][..], &["--budget", "0.000001", "--max-output-tokens", "2000"]] {
        let of_run = sandbox.run(&[&["run", "--dry-run", "--synthetic", "60", "--model", "gpt-4o"], refused].concat());
        let refused = of(refused);
        assert_eq!((refused.code, &refused.stderr), (Some(2), &of_run.stderr));
    }
}

#[test]
fn an_estimate_says_what_the_head_of_the_run_says() {
    let sandbox = Sandbox::new();
    let check = |more: &[&str], parts: &[&str]| {
        let whom = ["--synthetic", "60", "--users", "2"];
        for verb in [&["estimate"][..], &["run", "--dry-run"]] {
            let text = sandbox.run(&[verb, &whom, more].concat()).expect_success().stdout;
            for part in parts {
                assert!(text.contains(part), "{part} is not in\n{text}");
            }
            assert!(!text.contains("gpt-5-nano"), "it will be retired on 2026-12-11: {text}");
        }
    };
    check(
        &["--model", "gpt-3.5-turbo", "--folds", "1", "--budget", "0.5", "--max-output-tokens", "2000"],
        &[
            "was retired by its vendor",
            "he sample has too few people to show any difference in accuracy between two arms",
            "the budget of $0.50 for the run covers about ",
        ],
    );
    check(
        &["--model", "gpt-4o", "--model", "gpt-4o-mini", "--budget", "100", "--max-output-tokens", "2000"],
        &["in all: $", "covers the likely $"],
    );
    let rag = ["--methods", "rag", "--model", "gpt-4o", "--embeddings-model", "text-embedding-3-small"];
    check(&rag, &["text-embedding-3-small: embeddings of ", "in all: $"]);
    let rounds = ["estimate", "--synthetic", "300", "--model", "gpt-4o", "--precision", "0.01"];
    let rounds = sandbox.run(&rounds).expect_success().stdout;
    assert!(rounds.contains("first round: gpt-4o: about ") && rounds.contains("All rounds, at most"), "{rounds}");
}
