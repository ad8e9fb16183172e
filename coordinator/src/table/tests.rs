//! What the printed tables say about results, especially about simulated ones.

use super::*;
use crate::fixture;
use crate::grouped::grouped;
use crate::results::{Comparison, Missing, NoInterval, Uncertainty, Verdict};
use crate::statistics::Population;

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

/// The verdicts on the first two arms against every baseline, in both measures.
fn judged(verdicts: [Verdict; 2]) -> Results {
    let mut results = fixture::results("mine");
    let models: Vec<Arm> = results.model_arms().map(|arm| arm.arm.clone()).collect();
    for against in results.no_model_arms().map(|arm| arm.arm.clone()).collect::<Vec<_>>() {
        for (arm, verdict) in models.iter().zip(verdicts) {
            results.comparisons.extend(Measure::ALL.map(|measure| Comparison {
                arm: arm.clone(),
                against: against.clone(),
                category: None,
                measure,
                persons: 40,
                difference: 0.01,
                uncertainty: Uncertainty::NoInterval(NoInterval::EveryoneWasAsked),
                adjusted_uncertainty: Uncertainty::NoInterval(NoInterval::EveryoneWasAsked),
                test: None,
                verdict,
            }));
        }
    }
    results
}

#[track_caller]
fn check_sentence(results: &Results, expected: &str) {
    let sentence = without_a_model(results).expect("there are baselines");
    assert!(sentence.ends_with(expected), "{sentence}");
}

#[test]
fn only_tests_say_that_an_arm_is_better() {
    check_sentence(
        &judged([Verdict::Better; 2]),
        "Every arm that asks a model does better (paired tests with Holm's correction).",
    );
    check_sentence(
        &judged([Verdict::NotDistinguishable, Verdict::Worse]),
        "In MAE, worse than that: `full-info / mine`; not distinguishable from that: `valuesim / mine`.",
    );
    check_sentence(&judged([Verdict::TooFewPeople; 2]), "In MAE, too few people to judge every arm that asks a model.");
}

#[test]
fn the_rows_apart_stand_beside_a_run_only_if_they_may() {
    let published = |results: &Results| rows(results, Measure::Mae).iter().any(|row| row.kind == RowKind::Published);
    let results = fixture::results("gpt-3.5-turbo");
    assert!(published(&results) && rows_apart(&results, Measure::Mae).is_empty());
    let reasons = vec!["not all folds were run".to_owned()];
    let elsewhere = Results { published_elsewhere: reasons, ..results };
    assert!(!published(&elsewhere) && rows_apart(&elsewhere, Measure::Mae).len() == 2);
    let report = crate::report::markdown(&elsewhere);
    assert!(report.contains("cannot be compared: not all folds were run."), "{report}");
}

#[test]
fn notes_say_who_is_in_the_scores() {
    let said = |results: &Results| notes(results, IntervalStyle::HalfWidth).join("\n");
    let mut results = fixture::results("mine");
    assert!(!said(&results).contains("Each country"), "{}", said(&results));
    let mut stratified = results.clone();
    let accuracy = &mut stratified.arms[0].score.overall.per_person.accuracy;
    accuracy.as_mut().expect("has people").stratified_degrees = Some(2);
    assert!(said(&stratified).contains("Each country was drawn by itself"), "{}", said(&stratified));
    results.population = Population::Unlimited;
    assert!(said(&results).contains("listed, not drawn"), "{}", said(&results));
    results.population = Population::Finite(4);
    assert!(said(&results).contains("Everyone was asked: the scores are those of all 4 people"), "{}", said(&results));
    for arm in &mut results.arms {
        let trust = arm.score.categories.get_mut(&Category::Trust).expect("a category");
        trust.per_person.accuracy.as_mut().expect("a score").persons = 1;
    }
    assert!(said(&results).contains("mean score of 4 people (1 person in Trust), ±"), "{}", said(&results));
    results.missing = Missing { scored: 18, persons_in_part: 2, ..results.missing };
    assert!(said(&results).contains("same 18 of 20 pairs of respondent and fold"), "{}", said(&results));
}

#[test]
fn notes_say_how_intervals_are_shown() {
    let mut results = fixture::results("mine");
    let said = |results: &Results, style| notes(results, style).remove(0);
    assert!(said(&results, IntervalStyle::Ends).contains(", with its 95 % interval."));
    assert!(said(&results, IntervalStyle::HalfWidth).contains("or with both ends where that is not symmetric."));
    for arm in &mut results.arms {
        for score in arm.score.categories.values_mut().chain([&mut arm.score.overall]) {
            for measure in [&mut score.per_person.accuracy, &mut score.per_person.mae].into_iter().flatten() {
                measure.uncertainty = Uncertainty::NoInterval(NoInterval::OnePerson);
            }
        }
    }
    assert!(said(&results, IntervalStyle::HalfWidth).contains(", ± half of its 95 % interval. "));
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
