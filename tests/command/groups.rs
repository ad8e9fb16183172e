//! Whom scores are of: survey weights, groups by any column of the file, categories without questions, and very few people.

use std::collections::BTreeMap;

use serde_json::Value;
use valuesim_shared::codebook::Codebook;
use valuesim_shared::id::QuestionId;

use crate::support::sandbox::{Sandbox, read};

/// Asks about the questions of fold 1, none of which is about the economy, with one call each.
const FOLD_1: [&str; 7] =
    ["run", "--survey=survey.csv", "--simulate", "--folds=1", "--methods=no-profile", "--users", "6"];

/// A folder with a synthetic survey in the format of the official file.
fn with_survey() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.run(&["synth", "--respondents", "80", "survey.csv"]).expect_success();
    sandbox
}

/// The column of the survey file, by the respondents' rows.
fn column(sandbox: &Sandbox, name: &str) -> BTreeMap<u64, String> {
    let file = read(&sandbox.path(""), "survey.csv");
    let mut lines = file.lines();
    let at = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
    let value = |line: &str| {
        // What stands before has no quoted commas.
        let fields: Vec<&str> = line.split(',').take(at + 1).collect();
        assert!(fields.iter().all(|field| !field.contains('"')), "{name}");
        fields[at].to_owned()
    };
    (1..).zip(lines.map(value)).collect()
}

/// The results of the only run, and the arm that asked.
fn results(sandbox: &Sandbox) -> (Value, Value) {
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).unwrap();
    let asked = results["arms"].as_array().unwrap().iter().find(|arm| arm["arm"]["method"] == "no-profile");
    let asked = asked.unwrap().clone();
    (results, asked)
}

fn run_id(sandbox: &Sandbox) -> String {
    sandbox.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned()
}

/// Each respondent's share of right answers, from the exported predictions.
fn accuracies(sandbox: &Sandbox) -> BTreeMap<u64, f64> {
    let exported = sandbox.run(&["export", &run_id(sandbox), "--format", "jsonl"]).expect_success().events();
    let codebook = Codebook::built_in();
    let mut counts: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for row in exported.iter().filter(|row| row["method"] == "no-profile" && !row["truth"].is_null()) {
        let question: QuestionId = row["question"].as_str().unwrap().parse().unwrap();
        if codebook.question(question).options.is_empty() {
            continue;
        }
        let (right, all) = counts.entry(row["respondent"].as_u64().unwrap()).or_default();
        *right += f64::from(u8::from(row["prediction"] == row["truth"]));
        *all += 1.0;
    }
    counts.into_iter().map(|(respondent, (right, all))| (respondent, right / all)).collect()
}

/// The group of this value in the breakdown by a column.
fn group<'a>(results: &'a Value, column: &str, value: &str) -> &'a Value {
    let breakdowns = results["breakdowns"].as_array().unwrap();
    let breakdown = breakdowns.iter().find(|breakdown| breakdown["column"] == column).unwrap();
    breakdown["groups"].as_array().unwrap().iter().find(|group| group["value"] == value).unwrap()
}

#[track_caller]
fn check_close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn scores_are_weighted_and_grouped_by_columns_of_the_file() {
    let sandbox = with_survey();
    sandbox.run(&[&FOLD_1[..], &["--weights", "W_WEIGHT", "--by", "H_URBRURAL,Q273"]].concat()).expect_success();
    let (results, asked) = results(&sandbox);
    let accuracies = accuracies(&sandbox);

    let weights = column(&sandbox, "W_WEIGHT");
    let weight = |respondent: &u64| weights[respondent].parse::<f64>().unwrap();
    let sum: f64 = accuracies.keys().map(weight).sum();
    let squares: f64 = accuracies.keys().map(|respondent| weight(respondent).powi(2)).sum();
    let weighted: f64 = accuracies.iter().map(|(respondent, accuracy)| weight(respondent) * accuracy).sum();
    let overall = &asked["score"]["overall"];
    check_close(&overall["weighted"]["means"]["accuracy"]["mean"], weighted / sum);
    check_close(&overall["weighted"]["effective_persons"], sum * sum / squares);
    let mean = accuracies.values().sum::<f64>() / 6.0;
    check_close(&overall["per_person"]["accuracy"]["mean"], mean);
    assert!((weighted / sum - mean).abs() > 1e-6, "the weights matter");

    let place = results["arms"].as_array().unwrap().iter().position(|arm| *arm == asked).unwrap();
    for name in ["H_URBRURAL", "Q273"] {
        let values = column(&sandbox, name);
        for value in accuracies.keys().map(|respondent| &values[respondent]).filter(|value| !value.starts_with('-')) {
            let people: Vec<f64> = accuracies
                .iter()
                .filter(|(respondent, _)| values[respondent] == *value)
                .map(|(_, &accuracy)| accuracy)
                .collect();
            let group = group(&results, name, value);
            assert_eq!(group["persons"], people.len());
            let mean = people.iter().sum::<f64>() / people.len() as f64;
            check_close(&group["arms"][place]["accuracy"]["mean"], mean);
        }
    }
}

