//! Printing never panics: a reader that leaves early is not a failure, and a full disk is an error with a reason.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::support::sandbox::Sandbox;

/// Arguments for a run of one cell, to which each test adds its own.
const RUN: [&str; 7] = ["run", "--synthetic", "60", "--respondents", "7", "--folds", "1"];

/// Where a stream of the command goes.
#[derive(Clone, Copy, Debug)]
enum Sink {
    /// A pipe whose reader has gone away, as `head` does.
    ClosedPipe,
    /// A device that has no space for any write.
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

/// The exit code and the standard error of a command whose output goes to `sink`.
fn with_stdout(mut command: Command, sink: Sink) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).stdout(sink.open()).stderr(Stdio::piped()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[track_caller]
fn check(sandbox: &Sandbox, arguments: &[&str]) {
    let (code, stderr) = with_stdout(sandbox.command(arguments), Sink::ClosedPipe);
    assert_eq!(code, Some(0), "{arguments:?} into a closed pipe: {stderr}");
    assert!(!stderr.contains("error"), "{arguments:?} into a closed pipe: {stderr}");
    let (code, stderr) = with_stdout(sandbox.command(arguments), Sink::Full);
    assert_eq!(code, Some(1), "{arguments:?} onto a full disk: {stderr}");
    assert!(stderr.contains("No space left on device"), "{arguments:?} onto a full disk: {stderr}");
    for sink in [Sink::ClosedPipe, Sink::Full] {
        let mut command = sandbox.command(arguments);
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(sink.open()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?} with standard error into {sink:?}");
        assert!(!output.stdout.is_empty(), "{arguments:?} with standard error into {sink:?}");
    }
}

#[test]
fn commands_on_a_finished_run_end_quietly_when_nobody_reads_them() {
    let sandbox = Sandbox::new();
    sandbox.run(&RUN).expect_success();
    let folder = sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    check(&sandbox, &RUN);
    check(&sandbox, &[&RUN[..], &["--json"]].concat());
    check(&sandbox, &[&RUN[..], &["--dry-run"]].concat());
    check(&sandbox, &[&RUN[..], &["--dry-run", "--json"]].concat());
    check(&sandbox, &["verify", run]);
    check(&sandbox, &["verify", run, "--json"]);
    check(&sandbox, &["show", run, "7"]);
    check(&sandbox, &["show", run, "7", "--json"]);
    for format in ["csv", "jsonl", "parquet"] {
        check(&sandbox, &["export", run, "--format", format]);
    }
    check(&sandbox, &["cost", run]);
    check(&sandbox, &["cost", run, "--format", "csv"]);
    check(&sandbox, &[&["estimate"], &RUN[1..]].concat());
    check(&sandbox, &["status"]);
    check(&sandbox, &["metrics"]);
    check(&sandbox, &["prices", "list"]);
    check(&sandbox, &["completions", "bash"]);
    check(&sandbox, &["man"]);
    check(&sandbox, &["synth", "-", "--respondents", "50"]);
}

#[test]
fn orders_for_a_run_end_quietly_when_nobody_reads_them() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&[&RUN[..], &["--simulator-latency-ms", "60000"]].concat());
    // The line comes once the run has announced itself to operators.
    running.wait_for("0 of 1 cells");
    running.kill();
    running.wait();
    let folder = sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();
    for verb in ["pause", "resume"] {
        check(&sandbox, &[verb, run]);
    }
    check(&sandbox, &["status", run]);
    check(&sandbox, &["cancel", run, "--yes"]);
}

#[test]
fn a_simulated_provider_that_cannot_print_its_address_says_so() {
    let sandbox = Sandbox::new();
    let command = sandbox.command(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let (code, stderr) = with_stdout(command, Sink::Full);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("No space left on device"), "{stderr}");
}

#[test]
fn a_run_that_is_interrupted_just_after_its_announcement_can_be_resumed() {
    let sandbox = Sandbox::new();
    let mut running = sandbox.start(&[&RUN[..], &["--simulator-latency-ms", "300"]].concat());
    running.wait_for("Run ");
    running.interrupt();
    let output = running.wait().expect_code(130);
    assert!(output.stderr.contains("interrupted: "), "{}", output.stderr);
}

#[test]
fn a_log_that_goes_to_a_file_has_no_colours() {
    let sandbox = Sandbox::new();
    let output = sandbox.run_with(("VALUESIM_LOG", "debug"), &RUN).expect_success();
    assert!(output.stderr.contains("DEBUG"), "{}", output.stderr);
    assert!(!output.stderr.contains('\u{1b}'), "{}", output.stderr);
}
