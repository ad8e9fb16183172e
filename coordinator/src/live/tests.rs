//! Scores as they come equal the tables of an evaluation of the same cells, whatever the order in which the cells come.

use proptest::prelude::*;
use valuesim_shared::control::{ArmScores, MeanOverPeople, ScoreSoFar};
use valuesim_shared::experiment::Users;
use valuesim_shared::id::{Fold, ModelId, Respondent};
use valuesim_shared::method::{Behaviour, Method};

use super::*;
use crate::evaluation::fixture::Run;
use crate::results::{ArmResults, Measure, Results, Score};
use crate::statistics::Estimate;

const PEOPLE: usize = 12;

/// Five arms' worth of methods and models, and the baselines.
fn run(behaviour: Behaviour, users: Users, lost: impl Fn(Cell) -> bool) -> Run {
    let methods = vec![Method::ValueSim, Method::FullInfo, Method::NoCab];
    let mut experiment = Experiment { methods, behaviour, ..Experiment::default() };
    experiment.sample.users = Some(users);
    Run::of(experiment, PEOPLE, lost)
}

fn check_mean(found: Option<&MeanOverPeople>, expected: Option<Estimate>) {
    let (Some(found), Some(expected)) = (found, expected) else {
        assert_eq!((found, expected), (None, None));
        return;
    };
    let close = |one: f64, other: f64| (one - other).abs() <= 1e-12 * other.abs().max(1.0);
    assert_eq!(found.persons, expected.persons);
    assert!(close(found.mean, expected.mean), "{found:?} is not {expected:?}");
    let errors = found.standard_error.zip(expected.standard_error);
    assert!(errors.is_none_or(|(one, other)| close(one, other)), "{found:?} is not {expected:?}");
    assert_eq!(found.standard_error.is_some(), expected.standard_error.is_some());
    let interval = expected.uncertainty.interval();
    assert_eq!(found.interval.is_some(), interval.is_some(), "{found:?} is not {expected:?}");
    let ends = found.interval.zip(interval);
    let ends_are_close = |(found, expected): ([f64; 2], crate::statistics::Interval)| {
        close(found[0], expected.lower) && close(found[1], expected.upper)
    };
    assert!(ends.is_none_or(ends_are_close), "{found:?} is not {expected:?}");
    assert_eq!(found.no_interval, expected.uncertainty.reason().map(|reason| reason.to_string()));
}

fn check_score(found: &ScoreSoFar, expected: &Score) {
    assert_eq!(found.answers, expected.counted);
    check_mean(found.accuracy.as_ref(), expected.headline(Measure::Accuracy));
    check_mean(found.mae.as_ref(), expected.headline(Measure::Mae));
}

fn check_arm(found: &ArmScores, ArmResults { arm, score, .. }: &ArmResults) {
    assert_eq!((found.method, &found.model), (arm.method, &arm.model));
    check_score(&found.overall, &score.overall);
    assert_eq!(found.categories.keys().collect::<Vec<_>>(), score.categories.keys().collect::<Vec<_>>());
    for (category, score) in &score.categories {
        check_score(&found.categories[category], score);
    }
}

fn check(found: &RunScores, expected: &Results) {
    let missing = &expected.missing;
    assert_eq!((found.cells.scored, found.cells.planned), (missing.scored, missing.planned));
    let persons = (missing.persons_scored, missing.persons_planned, missing.persons_in_part);
    assert_eq!((found.persons.scored, found.persons.planned, found.persons_in_part), persons);
    assert_eq!(found.arms.len(), expected.arms.len());
    found.arms.iter().zip(&expected.arms).for_each(|(found, expected)| check_arm(found, expected));
}

fn tracked(run: &Run, parts: &[Vec<Cell>]) -> RunScores {
    let mut tracker = Tracker::new(run.evaluated());
    for part in parts {
        tracker.add(&part.iter().copied().collect(), &|| false).expect("reads the ledger");
    }
    tracker.scores()
}

fn cell(model: u16, row: u32, fold: u8) -> Cell {
    let respondent = Respondent::new(row).expect("not 0");
    Cell { model: ModelId(model), respondent, fold: Fold::new(fold).expect("not 0") }
}

