//! What the methods without a model predict, on surveys small enough to check by hand.

use proptest::prelude::*;

use valuesim_shared::id::QUESTIONS;

use super::*;
use crate::fixture;

const AUSTRALIA: Country = Country(36);
const BRAZIL: Country = Country(76);

/// A survey in which each respondent gives one answer to every question.
fn survey(respondents: &[(Country, i32)]) -> Survey {
    let mut builder = valuesim_shared::survey::SurveyBuilder::new();
    for &(country, code) in respondents {
        builder.push(country, &[Code(code); QUESTIONS]);
    }
    builder.finish("synthetic")
}

#[track_caller]
fn check(respondents: &[(Country, i32)], question: &str, expected: [Option<i32>; 4]) {
    let (survey, codebook) = (survey(respondents), fixture::codebook());
    let baselines = Baselines::new(&survey, &codebook);
    let (first, question) = (Respondent::from_index(0), question.parse().expect("a question"));
    let methods = [Method::Mode, Method::Median, Method::ModeCountry, Method::MedianCountry];
    let found = methods.map(|method| baselines.predict(method, first, question).map(|code| code.0));
    assert_eq!(found, expected, "mode, median, mode-country, median-country of {question}");
}

#[test]
fn the_own_answer_does_not_predict_itself() {
    let others = [(AUSTRALIA, 2), (BRAZIL, 3), (BRAZIL, 3)];
    let with_own = |code| [vec![(AUSTRALIA, code)], others.to_vec()].concat();
    for own in [1, 2, 3, 4, -1] {
        check(&with_own(own), "Q1", [Some(3), Some(3), Some(2), Some(2)]);
    }
}

#[test]
fn a_country_without_others_takes_everybody() {
    check(&[(AUSTRALIA, 4), (BRAZIL, 2), (BRAZIL, 2)], "Q1", [Some(2); 4]);
    check(&[(AUSTRALIA, 4), (AUSTRALIA, -2), (BRAZIL, 2)], "Q1", [Some(2); 4]);
}

#[test]
fn nobody_else_predicts_nothing() {
    check(&[(AUSTRALIA, 4)], "Q1", [None; 4]);
    check(&[(AUSTRALIA, 4), (BRAZIL, -1), (BRAZIL, -5)], "Q1", [None; 4]);
}

#[test]
fn ties_go_to_the_answer_listed_first_and_the_median_is_the_lower_one() {
    check(
        &[(BRAZIL, 1), (BRAZIL, 4), (BRAZIL, 2), (BRAZIL, 3), (BRAZIL, 1)],
        "Q1",
        [Some(1), Some(2), Some(1), Some(2)],
    );
}

#[test]
fn the_median_follows_the_substantive_order() {
    // Q56 runs 2 (worse), 3 (the same), 1 (better).
    check(&[(BRAZIL, -1), (BRAZIL, 1), (BRAZIL, 2), (BRAZIL, 3)], "Q56", [Some(1), Some(3), Some(1), Some(3)]);
    // Q254's code 5 is not on its scale, and is its most frequent answer here.
    check(&[(BRAZIL, -1), (BRAZIL, 5), (BRAZIL, 5), (BRAZIL, 4)], "Q254", [Some(5), Some(4), Some(5), Some(4)]);
}

#[test]
fn questions_without_an_order_have_their_mode_for_a_median() {
    check(&[(BRAZIL, -1), (BRAZIL, 5), (BRAZIL, 5), (BRAZIL, 1)], "Q289", [Some(5); 4]);
}

#[test]
fn numbers_have_a_median_too() {
    check(&[(BRAZIL, 99), (BRAZIL, 18), (BRAZIL, 40), (BRAZIL, 30)], "Q262", [Some(18), Some(30), Some(18), Some(30)]);
}

#[test]
fn predictions_stand_beside_the_truth() {
    let (survey, codebook) = (survey(&[(BRAZIL, 1), (BRAZIL, 2)]), fixture::codebook());
    let baselines = Baselines::new(&survey, &codebook);
    let question = "Q1".parse().expect("a question");
    let found = baselines.predictions(Method::Mode, Respondent::from_index(0), &[question]);
    assert_eq!(found, [Prediction::without_model(question, Code(1), Some(Code(2)))]);
}

/// Mode and median of the others, counted the long way.
fn naive(answers: &[i32], scale: &[i32]) -> (Option<i32>, Option<i32>) {
    let count = |code: i32| answers.iter().filter(|&&answer| answer == code).count();
    let mode = (1..=4).filter(|&code| count(code) > 0).rev().max_by_key(|&code| count(code));
    let mut sorted: Vec<usize> = answers.iter().filter_map(|code| scale.iter().position(|s| s == code)).collect();
    sorted.sort_unstable();
    let median = sorted.len().checked_sub(1).map(|last| scale[sorted[last / 2]]);
    (mode, median)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn leaving_one_out_equals_counting_the_others(answers in prop::collection::vec((0..2_u8, -2..6), 1..30)) {
        let people: Vec<(Country, i32)> =
            answers.iter().map(|&(country, code)| (if country == 0 { AUSTRALIA } else { BRAZIL }, code)).collect();
        let (survey, codebook) = (survey(&people), fixture::codebook());
        let baselines = Baselines::new(&survey, &codebook);
        let question = "Q1".parse().expect("a question");
        for (at, &(country, _)) in people.iter().enumerate() {
            let others = people.iter().enumerate().filter(|&(other, _)| other != at).map(|(_, person)| person);
            let all: Vec<i32> = others.clone().map(|&(_, code)| code).collect();
            let of_country: Vec<i32> = others.filter(|person| person.0 == country).map(|&(_, code)| code).collect();
            let (mode, median) = naive(&all, &[1, 2, 3, 4]);
            let (mode_country, median_country) = naive(&of_country, &[1, 2, 3, 4]);
            let predict = |method| baselines.predict(method, Respondent::from_index(at), question).map(|code| code.0);
            prop_assert_eq!(predict(Method::Mode), mode);
            prop_assert_eq!(predict(Method::Median), median);
            prop_assert_eq!(predict(Method::ModeCountry), mode_country.or(mode));
            prop_assert_eq!(predict(Method::MedianCountry), median_country.or(median));
        }
    }
}
