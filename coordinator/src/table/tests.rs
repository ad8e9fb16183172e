//! What the printed tables say about results, especially about simulated ones.

use super::*;
use crate::fixture;
use crate::grouped::grouped;

/// The widest line of a text, in characters.
fn width(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[test]
fn the_tables_of_one_of_the_papers_models() {
    let text = text(&fixture::results("gpt-3.5-turbo"));
    insta::assert_snapshot!(text);
    assert!(width(&text) <= 120);
}

#[test]
fn simulated_replies_and_synthetic_surveys_are_labelled_everywhere() {
    let simulated = Results { simulated: true, synthetic_survey: true, ..fixture::results("simulated") };
    let text = text(&simulated);
    insta::assert_snapshot!(text);
    for line in text.lines().filter(|line| line.starts_with("valuesim /") || line.starts_with("full-info /")) {
        assert!(line.contains("SIMULATED"), "{line}");
    }
}

#[test]
fn a_long_name_stands_above_its_numbers() {
    let text = text(&fixture::results("openrouter/meta-llama/Llama-3.1-8B-Instruct:free"));
    let label = "valuesim / openrouter/meta-llama/Llama-3.1-8B-Instruct:free";
    let mut lines = text.lines().skip_while(|line| *line != label);
    assert!(lines.next().is_some() && lines.next().expect("has numbers").trim_start().starts_with("0."), "{text}");
    assert!(width(&text) <= 120);
}

#[test]
fn what_is_unknown_is_a_dash() {
    let results = fixture::results("mine");
    let tech = COLUMNS - 5;
    for row in rows(&results, Measure::Accuracy) {
        assert_eq!(row.cells[tech], Cell::default(), "{}", row.label);
        assert!(row.cells[0].value.is_some(), "{}", row.label);
    }
    assert_eq!(number(None), "-");
    assert_eq!(percent(None), "-");
}

#[test]
fn results_without_any_arm_still_make_a_table() {
    let nothing = Results { arms: vec![], ..fixture::results("mine") };
    assert!(width(&text(&nothing)) <= 120);
    assert_eq!(without_a_model(&nothing), None);
}

#[test]
fn arms_that_do_not_beat_the_baselines_are_named() {
    let mut results = fixture::results("mine");
    results.arms.swap(0, 2);
    results.arms[2].arm.model = None;
    results.arms[0].arm = crate::score::Arm::with_model(valuesim_shared::method::Method::ValueSim, "mine");
    let sentence = without_a_model(&results).expect("there are baselines");
    let expected =
        "Arms that do no better in accuracy: `valuesim / mine`, `full-info / mine`; in MAE: `valuesim / mine`";
    assert!(sentence.contains(expected), "{sentence}");
}

#[test]
fn numbers_are_short() {
    let check = |value, expected| assert_eq!(number(Some(value)), expected);
    check(0.0, "0.000");
    check(0.451_6, "0.452");
    check(1.703_7, "1.704");
    check(715_827_882.0, "7e8");
    assert_eq!(percent(Some(0.995)), "99.5%");
    assert_eq!([0, 999, 1000, 28_193_800].map(grouped), ["0", "999", "1,000", "28,193,800"]);
}
