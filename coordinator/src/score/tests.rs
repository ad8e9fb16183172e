//! The two behaviours of the scores, on predictions small enough to check by hand, and laws that hold for all.

use proptest::prelude::*;
use serde_json::Value;
use valuesim_shared::codebook::{Category, Codebook};
use valuesim_shared::id::{Code, QuestionId};
use valuesim_shared::method::Behaviour;

use super::*;
use crate::fixture;
use crate::results::{ArmScore, NoInterval, PersonMeans, Score, Uncertainty};
use crate::statistics::{Estimate, Population, Sample};

/// Predictions by person.
type People = BTreeMap<String, Vec<Prediction>>;

fn value(estimate: Estimate) -> f64 {
    estimate.mean
}

fn question(name: &str) -> QuestionId {
    name.parse().expect("a question")
}

fn prediction(question: QuestionId, truth: i32, answer: Option<i32>) -> Prediction {
    Prediction::without_model(question, Code(truth), answer.map(Code))
}

fn score_of<'p>(
    codebook: &Codebook,
    behaviour: Behaviour,
    people: impl Iterator<Item = &'p Vec<Prediction>>,
) -> ArmScore {
    let tallies = Tallies::new(codebook, behaviour);
    let mut scorer = Scorer::new(&tallies);
    people.for_each(|person| scorer.add_person(person));
    scorer.score(Whom { sample: Sample::of_unlimited(scorer.people().len() as u64), strata: None, weights: None })
}

/// A golden case's people, and a codebook with the options that it gives.
fn golden_case(case: &Value) -> (Codebook, People) {
    const NO_ANSWER_IN_FILE: i32 = -5;
    let mut options = BTreeMap::new();
    let mut people = People::new();
    for record in case["records"].as_array().expect("records") {
        let id = question(record["question"].as_str().expect("a question"));
        options.insert(id, fixture::codes(&record["option_codes"]));
        let number = |field: &str| record[field].as_i64().map(|code| i32::try_from(code).expect("a code"));
        let truth = number("truth").unwrap_or(NO_ANSWER_IN_FILE);
        let user = record["user"].as_str().expect("a user").to_owned();
        people.entry(user).or_default().push(prediction(id, truth, number("prediction")));
    }
    (fixture::codebook_with_options(&options), people)
}

fn golden_cases() -> Vec<Value> {
    fixture::json_file("golden.json")["metric_cases"]["cases"].as_array().expect("cases").clone()
}

/// The golden values have six decimals.
#[track_caller]
fn check(found: Option<f64>, expected: &Value, what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what}: none"));
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: the golden case has no number"));
    assert!((found - expected).abs() < 5.1e-7, "{what}: {found} is not {expected}");
}

#[test]
fn golden_cases_hold_in_behaviour_paper() {
    for case in golden_cases() {
        let name = case["case"].as_str().expect("a name");
        let expected = &case["expected"];
        let (codebook, people) = golden_case(&case);
        let score = score_of(&codebook, Behaviour::Paper, people.values());
        assert_eq!(score.overall.counted, expected["counted"], "{name}");
        check(score.overall.pooled.accuracy.map(value), &expected["pooled"]["accuracy"], name);
        check(score.overall.pooled.mae.map(value), &expected["pooled"]["mae"], name);
        check(score.overall.pooled.capped_mae, &expected["pooled"]["mae_clipped_at_1"], name);
        let per_person = score.overall.per_person;
        let averaged = &expected["per_user_averaged"];
        assert_eq!(per_person.accuracy.expect("people").persons, averaged["users"], "{name}");
        check(per_person.accuracy.map(|estimate| estimate.mean), &averaged["accuracy"], name);
        check(per_person.mae.map(|estimate| estimate.mean), &averaged["mae"], name);
        check_categories(&score, &expected["per_category_pooled"], name);
    }
}

/// The golden categories, and nothing in any other.
fn check_categories(score: &ArmScore, expected: &Value, name: &str) {
    for category in Category::ALL {
        let found = &score.categories[&category];
        let Some(expected) = expected.get(category.name()) else {
            assert_eq!((found.counted, found.pooled.accuracy, found.pooled.mae), (0, None, None), "{name}: {category}");
            continue;
        };
        assert_eq!(found.counted, expected["n"], "{name}: {category}");
        check(found.pooled.accuracy.map(value), &expected["accuracy"], name);
        check(found.pooled.mae.map(value), &expected["mae"], name);
    }
}

