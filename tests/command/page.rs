//! The live page of a run in one process: what it shows, to whom, and what can be changed with it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::browser::{Browser, Response};
use crate::support::sandbox::Sandbox;
use crate::support::three_cell_run::ThreeCellRun;

const TOKEN: &str = "a token for the tests of the page";

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

fn run_with_token() -> ThreeCellRun {
    // A budget can be set only for a run that began with one.
    let run = ThreeCellRun::with_flags(&[
        "--listen",
        "127.0.0.1:0",
        "--page-token-file",
        "token",
        "--price",
        "0.1,0.2",
        "--max-output-tokens",
        "4000",
        "--budget",
        "1000",
    ]);
    run.sandbox.write("token", format!("{TOKEN}\n"));
    run
}

fn signed_in(url: &str) -> Browser {
    let mut browser = Browser::at(url);
    let response = browser.post("/api/session", &json!({ "token": TOKEN }));
    assert_eq!(response.status, 200, "{response:?}");
    let cookie = response.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    assert!(cookie.contains("httponly") && cookie.contains("samesite=strict"), "{cookie}");
    browser.cookie = cookie.split(';').next().map(str::to_owned);
    browser
}

/// Asks until the condition is met, for as long as a busy machine may need.
#[expect(clippy::disallowed_methods, reason = "there is no runtime to block")]
fn status_when(browser: &Browser, is_met: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let status = browser.get("/api/status").json();
        if is_met(&status) {
            return status;
        }
        assert!(start.elapsed() < TIMEOUT, "{status:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[track_caller]
fn check_refused(response: &Response, status: u16, says: &str) {
    assert!(response.status == status && response.body.contains(says), "{response:?}");
}

#[test]
fn the_page_shows_what_status_shows_takes_orders_with_reasons_and_ends_with_the_run() {
    let run = run_with_token();
    let mut running = run.start_and_pause_replies();
    let line = running.wait_for_line("live page: ");
    let url = line.split_once("live page: ").unwrap().1.trim();
    let visitor = Browser::at(url);

    check_headers(&visitor);
    let seen = status_when(&visitor, |status| status["workers"][0]["calls_in_flight"] == 8);
    check_same_as_the_command(&run, &visitor, &seen);
    check_who_may_change(&visitor);

    let operator = signed_in(url);
    let run_id = seen["runs"][0]["run"].as_str().unwrap();
    run.sandbox.run(&["budget", run_id, "9"]).expect_success();
    let pause = json!({ "run": run_id, "wish": "pause", "reason": "<b>new</b> key", "by": "ada" });
    let response = operator.post("/api/order", &pause);
    assert_eq!(response.status, 200, "{response:?}");
    let paused = status_when(&visitor, |status| status["runs"][0]["order"]["wish"] == "pause");
    assert_eq!(paused["runs"][0]["changes"][0]["reason"], "<b>new</b> key");
    assert_eq!(paused["runs"][0]["changes"][0]["by"], "ada (page)");
    assert_eq!(paused["runs"][0]["order"]["budget"], 9_000_000_000_u64, "the budget stays");
    assert_eq!(paused["runs"][0]["bottleneck"]["kind"], "order");
    running.wait_for("paused by ada (page)");
    let nameless = operator.post("/api/order", &json!({ "run": run_id, "wish": "go", "reason": " ", "by": "ada" }));
    check_refused(&nameless, 422, "say who you are and why");
    let unknown = operator.post("/api/order", &json!({ "run": "other", "wish": "go", "reason": "x", "by": "ada" }));
    check_refused(&unknown, 502, "run other is unknown");

    let mut events = visitor.events().skip_while(|line| !line.starts_with("event: status"));
    assert_eq!(events.next().as_deref(), Some("event: status"));
    run.provider.resume_replies();
    let go = json!({ "run": run_id, "wish": "go", "reason": "the key is there", "by": "ada" });
    assert_eq!(operator.post("/api/order", &go).status, 200);
    let rest: Vec<String> = events.collect();
    assert!(rest.iter().any(|line| line == "event: end"), "the stream ends when the run does: {rest:?}");
    let last = rest.iter().filter_map(|line| line.strip_prefix("data: {\"version\"")).next_back();
    assert!(last.is_some_and(|last| last.contains(r#""phase":"finished""#)), "{last:?}");
    running.wait().expect_success();
}

fn check_headers(visitor: &Browser) {
    let page = visitor.get("/");
    assert!(page.status == 200 && page.body.starts_with("<!doctype html>"), "{page:?}");
    for header in [
        "content-security-policy: default-src 'self';",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
        "content-type: text/html; charset=utf-8",
    ] {
        assert!(page.head.contains(header), "{header} is not in {}", page.head);
    }
    let script = visitor.get("/page/main.js");
    assert!(script.head.contains("content-type: text/javascript"), "{}", script.head);
    assert_eq!(visitor.get("/page/../../Cargo.toml").status, 404);
    // The probes are as they were.
    assert_eq!(visitor.get("/readyz").status, 200);
}

/// The page, `status --json` and the metrics tell the same.
fn check_same_as_the_command(run: &ThreeCellRun, visitor: &Browser, seen: &Value) {
    let run_id = seen["runs"][0]["run"].as_str().unwrap();
    let told = run.sandbox.run(&["status", run_id, "--json"]).expect_success().stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    for pointer in [
        "/version",
        "/runs/0/run",
        "/runs/0/about/models",
        "/runs/0/coordinators/0/cells",
        "/runs/0/money/spent",
        "/runs/0/failures",
        "/runs/0/bottleneck/kind",
        "/workers/0/process",
        "/workers/0/calls_in_flight",
        "/workers/0/activity/runs/0/answered",
    ] {
        let (seen, told) = (seen.pointer(pointer), told.pointer(pointer));
        assert!(seen.is_some() && seen == told, "{pointer}: the page shows {seen:?}, the command {told:?}");
    }
    let metrics = visitor.get("/metrics").body;
    let cells = &seen["runs"][0]["coordinators"][0]["cells"];
    for (state, field) in [("finished", "finished"), ("under_way", "under_way"), ("dead", "dead")] {
        let line = format!("valuesim_run_tasks{{kind=\"cell\",run=\"{run_id}\",state=\"{state}\"}} {}", cells[field]);
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    let history = visitor.get(&format!("/api/history/{run_id}")).json();
    assert!(history["points"].as_array().is_some_and(|points| !points.is_empty()), "{history}");
}

fn check_who_may_change(visitor: &Browser) {
    let order = json!({ "run": "r", "wish": "pause", "reason": "x", "by": "eve" });
    check_refused(&visitor.post("/api/order", &order), 401, "sign in with the token first");
    check_refused(&visitor.post("/api/session", &json!({ "token": "a wrong token" })), 401, "this is not the token");
    let json_type = ("Content-Type", "application/json");
    let from = |origin| visitor.ask("POST", "/api/order", &[("Origin", origin), json_type], &order.to_string());
    check_refused(&from("http://evil.example"), 403, "another site's page");
    let rebound = visitor.ask("GET", "/api/status", &[("Host", "evil.example")], "");
    check_refused(&rebound, 403, "names this machine differently");
    assert_eq!(visitor.ask("GET", "/api/order", &[], "").status, 403, "a link changes nothing");
}

#[test]
fn a_token_that_cannot_be_used_is_a_users_mistake_before_any_work_begins() {
    let sandbox = Sandbox::new();
    sandbox.write("short", "1234");
    let run = ["run", "--synthetic", "60", "--users", "1", "--listen", "127.0.0.1:0", "--page-token-file"];
    for (file, says) in [("missing", "read the token in missing"), ("short", "shorter than 16 characters")] {
        let output = sandbox.run(&[&run[..], &[file]].concat()).expect_code(2);
        assert!(output.stderr.contains("--page-token-file: ") && output.stderr.contains(says), "{}", output.stderr);
    }
}

#[test]
fn a_port_in_use_is_a_users_mistake_before_any_work_begins() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sandbox = Sandbox::new();
    for verb in [&["run", "--synthetic", "60", "--users", "1", "--simulate"][..], &["dashboard"]] {
        let output = sandbox.run(&[verb, &["--listen", &address]].concat()).expect_code(2);
        assert!(output.stderr.contains(&format!("listen at {address}")), "{}", output.stderr);
        assert!(output.stderr.contains("use another address, or port 0"), "{}", output.stderr);
    }
}

#[test]
fn a_dashboard_of_no_runs_is_served_and_ends_at_once_when_it_is_told_to() {
    let sandbox = Sandbox::new();
    let mut dashboard = sandbox.start(&["dashboard"]);
    let line = dashboard.wait_for_line("live page: ");
    let visitor = Browser::at(line.split_once("live page: ").unwrap().1.trim());
    assert_eq!(visitor.get("/api/status").json()["runs"], json!([]));
    assert_eq!(visitor.get("/readyz").status, 404, "it has nothing to be ready for");
    let mut events = visitor.events().skip_while(|line| !line.starts_with("event: status"));
    assert!(events.next().is_some());
    dashboard.interrupt();
    assert!(events.any(|line| line == "event: end"));
    dashboard.wait().expect_success();
}

#[test]
fn beyond_this_machine_nothing_is_shown_without_the_token() {
    let sandbox = Sandbox::new();
    let mut dashboard = sandbox.start(&["dashboard", "--listen", "0.0.0.0:0"]);
    let line = dashboard.wait_for_line("the live page is off");
    assert!(line.contains("--page-token-file FILE"), "{line}");
    dashboard.interrupt();
    dashboard.wait().expect_success();
    sandbox.write("token", TOKEN);
    let mut dashboard = sandbox.start(&["dashboard", "--listen", "0.0.0.0:0", "--page-token-file", "token"]);
    let line = dashboard.wait_for_line("live page: ");
    let url = line.split_once("live page: ").unwrap().1.trim().replace("0.0.0.0", "127.0.0.1");
    let visitor = Browser::at(&url);
    for path in ["/api/status", "/api/events", "/api/history/r", "/api/dead/r", "/api/dead/r/00000000"] {
        check_refused(&visitor.get(path), 401, "sign in with the token first");
    }
    assert_eq!(visitor.get("/").status, 200, "the empty page asks for the token");
    assert_eq!(signed_in(&url).get("/api/status").json()["runs"], json!([]));
    dashboard.interrupt();
    dashboard.wait().expect_success();
}
