//! An interrupted or killed run continues where it stopped: nothing is lost, and no answered call is repeated.

use std::collections::HashMap;

use crate::support::process::Running;
use crate::support::recorder::Recorder;
use crate::support::sandbox::CommandOutput;
use crate::support::three_cell_run::{IN_FLIGHT, ThreeCellRun};

/// How often the provider received each request.
fn request_counts(provider: &Recorder) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for request in provider.take() {
        *counts.entry(request.to_string()).or_default() += 1;
    }
    counts
}

fn repeated(requests: &HashMap<String, usize>) -> usize {
    requests.values().filter(|&&times| times > 1).count()
}

fn interrupt(mut running: Running, provider: &Recorder) -> CommandOutput {
    running.interrupt();
    running.wait_for("stopping: calls in flight are finished first");
    provider.resume_replies();
    running.wait().expect_code(130)
}

#[test]
fn an_interrupted_run_continues_and_repeats_no_call() {
    let run = ThreeCellRun::with_flags(&[]);
    let interrupted = interrupt(run.start_and_pause_replies(), &run.provider);
    assert!(interrupted.stderr.contains("the same command resumes"), "{}", interrupted.stderr);
    assert_eq!(interrupted.stdout, "", "an unfinished run prints no results");

    let continued = run.start("runs").wait().expect_success();
    let requests = request_counts(&run.provider);
    assert!(requests.values().all(|&times| times == 1), "{} requests were sent twice", repeated(&requests));

    let undisturbed = run.start("undisturbed").wait().expect_success();
    assert_eq!(
        request_counts(&run.provider),
        requests,
        "both processes together send the requests of one undisturbed run"
    );
    assert_eq!(run.cells("runs"), run.cells("undisturbed"));
    assert_eq!(table(&continued), table(&undisturbed));
}

#[test]
fn a_second_interrupt_ends_the_run_at_once() {
    let run = ThreeCellRun::with_flags(&[]);
    let mut running = run.start_and_pause_replies();
    // That its terminal is closed stops it in the same way.
    running.hang_up();
    running.wait_for("press Ctrl-C again to exit at once");
    running.interrupt();
    assert_eq!(running.wait().expect_code(130).stdout, "", "an unfinished run prints no results");

    run.provider.resume_replies();
    run.start("runs").wait().expect_success();
    assert_eq!(run.cells("runs").len(), 3);
}

#[test]
fn a_killed_run_costs_the_calls_in_flight_and_nothing_more() {
    let run = ThreeCellRun::with_flags(&[]);
    let running = run.start_and_pause_replies();
    running.kill();
    assert_eq!(running.wait().code, None);

    run.provider.resume_replies();
    run.start("runs").wait().expect_success();
    let requests = request_counts(&run.provider);
    // The calls in flight, and as many whose replies may not have reached the disk.
    let lost = IN_FLIGHT..=2 * IN_FLIGHT;
    assert!(lost.contains(&repeated(&requests)), "{} requests were sent twice", repeated(&requests));
    assert!(requests.values().all(|&times| times <= 2));

    run.start("undisturbed").wait().expect_success();
    assert_eq!(run.cells("runs"), run.cells("undisturbed"));
}

/// The last progress event.
fn last_progress(output: &CommandOutput) -> serde_json::Value {
    let mut events = output.events().into_iter().filter(|event| event["event"] == "progress");
    events.next_back().expect("there is a last progress event")
}

#[test]
fn progress_counts_the_whole_run() {
    let run = ThreeCellRun::with_flags(&[]);
    let start = |more: &[&str]| {
        let url = run.provider.base_url();
        let sample = ["run", "--synthetic", "60", "--users", "3", "--folds", "1", "--methods", "full-info"];
        let model = ["--model", "m", "--base-url", &url, "--calls-in-flight", "1"];
        run.sandbox.start(&[&sample[..], &model, more].concat())
    };
    // The first cell has 54 calls.
    run.provider.pause_replies_after(54 + 20);
    let running = start(&[]);
    run.provider.wait_for(54 + 21);
    interrupt(running, &run.provider);
    let called_before = run.provider.take().len();

    let output = start(&["--json"]).wait().expect_success();
    let last = last_progress(&output);
    let count = |field: &str| last[field].as_u64().unwrap();
    assert_eq!(["cells_finished", "cells_finished_before", "predictions"].map(count), [3, 1, 3 * 54]);
    // The calls of a cell count once it is finished.
    let called = 54 + run.provider.take().len() as u64;
    assert_eq!((count("calls"), count("output_tokens")), (called, called * 10));
    assert!(called_before > 54, "the second cell had begun");
}

#[test]
fn progress_reports_waiting_for_the_users_own_limit() {
    let run = ThreeCellRun::with_flags(&[]);
    let url = run.provider.base_url();
    // At this rate the run would take about three minutes.
    let sample = ["run", "--synthetic", "60", "--users", "3", "--folds", "1", "--methods", "full-info"];
    let model = ["--model", "m", "--base-url", &url, "--requests-per-minute", "60"];
    let mut running = run.sandbox.start(&[&sample[..], &model].concat());
    running.wait_for("m waits for its own limit of 60 requests a minute");
    running.kill();
}

/// The part of the output before the list of files.
fn table(output: &CommandOutput) -> &str {
    output.stdout.split("\nFiles\n").next().unwrap()
}
