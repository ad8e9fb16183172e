//! The ledger depends on the experiment and the simulator's seed, never on the order of the calls.

use crate::support::ledger;
use crate::support::sandbox::Sandbox;

fn cells(sandbox: &Sandbox, runs: &str, more: &[&str]) -> Vec<((u16, u32, u8), String)> {
    let arguments = ["run", "--users", "3", "--synthetic", "200", "--folds", "1,2", "--runs", runs];
    sandbox.run(&[&arguments, more].concat()).expect_success();
    ledger::cells(&sandbox.run_folder(runs))
}

#[test]
fn the_ledger_is_the_same_row_for_row_with_1_and_with_64_calls_in_flight() {
    let sandbox = Sandbox::new();
    let one = cells(&sandbox, "one", &["--calls-in-flight", "1"]);
    let many = cells(&sandbox, "many", &["--calls-in-flight", "64"]);
    assert_eq!(one.len(), 6);
    assert_eq!(one, many);
    assert_eq!(sandbox.run_folder("one").file_name(), sandbox.run_folder("many").file_name(), "both are the same run");
}

#[test]
fn a_survey_read_from_a_file_gives_the_same_rows_as_the_one_in_memory() {
    let sandbox = Sandbox::new();
    sandbox.run(&["synth", "survey.csv", "--respondents", "200"]).expect_success();
    let sample = ["run", "--users", "3", "--folds", "1,2", "--simulate", "--model", "simulated"];
    let read = sandbox.run(&[&sample[..], &["--survey", "survey.csv", "--runs", "read"]].concat()).expect_success();
    assert!(read.stdout.contains("SIMULATED replies on a SYNTHETIC SURVEY"), "{}", read.stdout);
    assert_eq!(ledger::cells(&sandbox.run_folder("read")), cells(&sandbox, "in-memory", &[]));
}

#[test]
fn another_simulator_seed_gives_other_rows() {
    let sandbox = Sandbox::new();
    let zero = cells(&sandbox, "zero", &[]);
    let one = cells(&sandbox, "one", &["--simulator-seed", "1"]);
    assert_eq!(zero.iter().map(|row| row.0).collect::<Vec<_>>(), one.iter().map(|row| row.0).collect::<Vec<_>>());
    assert!(zero.iter().zip(&one).all(|(zero, one)| zero.1 != one.1));
}