/// The first model lacks a fold of one person, the second two folds of one and all of another.
fn is_dead(cell: Cell) -> bool {
    let (row, fold) = (cell.respondent.row(), cell.fold.number());
    match cell.model.0 {
        0 => row == 7 && fold == 1,
        _ => (row == 3 && fold <= 2) || row == 5,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]
    #[test]
    fn the_order_in_which_cells_come_does_not_matter(
        paper: bool, everyone: bool, keys in prop::collection::vec(any::<u64>(), PEOPLE * 10), at_once in 1_usize..40,
        left_out in 0_usize..60,
    ) {
        let behaviour = if paper { Behaviour::Paper } else { Behaviour::Corrected };
        let users = if everyone { Users::All } else { Users::Count(9) };
        let run = run(behaviour, users, |_| true);
        let mut cells = run.cells();
        cells.retain(|&cell| !is_dead(cell));
        let mut keys = keys.into_iter();
        cells.sort_by_cached_key(|_| keys.next());
        cells.truncate(cells.len() - left_out);
        run.record(&cells);
        let mut parts: Vec<Vec<Cell>> = cells.chunks(at_once).map(<[Cell]>::to_vec).collect();
        // A cell that is told of twice is counted once.
        parts.push(cells[..5].to_vec());
        check(&tracked(&run, &parts), &run.results());
    }
}

#[test]
fn scores_equal_the_final_table_with_dead_cells_and_at_every_step() {
    let run = run(Behaviour::Corrected, Users::Count(9), |_| true);
    let mut tracker = Tracker::new(run.evaluated());
    check(&tracker.scores(), &run.results());
    let cells: Vec<Cell> = run.cells().into_iter().filter(|&cell| !is_dead(cell)).collect();
    // Model by model, so that the second one's first cell changes what all are scored over.
    for part in cells.chunks(23) {
        run.record(part);
        tracker.add(&part.iter().copied().collect(), &|| false).expect("reads the ledger");
        check(&tracker.scores(), &run.results());
    }
    assert!(tracker.scores().persons_in_part > 0, "some folds are dead");
}

#[test]
fn a_model_whose_cells_are_all_dead_takes_nothing_from_the_others() {
    let run = run(Behaviour::Corrected, Users::All, |cell| cell.model.0 == 1);
    let cells: Vec<Cell> = run.cells().into_iter().filter(|cell| cell.model.0 == 0).collect();
    let scores = tracked(&run, &[cells]);
    assert_eq!((scores.cells.scored, scores.arms.len()), (60, 5 + 3));
    check(&scores, &run.results());
}

#[test]
fn a_person_has_the_score_of_the_finished_folds_until_the_others_are_finished() {
    let lost = |cell: Cell| cell.respondent.row() != 1;
    let run = run(Behaviour::Corrected, Users::All, lost);
    let both = |folds: &[u8]| folds.iter().flat_map(|&fold| [cell(0, 1, fold), cell(1, 1, fold)]).collect::<Vec<_>>();
    let accuracy = |parts: &[Vec<Cell>]| {
        let scores = tracked(&run, parts);
        let arm = scores.arms.last().expect("an arm");
        (arm.overall.answers, arm.overall.accuracy.clone().expect("a person").mean)
    };
    let (of_two, of_all) = (accuracy(&[both(&[1, 2])]), accuracy(&[both(&[1, 2, 3, 4, 5])]));
    assert!(of_two.0 < of_all.0 && (of_two.1 - of_all.1).abs() > 1e-9, "{of_two:?} {of_all:?}");
    assert_eq!(accuracy(&[both(&[2, 1]), both(&[5, 3]), both(&[4])]), of_all);
}

#[tokio::test]
async fn the_thread_begins_with_the_ledger_and_ends_with_all_that_is_recorded() {
    let is_late = |cell: Cell| cell.respondent.row() > 6;
    let run = run(Behaviour::Corrected, Users::All, is_late);
    let results_of_all = {
        let all = self::run(Behaviour::Corrected, Users::All, |_| false);
        all.results()
    };
    let late: Vec<Cell> = run.cells().into_iter().filter(|&cell| is_late(cell)).collect();
    let Run { id, experiment, survey, codebook, plan, ledger, _folder } = run;
    let (survey, codebook, plan, ledger) = (Arc::new(survey), Arc::new(codebook), Arc::new(plan), Arc::new(ledger));
    let scored = ScoredRun { run: id, experiment, plan, survey, codebook, ledger: Arc::clone(&ledger) };
    let live = LiveScores::start(scored.clone());
    let source = self::run(Behaviour::Corrected, Users::All, |_| true);
    ledger.record(&late.iter().map(|&cell| source.outcome(cell)).collect::<Vec<_>>()).expect("writes");
    live.recorded(&late);
    live.finish().await;
    check(&live.latest().expect("scores"), &results_of_all);
    // A new process starts from the ledger alone.
    let again = LiveScores::start(scored);
    again.finish().await;
    check(&again.latest().expect("scores"), &results_of_all);
}

#[test]
fn scoring_stops_when_it_is_told_to() {
    let run = run(Behaviour::Corrected, Users::All, |_| false);
    let cells = run.cells().into_iter().collect();
    let error = Tracker::new(run.evaluated()).add(&cells, &|| true).expect_err("was stopped");
    assert!(error.is_interruption(), "{error}");
}
