//! A run that was interrupted or killed goes on where it was: nothing is lost, nothing is asked twice.

use std::collections::HashMap;

use crate::support::ledger;
use crate::support::place::{Ended, Place};
use crate::support::process::Running;
use crate::support::recorder::Recorder;
use crate::support::voice;

/// Calls in flight of the runs here.
const IN_FLIGHT: usize = 8;

/// Calls that are answered before something happens: well inside the first cell.
const ANSWERED: usize = 150;

/// A run of three cells, about 850 calls, and its provider.
struct Scene {
    place: Place,
    provider: Recorder,
}

impl Scene {
    fn new() -> Self {
        Self { place: Place::new(), provider: Recorder::start(voice::reply) }
    }

    fn start(&self, runs: &str) -> Running {
        let (url, in_flight) = (self.provider.base_url(), IN_FLIGHT.to_string());
        let sample = ["run", "--synthetic", "60", "--users", "3", "--folds", "1"];
        let model = ["--model", "m", "--base-url", &url, "--calls-in-flight", &in_flight, "--runs", runs];
        self.place.start(&[&sample[..], &model].concat())
    }

    /// Starts a run and leaves it with all its calls in flight unanswered.
    fn start_and_hold(&self) -> Running {
        self.provider.hold_after(ANSWERED);
        let running = self.start("runs");
        self.provider.wait_for(ANSWERED + IN_FLIGHT);
        running
    }

    fn cells(&self, runs: &str) -> Vec<((u16, u32, u8), String)> {
        ledger::cells(&self.place.run_folder(runs))
    }

    /// How often each request came.
    fn requests(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for request in self.provider.take() {
            *counts.entry(request.to_string()).or_default() += 1;
        }
        counts
    }
}

fn interrupt(mut running: Running, provider: &Recorder) -> Ended {
    running.interrupt();
    running.wait_for("stopping: calls in flight are finished first");
    provider.release();
    running.end().with_code(130)
}

#[test]
fn an_interrupted_run_goes_on_and_asks_nothing_twice() {
    let scene = Scene::new();
    let interrupted = interrupt(scene.start_and_hold(), &scene.provider);
    assert!(interrupted.stderr.contains("the same command resumes"), "{}", interrupted.stderr);
    assert_eq!(interrupted.stdout, "", "there are no results yet");

    let continued = scene.start("runs").end().well();
    let requests = scene.requests();
    assert!(requests.values().all(|&times| times == 1), "{} came twice", twice(&requests));

    let undisturbed = scene.start("undisturbed").end().well();
    assert_eq!(scene.requests(), requests, "together they asked what one run asks");
    assert_eq!(scene.cells("runs"), scene.cells("undisturbed"));
    assert_eq!(table(&continued), table(&undisturbed));
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let scene = Scene::new();
    let mut running = scene.start_and_hold();
    running.interrupt();
    running.wait_for("press Ctrl-C again to exit at once");
    running.interrupt();
    running.end().with_code(130);

    scene.provider.release();
    scene.start("runs").end().well();
    assert_eq!(scene.cells("runs").len(), 3);
}

#[test]
fn a_killed_run_costs_the_calls_in_flight_and_nothing_more() {
    let scene = Scene::new();
    let running = scene.start_and_hold();
    running.kill();
    assert_eq!(running.end().code, None);

    scene.provider.release();
    scene.start("runs").end().well();
    let requests = scene.requests();
    // Those that were sent, and those whose replies were on their way to the disk.
    let lost = IN_FLIGHT..=2 * IN_FLIGHT;
    assert!(lost.contains(&twice(&requests)), "{} came twice", twice(&requests));
    assert!(requests.values().all(|&times| times <= 2));

    scene.start("undisturbed").end().well();
    assert_eq!(scene.cells("runs"), scene.cells("undisturbed"));
}

fn twice(requests: &HashMap<String, usize>) -> usize {
    requests.values().filter(|&&times| times > 1).count()
}

/// The last progress that was told.
fn last_progress(ended: &Ended) -> serde_json::Value {
    let mut events = ended.events().into_iter().filter(|event| event["event"] == "progress");
    events.next_back().expect("progress is told at the end")
}

#[test]
fn progress_is_that_of_the_whole_run() {
    let scene = Scene::new();
    let start = |more: &[&str]| {
        let url = scene.provider.base_url();
        let run = ["run", "--synthetic", "60", "--users", "3", "--folds", "1", "--methods", "full-info"];
        scene.place.start(&[&run[..], &["--model", "m", "--base-url", &url, "--calls-in-flight", "1"], more].concat())
    };
    // The first cell has 58 calls.
    scene.provider.hold_after(58 + 20);
    let running = start(&[]);
    scene.provider.wait_for(58 + 21);
    interrupt(running, &scene.provider);
    let called_before = scene.provider.take().len();

    let ended = start(&["--json"]).end().well();
    let last = last_progress(&ended);
    let count = |field: &str| last[field].as_u64().unwrap();
    assert_eq!(["cells_finished", "cells_finished_before", "predictions"].map(count), [3, 1, 3 * 58]);
    // Calls of a cell that was under way are not told until it is finished.
    let called = 58 + scene.provider.take().len() as u64;
    assert_eq!((count("calls"), count("output_tokens")), (called, called * 10));
    assert!(called_before > 58, "the second cell was under way");
}

#[test]
fn progress_says_that_the_run_waits_for_its_own_limit() {
    let scene = Scene::new();
    let url = scene.provider.base_url();
    let run = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--methods", "full-info", "--model", "m"];
    let mut running = scene.place.start(&[&run[..], &["--base-url", &url, "--requests-per-minute", "60"]].concat());
    running.wait_for("m waits for its own limit of 60 requests a minute");
    running.kill();
}

/// What is printed before the names of the files.
fn table(ended: &Ended) -> &str {
    ended.stdout.split("\nFiles\n").next().unwrap()
}