/// The golden `strict_proposal` has the records, the coverage and the accuracy of behaviour `corrected`. Its mean
/// absolute error measures by code over all questions; ours by position on the scale, where there is one. The two
/// agree in all cases but one, which has a nominal question (Q289: correct, error 0) among five.
#[test]
fn golden_strict_proposal_is_behaviour_corrected() {
    for case in golden_cases() {
        let name = case["case"].as_str().expect("a name");
        let expected = &case["expected"]["strict_proposal"];
        let (codebook, people) = golden_case(&case);
        let Score { counted, coverage, pooled, .. } =
            score_of(&codebook, Behaviour::Corrected, people.values()).overall;
        assert_eq!(counted, expected["n"], "{name}");
        check(coverage, &expected["coverage"], name);
        check(pooled.accuracy.map(value), &expected["accuracy"], name);
        if name == "code 0 is a valid code" {
            let without_the_nominal_one = Value::from(expected["mae"].as_f64().expect("a number") * 5.0 / 4.0);
            check(pooled.mae.map(value), &without_the_nominal_one, name);
        } else {
            check(pooled.mae.map(value), &expected["mae"], name);
        }
    }
}

/// Error of one prediction in behaviour `corrected`.
fn check_error(name: &str, truth: i32, answer: Option<i32>, expected: Option<f64>) {
    let predictions = vec![prediction(question(name), truth, answer)];
    let score = score_of(&fixture::codebook(), Behaviour::Corrected, [predictions].iter());
    assert_eq!(score.overall.pooled.mae.map(value), expected, "{name}: {answer:?} for {truth}");
}

#[test]
fn corrected_errors_follow_the_substantive_order() {
    // Q56 runs 2 (worse), 3 (the same), 1 (better); Q119 has 0 between 2 and 3.
    check_error("Q56", 2, Some(1), Some(1.0));
    check_error("Q56", 3, Some(1), Some(0.5));
    check_error("Q119", 0, Some(3), Some(0.25));
    check_error("Q119", 2, Some(3), Some(0.5));
    check_error("Q119", 1, Some(4), Some(1.0));
}

#[test]
fn corrected_errors_know_what_is_not_on_the_scale() {
    // Q254's code 5 ("not a national of this country") is an answer and no degree of pride.
    check_error("Q254", 5, Some(1), None);
    check_error("Q254", 1, Some(5), Some(1.0));
    check_error("Q254", 1, Some(2), Some(1.0 / 3.0));
    check_error("Q254", 1, None, Some(1.0));
    check_error("Q254", 1, Some(77), Some(1.0));
}

#[test]
fn nominal_questions_have_no_error_and_count_for_accuracy() {
    let predictions = vec![prediction(question("Q289"), 0, Some(8)), prediction(question("Q289"), 5, Some(5))];
    let score = score_of(&fixture::codebook(), Behaviour::Corrected, [predictions].iter()).overall;
    assert_eq!((score.counted, score.measured), (2, 0));
    assert_eq!((score.pooled.accuracy.map(value), score.pooled.mae.map(value)), (Some(0.5), None));
    assert_eq!(score.per_person.mae, None);
}

#[test]
fn an_answer_that_is_missing_lowers_coverage_in_both_behaviours() {
    let predictions = [vec![prediction(question("Q1"), 1, Some(1)), prediction(question("Q2"), 1, None)]];
    let paper = score_of(&fixture::codebook(), Behaviour::Paper, predictions.iter()).overall;
    let corrected = score_of(&fixture::codebook(), Behaviour::Corrected, predictions.iter()).overall;
    assert_eq!((paper.coverage, paper.pooled.accuracy.map(value)), (Some(0.5), Some(1.0)));
    assert_eq!((corrected.coverage, corrected.pooled.accuracy.map(value)), (Some(0.5), Some(0.5)));
}

#[test]
fn endings_and_decisions_are_counted_over_all_predictions() {
    let refused =
        Prediction { ended: Ended::Refused, decided: Decided::NoValidAnswers, ..prediction(question("Q1"), -1, None) };
    let score = score_of(&fixture::codebook(), Behaviour::Corrected, [vec![refused, refused]].iter());
    assert_eq!((score.respondents, score.predictions, score.overall.counted), (1, 2, 0));
    assert_eq!(score.endings, [("refused".to_owned(), 2)].into());
    assert_eq!(score.decisions, [("no valid answers".to_owned(), 2)].into());
}

#[test]
fn a_person_without_predictions_is_nobody() {
    let score = score_of(&fixture::codebook(), Behaviour::Corrected, [vec![]].iter());
    assert_eq!((score.respondents, score.overall.per_person.accuracy), (0, None));
}

