//! Operators' orders to a run in one process: pause, resume and cancel reach it through its folder.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::ledger;
use crate::support::place::Place;
use crate::support::process::Running;
use crate::support::recorder::Recorder;
use crate::support::voice;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

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
        let sample = ["run", "--synthetic", "60", "--users", "3", "--folds", "1", "--listen", "127.0.0.1:0"];
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

    fn run_id(&self) -> String {
        self.place.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// What the command says to an operator's verb for the run.
    fn say(&self, verb: &[&str]) -> String {
        let run = self.run_id();
        self.place.run(&[&[verb[0], run.as_str()], &verb[1..]].concat()).well().stdout
    }

    /// The status as JSON, once it is as `is_so` wants it. Each look is a process of its own, which takes long enough.
    fn status(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let status: Value = serde_json::from_str(&self.say(&["status", "--json"])).unwrap();
            if is_so(&status) {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "{status:#}");
        }
    }

    /// Waits until the run's process says that it does nothing.
    fn wait_until_idle(&self) -> Value {
        let count = |status: &Value, field: &str| status["workers"][0][field].as_u64();
        self.status(|status| count(status, "tasks") == Some(0) && count(status, "calls_in_flight") == Some(0))
    }
}

/// What is at a path of the run's own address.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_paused_run_makes_no_calls_until_it_is_resumed_and_asks_nothing_twice() {
    let scene = Scene::new();
    let mut running = scene.start_and_hold();
    let said = scene.say(&["pause"]);
    assert_eq!(said, format!("run {} pauses: calls in flight finish, no new ones start\n", scene.run_id()));
    running.wait_for("paused by ");
    scene.provider.release();
    let status = scene.wait_until_idle();
    let answered = scene.provider.take().len();
    assert!(answered >= ANSWERED + IN_FLIGHT, "{answered}");

    // It goes on to report, and does nothing.
    let last = status["workers"][0]["at"].as_u64();
    let later = scene.status(|status| status["workers"][0]["at"].as_u64() > last);
    assert_eq!(later["workers"][0]["calls_in_flight"], 0);
    assert_eq!(scene.provider.take().len(), 0);
    let text = scene.say(&["status"]);
    assert!(text.contains(&format!("run {}: begun, paused", scene.run_id())), "{text}");
    assert!(text.contains("it is paused (pause, given by ") && text.contains("1 worker is alive"), "{text}");

    let url = later["workers"][0]["http"].as_str().unwrap();
    for path in ["/healthz", "/readyz"] {
        assert!(get(url, path).starts_with("HTTP/1.1 200 "), "{path}");
    }
    let metrics = get(url, "/metrics");
    for name in ["valuesim_run_tasks", "valuesim_llm_requests_total", "valuesim_build_info", "process_"] {
        assert!(metrics.contains(name), "{name} is missing in\n{metrics}");
    }
    assert!(!metrics.contains("valuesim_broker_connected"), "{metrics}");

    let said = scene.say(&["resume"]);
    assert!(said.contains(" goes on\nbefore: pause, given by "), "{said}");
    running.end().well();
    let resumed = scene.provider.take().len();
    assert!(!scene.place.run_folder("runs").join("control").exists());
    scene.start("undisturbed").end().well();
    assert_eq!(scene.provider.take().len(), answered + resumed);
    assert_eq!(ledger::cells(&scene.place.run_folder("runs")), ledger::cells(&scene.place.run_folder("undisturbed")));
}

#[test]
fn an_order_survives_the_process_and_a_cancelled_run_may_be_taken_up_again() {
    let scene = Scene::new();
    let running = scene.start_and_hold();
    running.kill();
    running.end();
    scene.provider.release();
    scene.provider.take();
    // The report of a killed process stays for some seconds.
    scene.status(|status| status["runs"][0]["coordinators"].as_array().is_some_and(Vec::is_empty));
    let said = scene.say(&["pause"]);
    assert!(said.contains("no process works on the run now; the order takes effect when"), "{said}");

    let mut running = scene.start("runs");
    running.wait_for("paused by ");
    scene.status(|status| status["runs"][0]["coordinators"].as_array().is_some_and(|all| all.len() == 1));
    assert_eq!(scene.provider.take().len(), 0);
    let said = scene.say(&["cancel", "--yes"]);
    assert!(said.contains("is cancelled: it ends, and finished cells are kept"), "{said}");
    let ended = running.end().with_code(1);
    assert!(ended.stderr.contains("was cancelled by ") && ended.stderr.contains("valuesim resume"), "{}", ended.stderr);
    // Until somebody takes the order back the same command ends at once.
    scene.start("runs").end().with_code(1);
    assert_eq!(scene.provider.take().len(), 0);
    scene.say(&["resume"]);
    scene.start("runs").end().well();
    scene.start("undisturbed").end().well();
    assert_eq!(ledger::cells(&scene.place.run_folder("runs")).len(), 3);
}

#[test]
fn a_run_that_no_order_reaches_is_named() {
    let place = Place::new();
    let ended = place.run(&["pause", "nobody"]).with_code(2);
    assert!(ended.stderr.contains("there is no run nobody in the folder runs"), "{}", ended.stderr);
    assert!(ended.stderr.contains("for a run of a fleet, name its store with --store"), "{}", ended.stderr);
    place.run(&["run", "--synthetic", "60", "--users", "1", "--folds", "1"]).well();
    let run = place.run_folder("runs");
    let ended = place.run(&["pause", run.file_name().unwrap().to_str().unwrap()]).with_code(1);
    assert!(ended.stderr.contains("is finished, or was not started by this release"), "{}", ended.stderr);
    let nothing = place.run(&["status"]).well().stdout;
    assert!(nothing.contains("no active runs in this folder"), "{nothing}");
}

#[test]
fn an_address_that_is_taken_is_the_users_to_mend() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = place.run(&["run", "--synthetic", "60", "--users", "1", "--listen", &address]).with_code(2);
    assert!(ended.stderr.contains(&format!("listen at {address} for probes and metrics")), "{}", ended.stderr);
}
