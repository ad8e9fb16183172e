//! What is computed from a small ledger equals what is counted from its predictions the long way.

use std::collections::{BTreeMap, BTreeSet};

use valuesim_shared::codebook::Codebook;
use valuesim_shared::experiment::{Experiment, Sample, Users};
use valuesim_shared::id::{Cell, Code, Country, QUESTIONS, QuestionId, Respondent};
use valuesim_shared::strata::{Allocation, Stratify};
use valuesim_shared::survey::SurveyBuilder;

use super::fixture::Run;
use super::*;
use crate::plan::Plan;
use crate::predictions::Batch;
use crate::results::{Comparison, Measure, Verdict};
use crate::score::Prediction;
use crate::statistics::Population;

/// Respondents of the survey, all of whom are asked.
const PEOPLE: usize = 40;

/// Questions that are not asked, because they have no options.
const OPEN_QUESTIONS: usize = 10;

impl Run {
    fn of_sample(people: usize, sample: Sample, lost: impl Fn(Cell) -> bool) -> Self {
        Self::of(Experiment { methods: vec![Method::ValueSim], sample, ..Experiment::default() }, people, lost)
    }

    /// All predictions by arm and person.
    fn predictions(&self) -> BTreeMap<(String, Respondent), Vec<Prediction>> {
        let mut all = Collected::default();
        self.evaluated().hand_over(&mut all).expect("hands over");
        all.0
    }
}

/// Predictions by arm and person, and how many of them are of scored cells by arm.
#[derive(Default)]
struct Collected(BTreeMap<(String, Respondent), Vec<Prediction>>, BTreeMap<String, u64>);

impl Sink for Collected {
    fn write(&mut self, batch: &Batch<'_>, predictions: &[Prediction]) -> Result<(), EvaluationError> {
        self.0.entry((batch.arm.to_string(), batch.respondent)).or_default().extend(predictions);
        let scored = if batch.is_scored { predictions.len() as u64 } else { 0 };
        *self.1.entry(batch.arm.to_string()).or_default() += scored;
        Ok(())
    }
}

fn arm<'r>(results: &'r Results, name: &str) -> &'r ArmResults {
    results.arms.iter().find(|arm| arm.arm.to_string() == name).expect("an arm of this name")
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

/// A person's accuracy: an answer that is no option is wrong, and a truth that is none does not count.
fn accuracy(codebook: &Codebook, predictions: &[Prediction]) -> f64 {
    let counts = |prediction: &&Prediction| codebook.question(prediction.question).has_option(prediction.truth);
    let counted: Vec<_> = predictions.iter().filter(counts).collect();
    counted.iter().filter(|prediction| prediction.answer == Some(prediction.truth)).count() as f64
        / counted.len() as f64
}

#[test]
fn scores_of_people_and_groups_equal_a_count_the_long_way() {
    let run = Run::new(PEOPLE, |_| false);
    let (results, predictions) = (run.results(), run.predictions());
    let of_arm = |name: &str, wanted: &dyn Fn(Respondent) -> bool| {
        let people = predictions.iter().filter(|((arm, respondent), _)| arm == name && wanted(*respondent));
        let scores: Vec<f64> = people.map(|(_, predictions)| accuracy(&run.codebook, predictions)).collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    };
    for name in ["valuesim / good", "valuesim / bad", "mode", "median-country"] {
        let found = arm(&results, name).score.overall.per_person.accuracy.expect("has people");
        assert_eq!(found.persons, PEOPLE as u64);
        close(found.mean, of_arm(name, &|_| true));
        let position = results.arms.iter().position(|arm| arm.arm.to_string() == name).expect("is there");
        let countries = results.breakdowns.iter().find(|by| by.column == "B_COUNTRY").expect("is there");
        assert_eq!(countries.groups.iter().map(|group| group.persons).sum::<u64>(), PEOPLE as u64);
        for group in &countries.groups {
            let code = if group.value == "AUS" { 36 } else { 76 };
            let expected = of_arm(name, &|respondent| run.survey.country(respondent) == Country(code));
            close(group.arms[position].accuracy.expect("has people").mean, expected);
            assert_eq!(group.few, group.persons < 15, "{}", group.label);
        }
    }
}