#[test]
fn a_census_has_no_uncertainty() {
    let codebook = fixture::codebook();
    let tallies = Tallies::new(&codebook, Behaviour::Corrected);
    let mut scorer = Scorer::new(&tallies);
    for answer in [1, 2, 3] {
        scorer.add_person(&[prediction(question("Q1"), 1, Some(answer))]);
    }
    let interval = |population| {
        scorer
            .score(Whom { sample: Sample { people: 3, population }, strata: None, weights: None })
            .overall
            .per_person
            .accuracy
            .expect("people")
            .uncertainty
    };
    let width = |population| interval(population).interval().map(|interval| interval.half_width());
    assert_eq!(interval(Population::Finite(3)), Uncertainty::NoInterval(NoInterval::EveryoneWasAsked));
    assert!(width(Population::Finite(5)).is_some() && width(Population::Finite(5)) < width(Population::Unlimited));
}

/// Some questions of every kind with any truth and any answer.
fn any_prediction() -> impl Strategy<Value = Prediction> {
    let questions =
        prop::sample::select(vec!["Q1", "Q7", "Q48", "Q56", "Q111", "Q119", "Q240", "Q254", "Q262", "Q289"]);
    let answer = prop::option::weighted(0.9, -2..12);
    (questions, -5..12, answer).prop_map(|(name, truth, answer)| prediction(question(name), truth, answer))
}

fn any_people() -> impl Strategy<Value = Vec<Vec<Prediction>>> {
    prop::collection::vec(prop::collection::vec(any_prediction(), 0..30), 1..12)
}

/// Both means over all people, from each person's own score.
fn headline(codebook: &Codebook, behaviour: Behaviour, people: &[Vec<Prediction>]) -> [Option<f64>; 2] {
    let PersonMeans { accuracy, mae } = score_of(codebook, behaviour, people.iter()).overall.per_person;
    [accuracy.map(|estimate| estimate.mean), mae.map(|estimate| estimate.mean)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pooled_scores_equal_a_naive_computation(people in any_people()) {
        let codebook = fixture::codebook();
        let score = score_of(&codebook, Behaviour::Paper, people.iter()).overall;
        let counted: Vec<(i32, i32, usize)> = people
            .iter()
            .flatten()
            .filter_map(|p| Some((p.truth.0, p.answer?.0, codebook.question(p.question))))
            .filter(|(truth, _, question)| question.options.iter().any(|option| option.code.0 == *truth))
            .map(|(truth, answer, question)| (truth, answer, question.options.len()))
            .collect();
        let n = counted.len() as f64;
        let correct = counted.iter().filter(|(truth, answer, _)| truth == answer).count() as f64;
        let error: f64 = counted.iter().map(|(t, a, options)| f64::from((a - t).abs()) / (options - 1) as f64).sum();
        prop_assert_eq!(score.counted, counted.len() as u64);
        if counted.is_empty() {
            prop_assert_eq!((score.pooled.accuracy, score.pooled.mae), (None, None));
        } else {
            prop_assert!((score.pooled.accuracy.map(value).expect("counted") - correct / n).abs() < 1e-12);
            prop_assert!((score.pooled.mae.map(value).expect("counted") - error / n).abs() < 1e-12);
        }
    }

    #[test]
    fn the_order_of_people_does_not_matter(mut people in any_people(), behaviour in any_behaviour()) {
        let codebook = fixture::codebook();
        let forwards = headline(&codebook, behaviour, &people);
        people.reverse();
        for (forwards, backwards) in forwards.into_iter().zip(headline(&codebook, behaviour, &people)) {
            prop_assert_eq!(forwards.is_some(), backwards.is_some());
            prop_assert!((forwards.unwrap_or(0.0) - backwards.unwrap_or(0.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn corrected_scores_lie_between_0_and_1(people in any_people()) {
        let score = score_of(&fixture::codebook(), Behaviour::Corrected, people.iter());
        for score in score.categories.values().chain([&score.overall]) {
            prop_assert_eq!(score.counted, score.with_truth);
            // No error is above 1; the sums are in another order.
            let (mae, capped) = (score.pooled.mae.map(value), score.pooled.capped_mae);
            prop_assert_eq!(mae.is_some(), capped.is_some());
            prop_assert!((mae.unwrap_or(0.0) - capped.unwrap_or(0.0)).abs() < 1e-12);
            let PersonMeans { accuracy, mae } = score.per_person;
            let estimates = [accuracy, mae, score.pooled.accuracy, score.pooled.mae].map(|estimate| estimate.map(value));
            for share in estimates.into_iter().chain([score.coverage]).flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }
    }
}

fn any_behaviour() -> impl Strategy<Value = Behaviour> {
    prop::sample::select(vec![Behaviour::Paper, Behaviour::Corrected])
}
