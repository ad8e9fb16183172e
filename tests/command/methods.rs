//! Methods are rows of a table: a row is enough for `run`, the estimate, `show` and `verify`.

use serde_json::Value;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::sandbox::{Sandbox, read};
use crate::support::simulated::Simulated;

/// The paper's method, and the four ablations of its CAB modules, which share calls with it.
const ABLATIONS: &str = "valuesim,average,no-cognitive,no-affective,no-behavioral";

/// All methods that ask a model and have no parameter.
const ALL: &str =
    "no-profile,full-info,rag,no-cab,no-story,no-cognitive,no-affective,no-behavioral,average,combined,valuesim";

/// The questions of fold 1 that are asked.
const QUESTIONS: u64 = 54;

/// Runs `methods` for two respondents and returns how many calls the provider answered.
fn run(sandbox: &Sandbox, provider: &Simulated, runs: &str, methods: &str) -> u64 {
    run_for(sandbox, provider, runs, (methods, "2"))
}

/// Runs `methods` for this many respondents and returns how many calls the provider answered.
fn run_for(sandbox: &Sandbox, provider: &Simulated, runs: &str, (methods, users): (&str, &str)) -> u64 {
    let url = provider.base_url();
    let about = ["run", "--synthetic", "60", "--users", users, "--folds", "1", "--transcripts", "--runs", runs];
    let before = provider.stats().answered;
    let embeddings = ["--embeddings-model", "e", "--embeddings-base-url", &url];
    let whom = ["--methods", methods, "--model", "m", "--base-url", &url];
    sandbox.run(&[&about[..], &whom, &embeddings].concat()).expect_success();
    provider.stats().answered - before
}

fn arms(results: &Value) -> Vec<&Value> {
    let arms = results["arms"].as_array().unwrap().iter();
    arms.filter(|arm| !arm["arm"]["model"].is_null()).collect()
}

#[test]
fn every_method_predicts_every_question_and_no_prompt_is_sent_twice() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    run_for(&sandbox, &provider, "runs", (ALL, "1"));
    let folder = sandbox.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    let names: Vec<&str> = arms(&results).iter().map(|arm| arm["arm"]["method"].as_str().unwrap()).collect();
    assert_eq!(names.join(","), ALL);
    let stats = provider.stats();
    assert_eq!(stats.calls["other"], 0, "the simulator recognizes every prompt");
    assert_eq!(stats.repeated_prompts, 0, "the methods of a cell share their calls");
    sandbox.run(&["verify", folder.file_name().unwrap().to_str().unwrap(), "--runs", "runs"]).expect_success();
}

#[test]
fn a_row_of_the_table_is_enough_to_estimate_run_and_show_a_method() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let dry = ["run", "--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "no-cab", "--dry-run"];
    let estimate = sandbox.run(&dry).expect_success().stdout;
    // Two backstories, and one call for each question of both respondents.
    assert!(estimate.contains("110 calls"), "{estimate}");
    assert_eq!(run(&sandbox, &provider, "runs", "no-cab"), 2 + 2 * QUESTIONS);
    let folder = sandbox.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    let stages = results["spend"][0]["stages"].as_object().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["no_cab", "story"]);
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let shown = sandbox.run(&["show", &run, &first_respondent(&sandbox, &run)]).expect_success().stdout;
    assert!(shown.contains("\nno_cab:\n") && shown.contains("\nprediction of no-cab: "), "{shown}");
}

#[test]
fn open_questions_are_asked_in_the_papers_behaviour_alone() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let url = provider.base_url();
    let ask = |behaviour: &str| {
        let sample = ["run", "--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "full-info"];
        let rest = ["--behaviour", behaviour, "--runs", behaviour, "--model", "m", "--base-url", &url];
        let before = provider.stats().answered;
        sandbox.run(&[&sample[..], &rest].concat()).expect_success();
        let folder = sandbox.run_folder(behaviour);
        let export = ["export", folder.to_str().unwrap(), "--format", "jsonl"];
        let exported = sandbox.run(&export).expect_success().events();
        let of_an_open_one = exported.iter().filter(|row| row["question"] == "Q223" && row["model"] == "m").count();
        let says_so = read(&folder, "report.md").contains("not asked: Q223, Q268, Q270, Q274 (open questions");
        (provider.stats().answered - before, of_an_open_one, says_so)
    };
    assert_eq!(ask("corrected"), (2 * QUESTIONS, 0, true));
    assert_eq!(ask("paper"), (2 * (QUESTIONS + 4), 2, false));
    let run = sandbox.run_folder("corrected").to_str().unwrap().to_owned();
    let refused = sandbox.run(&["show", &run, &first_respondent(&sandbox, &run), "Q223"]).expect_code(2);
    assert!(refused.stderr.contains("Q223 is not asked: it is an open question"), "{}", refused.stderr);
}

fn first_respondent(sandbox: &Sandbox, run: &str) -> String {
    let exported = sandbox.run(&["export", run, "--format", "jsonl"]).expect_success();
    exported.events()[0]["respondent"].to_string()
}

#[test]
fn ablations_share_their_calls_with_the_papers_method() {
    let (sandbox, provider) = (Sandbox::new(), Simulated::start(ProviderOptions::default()));
    let alone = run(&sandbox, &provider, "alone", "valuesim");
    let together = run(&sandbox, &provider, "together", ABLATIONS);
    assert!(together > alone, "ablations add coordinator calls about two modules");
    assert!(together * 100 <= alone * 145, "{together} calls instead of {alone}");
}
