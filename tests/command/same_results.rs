//! The ledger follows from the experiment and the simulator's seed, never from the order of the calls.

use crate::support::ledger;
use crate::support::place::Place;

fn cells(place: &Place, runs: &str, more: &[&str]) -> Vec<((u16, u32, u8), String)> {
    let arguments = ["run", "--users", "3", "--synthetic", "200", "--folds", "1,2", "--runs", runs];
    place.run(&[&arguments, more].concat()).well();
    ledger::cells(&place.run_folder(runs))
}

#[test]
fn the_ledger_is_the_same_row_for_row_with_1_and_with_64_calls_in_flight() {
    let place = Place::new();
    let one = cells(&place, "one", &["--calls-in-flight", "1"]);
    let many = cells(&place, "many", &["--calls-in-flight", "64"]);
    assert_eq!(one.len(), 6);
    assert_eq!(one, many);
    assert_eq!(place.run_folder("one").file_name(), place.run_folder("many").file_name(), "it is one and the same run");
}

#[test]
fn a_survey_that_was_written_and_read_again_gives_the_same_rows_as_the_one_in_memory() {
    let place = Place::new();
    place.run(&["synth", "survey.csv", "--respondents", "200"]).well();
    let sample = ["run", "--users", "3", "--folds", "1,2", "--simulate", "--model", "simulated"];
    let read = place.run(&[&sample[..], &["--survey", "survey.csv", "--runs", "read"]].concat()).well();
    assert!(read.stdout.contains("SIMULATED replies on a SYNTHETIC SURVEY"), "{}", read.stdout);
    assert_eq!(ledger::cells(&place.run_folder("read")), cells(&place, "in-memory", &[]));
}

#[test]
fn another_seed_of_the_simulator_gives_other_rows() {
    let place = Place::new();
    let zero = cells(&place, "zero", &[]);
    let one = cells(&place, "one", &["--simulator-seed", "1"]);
    assert_eq!(zero.iter().map(|row| row.0).collect::<Vec<_>>(), one.iter().map(|row| row.0).collect::<Vec<_>>());
    assert!(zero.iter().zip(&one).all(|(zero, one)| zero.1 != one.1));
}
