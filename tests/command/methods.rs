//! Methods are rows of a table: one that is only a row works in `run`, the estimate, `show` and `verify`.

use serde_json::Value;
use valuesim_simulator::provider::ProviderOptions;

use crate::support::place::{Place, read};
use crate::support::simulated::Simulated;

/// The four ablations of the CAB modules, which share calls with `valuesim`.
const ABLATIONS: &str = "valuesim,average,no-cognitive,no-affective,no-behavioral";

/// All methods that ask a model and have no parameter.
const ALL: &str =
    "no-profile,full-info,rag,no-cab,no-story,no-cognitive,no-affective,no-behavioral,average,combined,valuesim";

/// Questions of one fold.
const QUESTIONS: u64 = 58;

/// A run of `methods` for two people: how many calls it made.
fn run(place: &Place, provider: &Simulated, runs: &str, methods: &str) -> u64 {
    run_for(place, provider, runs, (methods, "2"))
}

/// A run of `methods` for so many people: how many calls it made.
fn run_for(place: &Place, provider: &Simulated, runs: &str, (methods, people): (&str, &str)) -> u64 {
    let url = provider.base_url();
    let about = ["run", "--synthetic", "60", "--users", people, "--folds", "1", "--transcripts", "--runs", runs];
    let before = provider.stats().answered;
    let embeddings = ["--embeddings-model", "e", "--embeddings-base-url", &url];
    let whom = ["--methods", methods, "--model", "m", "--base-url", &url];
    place.run(&[&about[..], &whom, &embeddings].concat()).well();
    provider.stats().answered - before
}

fn arms(results: &Value) -> Vec<&Value> {
    let arms = results["arms"].as_array().unwrap().iter();
    arms.filter(|arm| !arm["arm"]["model"].is_null()).collect()
}

#[test]
fn every_method_predicts_every_question_and_no_prompt_is_sent_twice() {
    let (place, provider) = (Place::new(), Simulated::start(ProviderOptions::default()));
    run_for(&place, &provider, "runs", (ALL, "1"));
    let folder = place.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    let names: Vec<&str> = arms(&results).iter().map(|arm| arm["arm"]["method"].as_str().unwrap()).collect();
    assert_eq!(names.join(","), ALL);
    let stats = provider.stats();
    assert_eq!(stats.calls["other"], 0, "the simulated person knows every prompt");
    assert_eq!(stats.repeated_prompts, 0, "the methods of a cell share their calls");
    place.run(&["verify", folder.file_name().unwrap().to_str().unwrap(), "--runs", "runs"]).well();
}

#[test]
fn a_method_that_is_a_row_of_the_table_is_estimated_run_and_shown() {
    let (place, provider) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let dry = ["run", "--synthetic", "60", "--users", "2", "--folds", "1", "--methods", "no-cab", "--dry-run"];
    let estimate = place.run(&dry).well().stdout;
    // Two backstories and a call for each question of each.
    assert!(estimate.contains("118 calls"), "{estimate}");
    assert_eq!(run(&place, &provider, "runs", "no-cab"), 2 + 2 * QUESTIONS);
    let folder = place.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    let stages = results["spend"][0]["stages"].as_object().unwrap();
    assert_eq!(stages.keys().collect::<Vec<_>>(), ["no_cab", "story"]);
    let run = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let shown = place.run(&["show", &run, &first_respondent(&place, &run)]).well().stdout;
    assert!(shown.contains("\nno_cab:\n") && shown.contains("\nprediction of no-cab: "), "{shown}");
}

fn first_respondent(place: &Place, run: &str) -> String {
    let exported = place.run(&["export", run, "--format", "jsonl"]).well();
    exported.events()[0]["respondent"].to_string()
}

#[test]
fn ablations_share_their_calls_with_the_papers_method() {
    let (place, provider) = (Place::new(), Simulated::start(ProviderOptions::default()));
    let alone = run(&place, &provider, "alone", "valuesim");
    let together = run(&place, &provider, "together", ABLATIONS);
    assert!(together > alone, "coordinators that hear two modules are asked beside");
    assert!(together * 100 <= alone * 145, "{together} calls instead of {alone}");
}
