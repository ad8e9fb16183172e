//! An operator's orders to a run in one process: pause, resume and cancel reach it through its folder.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::sandbox::Sandbox;
use crate::support::three_cell_run::{ANSWERED, IN_FLIGHT, ThreeCellRun};

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A run whose process can be asked for its state.
fn listening_run() -> ThreeCellRun {
    ThreeCellRun::with_flags(&["--listen", "127.0.0.1:0"])
}

fn run_id(run: &ThreeCellRun) -> String {
    run.sandbox.run_folder("runs").file_name().unwrap().to_str().unwrap().to_owned()
}

/// Runs an operator's command on the run and returns what it prints.
fn operate(run: &ThreeCellRun, command: &[&str]) -> String {
    let run_id = run_id(run);
    run.sandbox.run(&[&[command[0], run_id.as_str()], &command[1..]].concat()).expect_success().stdout
}

/// Waits until the status meets a condition, and returns it as JSON. Each look starts a process, so it needs no pause.
fn wait_for_status(run: &ThreeCellRun, is_met: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let status: Value = serde_json::from_str(&operate(run, &["status", "--json"])).unwrap();
        if is_met(&status) {
            return status;
        }
        assert!(start.elapsed() < TIMEOUT, "{status:#}");
    }
}

/// Waits until the run's process reports that it does nothing.
fn wait_until_idle(run: &ThreeCellRun) -> Value {
    let count = |status: &Value, field: &str| status["workers"][0][field].as_u64();
    wait_for_status(run, |status| count(status, "tasks") == Some(0) && count(status, "calls_in_flight") == Some(0))
}

/// The response of the run's own HTTP address to a path.
fn get(url: &str, path: &str) -> String {
    let address = url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(address).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

/// Waits until the metrics have a line.
fn wait_for_metric(url: &str, line: &str) {
    let start = Instant::now();
    while !get(url, "/metrics").contains(line) {
        assert!(start.elapsed() < TIMEOUT, "no {line}");
    }
}

#[test]
fn a_paused_run_makes_no_calls_until_it_is_resumed_and_repeats_none() {
    let run = listening_run();
    let mut running = run.start_and_pause_replies();
    let printed = operate(&run, &["pause"]);
    assert_eq!(printed, format!("run {} pauses: calls in flight finish, no new ones start\n", run_id(&run)));
    running.wait_for("paused by ");
    run.provider.resume_replies();
    let status = wait_until_idle(&run);
    let answered = run.provider.take().len();
    assert!(answered >= ANSWERED + IN_FLIGHT, "{answered}");

    // It still reports, but makes no calls.
    let last = status["workers"][0]["at"].as_u64();
    let later = wait_for_status(&run, |status| status["workers"][0]["at"].as_u64() > last);
    assert_eq!(later["workers"][0]["calls_in_flight"], 0);
    assert_eq!(run.provider.take().len(), 0);
    let text = operate(&run, &["status"]);
    assert!(text.contains(&format!("run {}: begun, paused", run_id(&run))), "{text}");
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
    wait_for_metric(url, &format!("valuesim_run_paused{{run=\"{}\"}} 1\n", run_id(&run)));
    let scores = &wait_for_status(&run, |status| !status["runs"][0]["scores"].is_null())["runs"][0]["scores"];
    assert_eq!(
        (&scores["run"], scores["cells"]["planned"].as_u64()),
        (&Value::from(run_id(&run)), Some(3)),
        "{scores}"
    );

    let printed = operate(&run, &["resume"]);
    assert!(printed.contains(" goes on\nbefore: pause, given by "), "{printed}");
    running.wait().expect_success();
    let resumed = run.provider.take().len();
    let control = std::fs::read_dir(run.sandbox.run_folder("runs").join("control")).unwrap();
    let mut left: Vec<String> = control.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.retain(|name| name.contains('-'));
    left.sort();
    let kinds: Vec<&str> = left.iter().filter_map(|name| name.split('-').next()).collect();
    assert_eq!(kinds, ["about", "changes", "history", "scores"], "a finished run leaves its record");
    run.start("undisturbed").wait().expect_success();
    assert_eq!(run.provider.take().len(), answered + resumed);
    assert_eq!(run.cells("runs"), run.cells("undisturbed"));
}

#[test]
fn an_order_outlives_the_process_and_a_cancelled_run_can_be_resumed() {
    let run = listening_run();
    let running = run.start_and_pause_replies();
    running.kill();
    running.wait();
    run.provider.resume_replies();
    run.provider.take();
    // The report of a killed process expires after some seconds.
    wait_for_status(&run, |status| status["runs"][0]["coordinators"].as_array().is_some_and(Vec::is_empty));
    let printed = operate(&run, &["pause"]);
    assert!(printed.contains("no process works on the run now; the order takes effect when"), "{printed}");

    let mut running = run.start("runs");
    running.wait_for("paused by ");
    wait_for_status(&run, |status| status["runs"][0]["coordinators"].as_array().is_some_and(|all| all.len() == 1));
    assert_eq!(run.provider.take().len(), 0);
    let printed = operate(&run, &["cancel", "--yes"]);
    assert!(printed.contains("is cancelled: it ends, and finished cells are kept"), "{printed}");
    let output = running.wait().expect_code(5);
    assert!(
        output.stderr.contains("was cancelled by ") && output.stderr.contains("valuesim resume"),
        "{}",
        output.stderr
    );
    // Until the run is resumed, the same command ends at once.
    run.start("runs").wait().expect_code(5);
    assert_eq!(run.provider.take().len(), 0);
    operate(&run, &["resume"]);
    run.start("runs").wait().expect_success();
    run.start("undisturbed").wait().expect_success();
    assert_eq!(run.cells("runs").len(), 3);
    assert_eq!(run.cells("runs"), run.cells("undisturbed"));
}

#[test]
fn an_order_that_reaches_no_run_says_why() {
    let sandbox = Sandbox::new();
    let output = sandbox.run(&["pause", "nobody"]).expect_code(2);
    assert!(output.stderr.contains("there is no run nobody in the folder runs"), "{}", output.stderr);
    assert!(output.stderr.contains("for a run of a fleet, name its store with --store"), "{}", output.stderr);
    sandbox.run(&["run", "--synthetic", "60", "--users", "1", "--folds", "1"]).expect_success();
    let run = sandbox.run_folder("runs");
    let output = sandbox.run(&["pause", run.file_name().unwrap().to_str().unwrap()]).expect_code(1);
    assert!(output.stderr.contains("is finished: no order changes it any more"), "{}", output.stderr);
    let status = sandbox.run(&["status"]).expect_success().stdout;
    assert!(status.contains("no active runs in this folder"), "{status}");
}

#[test]
fn an_address_in_use_is_a_users_mistake() {
    let sandbox = Sandbox::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = sandbox.run(&["run", "--synthetic", "60", "--users", "1", "--listen", &address]).expect_code(2);
    assert!(output.stderr.contains(&format!("listen at {address} for probes and metrics")), "{}", output.stderr);
}
