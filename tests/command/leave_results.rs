//! Ctrl-C and SIGTERM interrupt the writing of results and leave no partial file.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::process::Running;
use crate::support::sandbox::Sandbox;

/// A run of one cell.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];

/// Puts a named pipe where the predictions file is written, so that writing blocks until the pipe is read.
fn block_predictions_file(folder: &Path) -> std::path::PathBuf {
    let pipe = folder.join("predictions.parquet.unfinished");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

#[track_caller]
fn check(signal: fn(&Running)) {
    let sandbox = Sandbox::new();
    sandbox.run(&RUN).expect_success();
    let folder = sandbox.run_folder("runs");
    let result_files = ["predictions.parquet", "people.parquet", "scores.parquet", "results.json", "report.md"];
    for file in result_files {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let pipe = block_predictions_file(&folder);
    let mut running = sandbox.start(&RUN);
    running.wait_for("already finished");
    signal(&running);
    running.wait_for("stopping: press Ctrl-C again to exit at once");
    let reading = fs::File::open(pipe).unwrap();
    let output = running.wait().expect_code(130);
    drop(reading);
    assert!(output.stderr.contains("the same command writes the results"), "{}", output.stderr);
    assert_eq!(output.stdout, "");
    let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["control", "experiment.toml", "ledger.redb", "run.lock"]);

    sandbox.run(&RUN).expect_success();
    assert!(result_files.iter().all(|file| folder.join(file).is_file()));
}

#[test]
fn ctrl_c_interrupts_the_writing_of_results() {
    check(Running::interrupt);
}

#[test]
fn sigterm_interrupts_the_writing_of_results() {
    check(Running::terminate);
}
