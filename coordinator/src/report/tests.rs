//! What a run's files say about its results.

use valuesim_shared::model::ModelSettings;
use valuesim_shared::outcome::{CellSpend, StageSpend};
use valuesim_shared::stage::Stage;

use super::*;
use crate::fixture;
use crate::results::{ModelSpend, ResultsError};

#[test]
fn the_report() {
    insta::assert_snapshot!(markdown(&fixture::results("gpt-3.5-turbo")));
}

#[test]
fn what_is_simulated_synthetic_or_unfinished_is_said_at_the_top() {
    let results =
        Results { simulated: true, synthetic_survey: true, cells_finished: 7, ..fixture::results("simulated") };
    let report = markdown(&results);
    let top: Vec<&str> = report.lines().take(6).collect();
    let top = top.join("\n");
    for expected in ["SIMULATED replies", "SYNTHETIC SURVEY", "UNFINISHED: 7 of 20 cells"] {
        assert!(top.contains(expected), "{top}");
    }
    assert!(report.contains("| valuesim / simulated SIMULATED |"), "{report}");
}

#[test]
fn cells_that_were_given_up_are_said_at_the_top_and_are_not_unfinished() {
    let results = Results { cells_finished: 18, cells_dead: 2, ..fixture::results("m") };
    let report = markdown(&results);
    assert!(report.contains("**FINISHED WITH 2 DEAD CELLS: "), "{report}");
    assert!(report.contains("`valuesim dead list demo-0123456789ab`") && !report.contains("UNFINISHED"), "{report}");
    assert_eq!(Results::from_json(&results.to_json()).expect("reads"), results);
}

#[test]
fn a_bar_in_a_name_does_not_break_a_table() {
    let report = markdown(&fixture::results("a|b"));
    assert!(report.contains("| valuesim / a\\|b |"), "{report}");
}

#[test]
fn results_json() {
    let mut results = fixture::results("gpt-3.5-turbo");
    results.arms.truncate(1);
    insta::assert_snapshot!(results.to_json());
}

#[test]
fn results_read_back_what_they_write() {
    let results = fixture::results("gpt-3.5-turbo");
    assert_eq!(Results::from_json(&results.to_json()).expect("reads"), results);
}

#[test]
fn results_of_another_version_are_refused_whatever_they_hold() {
    let error = Results::from_json(r#"{"version": 99, "new": true}"#).expect_err("refused");
    assert!(matches!(error, ResultsError::Version(99)), "{error}");
}

#[test]
fn both_files_are_written_and_nothing_else() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let results = fixture::results("mine");
    write(folder.path(), &results).expect("writes");
    write(folder.path(), &results).expect("writes over it");
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("is there");
    assert_eq!(read(RESULTS_FILE), results.to_json());
    assert_eq!(read(REPORT_FILE), markdown(&results));
    assert_eq!(std::fs::read_dir(folder.path()).expect("is there").count(), 2);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let error = write(Path::new("/nowhere"), &fixture::results("mine")).expect_err("cannot");
    assert!(error.to_string().starts_with("write /nowhere/results.json"), "{error}");
}

#[test]
fn what_a_model_without_a_price_costs_is_unknown_and_so_is_the_sum() {
    let spend = CellSpend {
        stages: [(Stage::STORY, StageSpend { sent: 5, answered: 5, ..StageSpend::default() })].into(),
        reported_models: vec![],
        ..CellSpend::default()
    };
    let mut results = fixture::results("gpt-3.5-turbo");
    results.spend.push(ModelSpend::new(&ModelSettings::named("mine"), &spend));
    let report = markdown(&results);
    let spend_of = |model: &str| {
        let start = format!("| {model} | ");
        report.lines().filter(|line| line.starts_with(&start)).map(|line| line.contains("| $")).collect::<Vec<_>>()
    };
    assert_eq!(spend_of("gpt-3.5-turbo"), [true, true], "{report}");
    assert_eq!(spend_of("mine"), [false], "{report}");
    assert_eq!(spend_of("all"), [false], "{report}");
}
