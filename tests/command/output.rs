//! Printing never panics: a reader that leaves early is not a failure, and a full disk is an error with a reason.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::support::place::Place;

/// Arguments for a run of one cell, to which each test adds its own.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--respondents", "7", "--folds", "1"];

/// Where a stream of the command goes.
#[derive(Clone, Copy, Debug)]
enum Sink {
    /// A pipe whose reader has gone away, as `head` does.
    ClosedPipe,
    /// A device on which every write fails for want of space.
    Full,
}

impl Sink {
    fn open(self) -> Stdio {
        match self {
            Self::ClosedPipe => {
                let (reader, writer) = std::io::pipe().unwrap();
                drop(reader);
                writer.into()
            }
            Self::Full => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
        }
    }
}

/// The exit code, and what is on standard error.
fn with_stdout(mut command: Command, sink: Sink) -> (Option<i32>, String) {
    let ended = command.stdin(Stdio::null()).stdout(sink.open()).stderr(Stdio::piped()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[track_caller]
fn check(place: &Place, arguments: &[&str]) {
    let (code, stderr) = with_stdout(place.command(arguments), Sink::ClosedPipe);
    assert_eq!(code, Some(0), "{arguments:?} into a closed pipe: {stderr}");
    assert!(!stderr.contains("error"), "{arguments:?} into a closed pipe: {stderr}");
    let (code, stderr) = with_stdout(place.command(arguments), Sink::Full);
    assert_eq!(code, Some(1), "{arguments:?} onto a full disk: {stderr}");
    assert!(stderr.contains("No space left on device"), "{arguments:?} onto a full disk: {stderr}");
    for sink in [Sink::ClosedPipe, Sink::Full] {
        let mut command = place.command(arguments);
        let ended = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(sink.open()).output().unwrap();
        assert_eq!(ended.status.code(), Some(0), "{arguments:?} with standard error into {sink:?}");
        assert!(!ended.stdout.is_empty(), "{arguments:?} with standard error into {sink:?}");
    }
}

#[test]
fn commands_on_a_finished_run_end_quietly_when_nobody_reads_them() {
    let place = Place::new();
    place.run(&RUN).well();
    let folder = place.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    check(&place, &RUN);
    check(&place, &[&RUN[..], &["--json"]].concat());
    check(&place, &[&RUN[..], &["--dry-run"]].concat());
    check(&place, &[&RUN[..], &["--dry-run", "--json"]].concat());
    check(&place, &["verify", run]);
    check(&place, &["verify", run, "--json"]);
    check(&place, &["show", run, "7"]);
    check(&place, &["show", run, "7", "--json"]);
    for format in ["csv", "jsonl", "parquet"] {
        check(&place, &["export", run, "--format", format]);
    }
    check(&place, &["status"]);
    check(&place, &["synth", "-", "--respondents", "50"]);
}

#[test]
fn orders_for_a_run_end_quietly_when_nobody_reads_them() {
    let place = Place::new();
    let mut running = place.start(&[&RUN[..], &["--simulator-latency-ms", "60000"]].concat());
    // The line comes once the run has announced itself to operators.
    running.wait_for("0 of 1 cells");
    running.kill();
    running.end();
    let folder = place.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    for verb in ["pause", "resume"] {
        check(&place, &[verb, run]);
    }
    check(&place, &["status", run]);
    check(&place, &["cancel", run, "--yes"]);
}

#[test]
fn a_simulated_provider_that_cannot_print_its_address_says_so() {
    let place = Place::new();
    let command = place.command(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let (code, stderr) = with_stdout(command, Sink::Full);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

#[test]
fn an_interrupt_just_after_the_announcement_is_one_that_can_be_resumed() {
    let place = Place::new();
    let mut running = place.start(&[&RUN[..], &["--simulator-latency-ms", "300"]].concat());
    running.wait_for("Run ");
    running.interrupt();
    let ended = running.end().with_code(130);
    assert!(ended.stderr.contains("interrupted: "), "{}", ended.stderr);
}