#[test]
fn nobody_is_both_among_the_best_and_among_the_worst() {
    let sandbox = with_survey();
    for (users, listed) in [("6", 3), ("5", 2), ("1", 0)] {
        sandbox.run(&[&FOLD_1[..5], &["--users", users, "--runs", users]].concat()).expect_success();
        let results: Value = serde_json::from_str(&read(&sandbox.run_folder(users), "results.json")).unwrap();
        let list = |name: &str| {
            let people = results["people"][0][name].as_array().unwrap().iter();
            people.map(|person| person["respondent"].as_u64().unwrap()).collect::<Vec<_>>()
        };
        let (best, worst) = (list("best"), list("worst"));
        assert_eq!((best.len(), worst.len()), (listed, listed), "{users} people");
        assert!(best.iter().all(|respondent| !worst.contains(respondent)), "{best:?} {worst:?}");
    }
}

#[test]
fn columns_that_the_file_lacks_or_that_have_no_weights_are_refused_before_any_call() {
    let sandbox = with_survey();
    for (more, expected) in [
        (["--by", "H_URBRURALS"], "survey.csv has no column \"H_URBRURALS\": expected the name of a column"),
        (["--weights", "WEIGHT"], "survey.csv has no column \"WEIGHT\": expected the name of a column"),
        (["--weights", "N_REGION_NUTS2"], "\"N_REGION_NUTS2\" has no weights: expected numbers, at least one of them"),
    ] {
        sandbox.run(&[&FOLD_1[..], &more].concat()).expect_code(2).check_error(&[expected]);
    }
    assert!(!sandbox.path("runs").exists(), "no run was started");
}

#[test]
fn a_fold_without_a_category_leaves_it_empty_in_every_table() {
    let sandbox = with_survey();
    let output = sandbox.run(&FOLD_1).expect_success();
    let row = output.stdout.lines().find(|line| line.starts_with("no-profile / simulated SIMULATED")).unwrap();
    let scores: Vec<&str> = row.split_whitespace().skip(4).collect();
    assert_eq!((scores.len(), scores[3]), (11, "-"), "{row}");
    let (_, asked) = results(&sandbox);
    assert!(asked["score"]["categories"]["Econ.Int"]["per_person"]["accuracy"].is_null());

    sandbox.run(&["report", &run_id(&sandbox), "--format", "csv", "-o", "report"]).expect_success();
    let table = read(&sandbox.path("report/tables"), "accuracy-by-category.csv");
    let mut lines = table.lines();
    let empty = lines.next().unwrap().split(',').position(|column| column == "Econ.Int").unwrap();
    for line in lines {
        assert_eq!(line.split(',').nth(empty), Some(""), "{line}");
    }
}

#[test]
fn a_group_of_one_and_a_run_of_one_person_have_a_score_without_interval_or_verdict() {
    let sandbox = with_survey();
    sandbox.run(&FOLD_1).expect_success();
    let (results_of_six, asked) = results(&sandbox);
    let place = results_of_six["arms"].as_array().unwrap().iter().position(|arm| *arm == asked).unwrap();
    let countries = results_of_six["breakdowns"].as_array().unwrap();
    let countries = countries.iter().find(|breakdown| breakdown["column"] == "B_COUNTRY").unwrap();
    for group in countries["groups"].as_array().unwrap() {
        assert_eq!((&group["persons"], &group["few"]), (&Value::from(1), &Value::Bool(true)), "{group}");
        let accuracy = &group["arms"][place]["accuracy"];
        assert!(accuracy["mean"].is_f64() && accuracy["uncertainty"]["interval"].is_null(), "{accuracy}");
    }
    assert!(countries["extremes"].as_array().unwrap().iter().all(|extremes| extremes["compared"] == 0));

    let one = ["--users", "1", "--runs", "one"];
    let output = sandbox.run(&[&FOLD_1[..5], &one].concat()).expect_success();
    assert!(output.stdout.contains("too few people to judge"), "{}", output.stdout);
    assert!(
        output.stdout.contains("`-` in place of an interval: one person says nothing about others"),
        "{}",
        output.stdout
    );
    assert!(!output.stdout.contains("±0"), "{}", output.stdout);
    let folder = sandbox.run_folder("one");
    let report = ["report", folder.to_str().unwrap(), "-o", "report"];
    sandbox.run(&report).expect_success();
    let people = read(&sandbox.path("report"), "report.md");
    assert!(!people.contains("NaN"), "{people}");
}
