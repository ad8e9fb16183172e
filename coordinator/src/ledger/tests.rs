//! The ledger keeps what it records, and refuses files that are not its own.

use std::path::PathBuf;

use valuesim_shared::id::RunId;

use super::*;
use valuesim_shared::outcome::{OUTCOME_VERSION, StageSpend};
use valuesim_shared::stage::Stage;

fn run() -> RunId {
    RunId("r1".to_owned())
}

fn outcome(row: u32, fold: u8, sent: u64) -> CellOutcome {
    let respondent = Respondent::new(row).expect("not 0");
    let fold = Fold::new(fold).expect("not 0");
    let stages = [(Stage::STORY, StageSpend { sent, ..StageSpend::default() })].into();
    CellOutcome {
        version: OUTCOME_VERSION,
        run: run(),
        cell: Cell { model: ModelId(0), respondent, fold },
        result: CellResult {
            story: None,
            scaled_stories: Vec::new(),
            modules: vec![],
            arms: vec![],
            rejections: vec![],
        },
        spend: CellSpend { stages, reported_models: vec![], ..CellSpend::default() },
        transcript: None,
    }
}

fn new_ledger() -> (tempfile::TempDir, PathBuf, Ledger) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("ledger.redb");
    let ledger = Ledger::open(&path, &run()).expect("opens");
    (folder, path, ledger)
}

#[test]
fn cells_are_kept_in_order_and_over_a_reopening() {
    let (_folder, path, ledger) = new_ledger();
    ledger.record(&[outcome(7, 2, 1), outcome(7, 1, 1), outcome(3, 5, 1)]).expect("writes");
    drop(ledger);
    let ledger = Ledger::open(&path, &run()).expect("opens again");
    let cells: Vec<_> = ledger.finished().expect("reads").collect::<Result<_, _>>().expect("sound");
    let expected = [outcome(3, 5, 1), outcome(7, 1, 1), outcome(7, 2, 1)].map(|outcome| outcome.cell);
    assert_eq!(cells, expected);
}

#[test]
fn a_cell_that_comes_twice_is_counted_once_and_the_first_stays() {
    let (_folder, _path, ledger) = new_ledger();
    assert_eq!(ledger.record(&[outcome(1, 1, 1)]).expect("writes").len(), 1);
    assert_eq!(ledger.record(&[outcome(1, 1, 9), outcome(1, 2, 1)]).expect("writes"), [outcome(1, 2, 1).cell]);
    let sent: Vec<_> = ledger.spend(ModelId(0)).expect("reads").map(|row| row.expect("sound").1.total().sent).collect();
    assert_eq!(sent, [1, 1]);
}

#[test]
fn what_was_said_is_kept_with_its_cell_where_there_is_something() {
    let (_folder, _path, ledger) = new_ledger();
    let transcript = Transcript::of([]);
    let with = CellOutcome { transcript: Some(transcript.clone()), ..outcome(1, 1, 1) };
    ledger.record(&[with.clone(), outcome(1, 2, 1)]).expect("writes");
    assert_eq!(ledger.transcript(with.cell).expect("reads"), Some(transcript));
    assert_eq!(ledger.transcript(outcome(1, 2, 1).cell).expect("reads"), None);
}

#[test]
fn the_cells_of_one_respondent_are_found() {
    let (_folder, _path, ledger) = new_ledger();
    ledger.record(&[outcome(6, 1, 1), outcome(7, 2, 1), outcome(7, 1, 1), outcome(8, 1, 1)]).expect("writes");
    let found = ledger.results_of(ModelId(0), outcome(7, 1, 1).cell.respondent).expect("reads");
    let folds: Vec<u8> = found.map(|row| row.expect("sound").0.fold.number()).collect();
    assert_eq!(folds, [1, 2]);
}

#[test]
fn models_are_apart() {
    let (_folder, _path, ledger) = new_ledger();
    ledger.record(&[outcome(1, 1, 1)]).expect("writes");
    assert_eq!(ledger.results(ModelId(0)).expect("reads").count(), 1);
    assert_eq!(ledger.results(ModelId(1)).expect("reads").count(), 0);
}

