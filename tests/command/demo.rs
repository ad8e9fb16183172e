//! The simulated demonstration: what it prints, which files it writes, and that repeating it makes no call.

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use serde_json::Value;

use crate::support::process::Running;
use crate::support::sandbox::{Sandbox, read};

/// A demonstration that is small enough for a test: six cells.
const SMALL: [&str; 7] = ["run", "--users", "3", "--synthetic", "200", "--folds", "1,2"];

/// Respondents x folds x questions that each of the first two folds asks.
const PREDICTIONS_PER_ARM: i64 = 3 * 2 * 54;

/// `valuesim`, `full-info`, and the five methods without a model.
const ARMS: i64 = 7;

#[test]
fn the_demonstration_prints_a_table_marked_simulated_and_the_paths_of_its_files() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&SMALL).expect_success();
    for expected in
        ["SIMULATED replies on a SYNTHETIC SURVEY", "valuesim / simulated SIMULATED", "full-info", "mode", "100.0%"]
    {
        assert!(output.stdout.contains(expected), "{expected} is not in\n{}", output.stdout);
    }
    assert!(output.stderr.contains("6 backstories, 324 predictions for each arm (648 in all)"), "{}", output.stderr);
    assert!(output.stderr.contains("6 of 6 cells"), "{}", output.stderr);
    let files = ["report.md", "results.json", "predictions.parquet", "ledger.redb", "experiment.toml"];
    for file in files {
        let file = sandbox.run_folder("runs").join(file);
        assert!(file.metadata().unwrap().len() > 0, "{}", file.display());
        let shown = file.strip_prefix(sandbox.path("")).unwrap().to_str().unwrap();
        assert!(output.stdout.contains(shown), "{shown} is not in\n{}", output.stdout);
    }
}

#[test]
fn the_files_of_a_run_agree_with_each_other() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&SMALL).expect_success();
    let folder = sandbox.run_folder("runs");
    let results: Value = serde_json::from_str(&read(&folder, "results.json")).unwrap();
    assert_eq!((&results["simulated"], &results["synthetic_survey"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!((&results["cells_planned"], &results["cells_finished"]), (&Value::from(6), &Value::from(6)));
    assert_eq!(results["arms"].as_array().unwrap().len(), usize::try_from(ARMS).unwrap());
    // `chance` is scored by what is expected of it, and predicts nothing.
    assert_eq!(prediction_rows(&folder.join("predictions.parquet")), PREDICTIONS_PER_ARM * (ARMS - 1));
    assert!(read(&folder, "report.md").contains("SIMULATED"));
    let overall = results["arms"].as_array().unwrap().iter().find(|arm| arm["arm"]["method"] == "valuesim").unwrap();
    let accuracy = overall["score"]["overall"]["per_person"]["accuracy"]["mean"].as_f64().unwrap();
    assert!(output.stdout.contains(&format!("{accuracy:.3}")), "{accuracy} is not in\n{}", output.stdout);
}

#[test]
fn repeating_the_command_prints_the_same_and_makes_no_call() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&SMALL).expect_success();
    let folder = sandbox.run_folder("runs");
    let files = || ["results.json", "report.md"].map(|file| read(&folder, file));
    let written = files();
    let second = sandbox.run(&SMALL).expect_success();
    assert_eq!(second.stdout, first.stdout);
    assert!(second.stderr.contains("without new calls"), "{}", second.stderr);
    assert_eq!(files(), written);
}

#[test]
fn events_are_json_lines_and_the_last_one_has_the_results() {
    let sandbox = Sandbox::new();
    let arguments = [&SMALL[..], &["--json"]].concat();
    let events = sandbox.run(&arguments).expect_success().events();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!((names[0], names[1], names[names.len() - 1]), ("planned", "progress", "finished"));
    let results: Value = serde_json::from_str(&read(&sandbox.run_folder("runs"), "results.json")).unwrap();
    assert_eq!(events[events.len() - 1]["results"], results);
    let again = sandbox.run(&arguments).expect_success().events();
    let names: Vec<_> = again.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["planned", "finished"], "a finished run reports no progress");
    assert_eq!(again[1]["results"], results);
}

#[test]
fn the_resolved_experiment_file_can_be_run_again() {
    let sandbox = Sandbox::new();
    let first = sandbox.run(&SMALL).expect_success();
    let resolved = sandbox.run_folder("runs").join("experiment.toml");
    let again = sandbox.run(&["run", resolved.to_str().unwrap()]).expect_success();
    assert_eq!(again.stdout, first.stdout);
}

fn prediction_rows(file: &std::path::Path) -> i64 {
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    reader.metadata().file_metadata().num_rows()
}

#[cfg(unix)]
#[test]
fn a_run_that_may_open_few_files_makes_fewer_calls_at_a_time_and_ends_well() {
    let sandbox = Sandbox::new();
    let mut limited = std::process::Command::new("sh");
    let run = ["run", "--users", "1", "--synthetic", "60", "--folds", "1", "--calls-in-flight", "500"];
    limited.args(["-c", "ulimit -n 96 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_valuesim")]).args(run);
    let output = Running::new(limited.env_clear().current_dir(sandbox.path(""))).wait().expect_success();
    let said = "96 open files (`ulimit -n`), which carry 24 calls in flight: that many are made in place of 500";
    assert!(output.stderr.contains(said), "{}", output.stderr);
}
