//! Ctrl-C and SIGTERM are heard while results are written, and leave no half of a file.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::place::Place;
use crate::support::process::Running;

/// A run of one cell.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--users", "1", "--folds", "1"];

/// Stands where the predictions file is written, so that writing it waits until somebody reads.
fn put_a_pipe(folder: &Path) -> std::path::PathBuf {
    let pipe = folder.join("predictions.parquet.unfinished");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    pipe
}

#[track_caller]
fn check(signal: fn(&Running)) {
    let place = Place::new();
    place.run(&RUN).well();
    let folder = place.run_folder("runs");
    let written = ["predictions.parquet", "results.json", "report.md"];
    for file in written {
        fs::remove_file(folder.join(file)).unwrap();
    }
    let pipe = put_a_pipe(&folder);
    let mut running = place.start(&RUN);
    running.wait_for("already finished");
    signal(&running);
    running.wait_for("stopping: press Ctrl-C again to exit at once");
    let reading = fs::File::open(pipe).unwrap();
    let ended = running.end().with_code(130);
    drop(reading);
    assert!(ended.stderr.contains("the same command writes the results"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort_unstable();
    assert_eq!(left, ["experiment.toml", "ledger.redb", "run.lock"]);

    place.run(&RUN).well();
    assert!(written.iter().all(|file| folder.join(file).is_file()));
}

#[test]
fn an_interrupt_is_heard_while_results_are_written() {
    check(Running::interrupt);
}

#[test]
fn a_termination_is_heard_while_results_are_written() {
    check(Running::terminate);
}