#[test]
fn a_stratified_sample_counts_each_country_by_its_people_in_the_file() {
    // Ten of each country, of which the file has 10 and 30 people.
    let (stratify, allocation) = (Some(Stratify::Country), Some(Allocation::Equal));
    let sample = Sample { users: Some(Users::Count(20)), stratify, allocation, ..Sample::default() };
    let run = Run::of_sample(PEOPLE, sample, |_| false);
    let (results, predictions) = (run.results(), run.predictions());
    let of_country = |name: &str, country: u16| {
        let wanted = |respondent| run.survey.country(respondent) == Country(country);
        let people = predictions.iter().filter(|((arm, respondent), _)| arm == name && wanted(*respondent));
        let scores: Vec<f64> = people.map(|(_, predictions)| accuracy(&run.codebook, predictions)).collect();
        assert_eq!(scores.len(), 10);
        scores.iter().sum::<f64>() / 10.0
    };
    assert_eq!(results.population, Population::Finite(40));
    let expected = |name| 0.25 * of_country(name, 36) + 0.75 * of_country(name, 76);
    let found = |name| arm(&results, name).score.overall.per_person.accuracy.expect("has people");
    for name in ["valuesim / good", "mode"] {
        close(found(name).mean, expected(name));
        assert_eq!(found(name).degrees(), 18);
        // One country was asked in full, so that only the other one is uncertain.
        assert!(found(name).standard_error.is_some_and(|error| error > 0.0));
    }
    let is_it = |one: &&Comparison| {
        let names = (one.arm.to_string(), one.against.to_string());
        names == ("valuesim / good".to_owned(), "mode".to_owned()) && one.measure == Measure::Accuracy
    };
    let difference = results.comparisons.iter().find(is_it).expect("compared").difference;
    close(difference, expected("valuesim / good") - expected("mode"));
}

#[test]
fn questions_are_counted_by_truth_and_prediction() {
    let run = Run::new(PEOPLE, |_| false);
    let (results, predictions) = (run.results(), run.predictions());
    let position = results.arms.iter().position(|arm| arm.arm.to_string() == "valuesim / good").expect("is there");
    for question in &results.questions {
        let found = &question.arms[position];
        let of_arm = predictions.iter().filter(|((arm, _), _)| arm == "valuesim / good");
        let of_question: Vec<&Prediction> =
            of_arm.flat_map(|(_, all)| all).filter(|prediction| prediction.question == question.question).collect();
        for (truth, row) in question.options.iter().zip(&found.confusion) {
            let counted: Vec<u64> = (question.options.iter())
                .map(|option| {
                    let is_it = |p: &&&Prediction| p.truth == truth.code && p.answer == Some(option.code);
                    of_question.iter().filter(is_it).count() as u64
                })
                .collect();
            assert_eq!(*row, counted, "{}", question.question);
        }
        let all = found.predicted.iter().sum::<u64>() + found.invalid;
        assert_eq!((all, found.counted), (found.counted, question.truth.iter().sum()), "{}", question.question);
        assert!(found.distance.is_none_or(|distance| (0.0..=1.0).contains(&distance)));
    }
    let summary = &arm(&results, "mode").distribution;
    assert!(summary.wasserstein > arm(&results, "valuesim / good").distribution.wasserstein, "{summary:?}");
    // The most frequent answer of the others is the same for all, or one of two where it is close.
    assert!(summary.questions_with_one_prediction > 0 && summary.variance_ratio < Some(0.5), "{summary:?}");
}

#[test]
fn all_arms_are_scored_over_the_cells_that_all_models_have_and_the_rest_is_counted() {
    let lost = |cell: Cell| {
        let (row, fold) = (cell.respondent.row(), cell.fold.number());
        // The second model lacks two folds of person 3 and all of person 5; the first one of person 7.
        match cell.model.0 {
            0 => row == 7 && fold == 1,
            _ => (row == 3 && fold <= 2) || row == 5,
        }
    };
    let run = Run::new(PEOPLE, lost);
    let results = run.results();
    let expected = Missing {
        planned: 200,
        scored: 192,
        persons_planned: 40,
        persons_scored: 39,
        persons_in_part: 2,
        models_without_cells: vec![],
        finished_and_not_scored: vec![("good".to_owned(), 7), ("bad".to_owned(), 1)],
    };
    assert_eq!(results.missing, expected);
    assert_eq!(results.cells_finished, 392);
    let counts: BTreeSet<_> =
        results.arms.iter().map(|arm| (arm.score.respondents, arm.score.overall.with_truth)).collect();
    assert_eq!(counts.len(), 1, "{counts:?}");
    let mut handed_over = Collected::default();
    run.evaluated().hand_over(&mut handed_over).expect("hands over");
    let of_arm = |(name, scored): (&String, &u64)| *scored == arm(&results, name).score.predictions;
    assert!(handed_over.1.iter().all(of_arm), "{:?}", handed_over.1);
}

#[test]
fn a_model_without_cells_has_no_arms_and_takes_nothing_from_the_others() {
    let results = Run::new(PEOPLE, |cell| cell.model.0 == 1).results();
    assert_eq!((results.missing.scored, results.missing.models_without_cells), (200, vec!["bad".to_owned()]));
    let names: Vec<String> = results.arms.iter().map(|arm| arm.arm.to_string()).collect();
    assert_eq!(names, ["chance", "mode", "median", "mode-country", "median-country", "valuesim / good"]);
}