#[test]
fn the_ledger_of_another_run_is_refused_and_left_alone() {
    let (_folder, path, ledger) = new_ledger();
    ledger.record(&[outcome(1, 1, 1)]).expect("writes");
    drop(ledger);
    let other = Ledger::open(&path, &RunId("r2".to_owned()));
    assert!(matches!(other, Err(LedgerError::OtherRun { .. })), "{other:?}");
    let ledger = Ledger::open(&path, &run()).expect("still its own");
    assert_eq!(ledger.finished().expect("reads").count(), 1);
}

#[test]
fn the_ledger_of_another_release_is_refused() {
    let (_folder, path, ledger) = new_ledger();
    let transaction = ledger.database.begin_write().expect("writes");
    transaction.open_table(ABOUT).expect("table").insert("version", "99").expect("writes");
    transaction.commit().expect("writes");
    drop(ledger);
    assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::Version { found, .. }) if found == "99"));
}

#[test]
fn a_file_that_is_no_ledger_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("ledger.redb");
    std::fs::write(&path, "my thesis").expect("writes");
    assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::Corrupt { .. })));
    assert_eq!(std::fs::read(&path).expect("reads"), b"my thesis");
}

#[test]
fn a_second_opening_is_refused() {
    let (_folder, path, _ledger) = new_ledger();
    assert!(matches!(Ledger::open(&path, &run()), Err(LedgerError::InUse(_))));
}

fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

fn record_on(ledger: &Ledger, outcomes: &[CellOutcome], today: &str) {
    ledger.insert(outcomes, day(today)).expect("writes");
}

fn dates_of(ledger: &Ledger) -> Option<(String, String)> {
    let dates = ledger.call_dates().expect("reads")?;
    Some((dates.first.to_string(), dates.last.to_string()))
}

#[test]
fn dates_begin_with_the_first_cell_and_end_with_the_last_new_one() {
    let (_folder, _path, ledger) = new_ledger();
    assert_eq!(dates_of(&ledger), None);
    record_on(&ledger, &[outcome(1, 1, 1)], "2026-11-27");
    record_on(&ledger, &[outcome(2, 1, 1)], "2026-12-03");
    record_on(&ledger, &[outcome(3, 1, 1)], "2026-12-01");
    record_on(&ledger, &[outcome(3, 1, 1)], "2027-01-01");
    assert_eq!(dates_of(&ledger), Some(("2026-11-27".to_owned(), "2026-12-03".to_owned())));
}

#[test]
fn dates_stay_unknown_in_a_ledger_whose_first_cells_have_none() {
    let (_folder, _path, ledger) = new_ledger();
    record_on(&ledger, &[outcome(1, 1, 1)], "2026-11-27");
    let transaction = ledger.database.begin_write().expect("begins");
    for key in [dates::FIRST, dates::LAST] {
        transaction.open_table(ABOUT).expect("is there").remove(key).expect("removes");
    }
    transaction.commit().expect("commits");
    record_on(&ledger, &[outcome(2, 1, 1)], "2026-12-03");
    assert_eq!(dates_of(&ledger), None);
}

#[test]
fn a_reopened_cell_is_open_and_its_rows_are_kept_aside() {
    let (_folder, path, ledger) = new_ledger();
    let with = CellOutcome { transcript: Some(Transcript::of([])), ..outcome(1, 1, 1) };
    ledger.record(&[with, outcome(1, 2, 1)]).expect("writes");
    let (first, never) = (outcome(1, 1, 1).cell, outcome(9, 1, 1).cell);
    assert_eq!(ledger.reopen(&[first, never, first]).expect("writes"), [first]);
    assert_eq!(ledger.rows_set_aside().expect("reads"), 3);
    drop(ledger);
    let ledger = Ledger::open(&path, &run()).expect("opens again");
    let open: Vec<_> = ledger.finished().expect("reads").collect::<Result<_, _>>().expect("sound");
    assert_eq!(open, [outcome(1, 2, 1).cell]);
    assert_eq!(ledger.transcripts().expect("reads"), 0);
    assert_eq!(ledger.record(&[outcome(1, 1, 7)]).expect("writes"), [first]);
    assert_eq!(ledger.reopen(&[first]).expect("writes"), [first], "it may be reopened again");
    assert_eq!(ledger.rows_set_aside().expect("reads"), 5);
}