#[test]
fn an_empty_ledger_has_no_scores() {
    let results = Run::new(PEOPLE, |_| true).results();
    assert_eq!((results.missing.scored, results.missing.persons_scored), (0, 0));
    assert!(results.questions.is_empty() && results.comparisons.is_empty());
    assert!(results.arms.iter().all(|arm| arm.score.overall.per_person.accuracy.is_none()));
}

/// The verdict overall on one arm against another.
fn verdict(results: &Results, names: (&str, &str), measure: Measure) -> Verdict {
    let is_it = |comparison: &&Comparison| {
        let named = (comparison.arm.to_string(), comparison.against.to_string());
        named == (names.0.to_owned(), names.1.to_owned()) && comparison.measure == measure
    };
    let found = results.comparisons.iter().filter(is_it).find(|comparison| comparison.category.is_none());
    found.expect("is compared").verdict
}

#[test]
fn every_arm_is_compared_with_each_baseline_and_with_the_other_arms() {
    // Those who are asked are some of all: everyone of a census is known, and needs no test.
    let mut run = Run::new(PEOPLE, |_| false);
    run.experiment.sample.users = Some(Users::Count(30));
    run.plan = Plan::new(&run.experiment, &run.survey, &run.codebook).expect("a plan");
    let results = run.results();
    for measure in Measure::ALL {
        let check = |names, expected| assert_eq!(verdict(&results, names, measure), expected, "{names:?}");
        check(("valuesim / good", "chance"), Verdict::Better);
        check(("valuesim / good", "mode"), Verdict::Better);
        check(("valuesim / good", "valuesim / bad"), Verdict::Better);
    }
    let [accuracy, mae] = Measure::ALL
        .map(|measure| results.comparisons.iter().filter(|comparison| comparison.measure == measure).count());
    // Two arms with five baselines and one pair of arms; in nine categories and overall.
    assert_eq!((accuracy, mae), (11 * 10, 11 * 10));
    assert_eq!(results.power.len(), 4);
    assert!(results.power.iter().all(|power| power.detectable_difference > 0.0 && power.persons == 30));
}

#[test]
fn below_ten_people_there_is_no_verdict() {
    let mut run = Run::new(PEOPLE, |_| false);
    run.experiment.sample.users = Some(Users::Count(9));
    run.plan = Plan::new(&run.experiment, &run.survey, &run.codebook).expect("a plan");
    let results = run.results();
    assert!(results.comparisons.iter().all(|comparison| comparison.verdict == Verdict::TooFewPeople));
}

#[test]
fn people_are_listed_from_both_ends_and_all_are_in_the_histogram() {
    let results = Run::new(PEOPLE, |_| false).results();
    let people = &results.people[0];
    assert_eq!(people.accuracy_histogram.iter().sum::<u64>(), PEOPLE as u64);
    assert!(people.best.is_sorted_by(|one, other| one.accuracy >= other.accuracy));
    assert!(people.worst.is_sorted_by(|one, other| one.accuracy <= other.accuracy));
    assert!(people.best[0].accuracy > people.worst[0].accuracy);
    assert_eq!(people.best[0].about[0].0, "country");
}

#[test]
fn a_census_is_calibrated_and_modules_that_agree_are_counted() {
    let results = Run::new(PEOPLE, |_| false).results();
    assert!(results.calibration.iter().all(|column| column.distance == 0.0));
    let agreement = &results.modules[0].agreement;
    assert!(agreement.all_equal > 0 && agreement.none_valid > 0 && agreement.two_equal == 0, "{agreement:?}");
    assert_eq!(agreement.all_equal + agreement.none_valid, (PEOPLE * (QUESTIONS - OPEN_QUESTIONS)) as u64);
}

#[test]
fn copies_of_a_person_and_few_people_of_a_country_are_said() {
    let mut run = Run::new(PEOPLE, |_| false);
    let mut builder = SurveyBuilder::new();
    for person in 0..PEOPLE {
        let original = Respondent::from_index(if person == 9 { 8 } else { person });
        let codes: Vec<Code> = QuestionId::all().map(|id| run.survey.code(original, id)).collect();
        builder.push(Country(76), codes.as_slice().try_into().expect("all questions"));
    }
    run.survey = builder.finish("synthetic");
    let notes = run.results().notes.join("\n");
    assert!(notes.contains("2 people of the file gave the same answers to all questions"), "{notes}");
    assert!(!notes.contains("rest on few people"), "{notes}");
    let notes = Run::new(12, |_| false).results().notes.join("\n");
    assert!(notes.contains("2 countries have fewer than 30 people in the file"), "{notes}");
    assert!(!notes.contains("the same answers"), "{notes}");
}

#[test]
fn scoring_stops_when_it_is_told_to() {
    let stop = CancellationToken::new();
    stop.cancel();
    let run = Run::new(2, |_| false);
    let error = run.evaluated().score(&stop).expect_err("was stopped");
    assert!(error.is_interruption(), "{error}");
}
