//! A working fleet: operators see it, give it orders, and purge its run completely.

#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod simulated;

use std::time::Duration;

use redis::Commands as _;
use valuesim_shared::control::{Control as _, DesiredState, Order};
use valuesim_shared::id::RunId;
use valuesim_shared::queue::{QueueKind, QueueName};
use valuesim_test_servers::eventually;

use crate::support::{Operator, Running, STORY, TIMEOUT, about, until};

const EXPERIMENT: [&str; 9] =
    ["coordinate", "--synthetic", "60", "--users", "12", "--methods", "valuesim", "--model", "m"];

/// Calls in flight of a worker.
const IN_FLIGHT: u64 = 4;

/// The only run in the status, once its coordinator and two workers are at work.
fn run_at_work(operator: &Operator) -> Option<serde_json::Value> {
    let status = operator.json(&["status"]).remove(0);
    let [run] = &status["runs"].as_array()?[..] else { return None };
    let is_all_there = run["coordinators"].as_array()?.len() == 1 && status["workers"].as_array()?.len() == 2;
    let serve = status["workers"].as_array()?.iter().all(|worker| worker["runs"][0] == run["run"]);
    let has_begun = run["queues"].as_array()?.iter().any(|queue| queue["lane"] == "story" && queue["messages"] != 0);
    (is_all_there && serve && has_begun).then(|| run.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_shown_takes_orders_and_is_purged() {
    let operator = Operator::new().await;
    // The run cannot end before the test resumes the replies.
    let provider = simulated::provider(Duration::ZERO).await;
    provider.pause_replies_after(0);
    let base_url = provider.base_url();
    let coordinate = [&EXPERIMENT[..], &["--base-url", &base_url, "--calls-in-flight", "4"]].concat();
    let fleet: Vec<Running> =
        [&coordinate[..], &["work"], &["work"]].into_iter().map(|verb| operator.start(verb)).collect();
    until("a fleet at work", async || run_at_work(&operator).is_some()).await;
    let run = run_at_work(&operator).unwrap()["run"].as_str().unwrap().to_owned();

    let text = operator.run(&["status", &run]).expect_success().stdout;
    for expected in
        [&format!("run {run}: begun\n"), "2 workers are alive\n", " of 60 finished", "story", "suspects", "cells/s"]
    {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    let listed = operator.run(&["runs"]).expect_success().stdout;
    assert!(listed.lines().nth(1).is_some_and(|line| line.starts_with(&run) && line.contains("begun")), "{listed}");

    let mut idle = operator.start(&["work", "--model", "typo"]);
    idle.wait_for(&format!("run {run} has no model named typo; it has m"));
    idle.interrupt();
    idle.wait().expect_success();

    give_order(&operator, &["pause", &run], DesiredState::Pause, "pauses").await;
    give_order(&operator, &["resume", &run], DesiredState::Go, "goes on\nbefore: pause, given by ada@").await;
    let refused = operator.run(&["purge", &run, "--yes"]).expect_code(1);
    assert!(
        refused.stderr.contains("at work: coordinator ") && refused.stderr.contains(", worker "),
        "{}",
        refused.stderr
    );

    give_order(&operator, &["cancel", &run, "--yes"], DesiredState::Cancel, "is cancelled").await;
    provider.resume_replies();
    let is_cancelled = async || operator.run(&["runs"]).expect_success().stdout.contains("cancelled");
    until("the end of the run", is_cancelled).await;

    fleet.iter().for_each(Running::kill);
    drop(fleet);
    let folder = operator.sandbox.run_folder("runs");
    let purged = operator.run(&["purge", &run, "--yes", "--force"]).expect_success().stdout;
    assert!(purged.contains("the run's ledger and its folder are not touched"), "{purged}");
    assert!(folder.join("ledger.redb").exists());
    check_is_gone(&operator, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_status_says_why_a_worker_cannot_serve_a_run() {
    let operator = Operator::new().await;
    let provider = simulated::provider(Duration::ZERO).await;
    let base_url = provider.base_url();
    // The worker has this variable, and nobody has said that it may be sent anywhere.
    let key = ["--base-url", &base_url, "--api-key-env", "AWS_SECRET_ACCESS_KEY"];
    let coordinate = [&EXPERIMENT[..], &key].concat();
    let worker = operator.start_with(("AWS_SECRET_ACCESS_KEY", "a secret of the worker's"), &["work"]);
    let fleet = [operator.start(&coordinate), worker];
    let is_left_alone = async || {
        let text = operator.run(&["status"]).expect_success().stdout;
        text.contains("- left alone until 20").then_some(text)
    };
    let text = eventually("a run that is left alone", TIMEOUT, is_left_alone).await.unwrap();
    let line = text.lines().find(|line| line.contains("left alone until")).unwrap();
    assert!(line.contains("Z by ") && line.contains("VALUESIM_KEY_AWS_SECRET_ACCESS_KEY"), "{line}");
    assert_eq!(provider.stats().requests, 0, "nothing was sent to the address");
    assert!(text.contains("spent        price unknown\n"), "{text}");
    drop(fleet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_continues_if_it_is_resumed_before_its_workers_have_left() {
    let operator = Operator::new().await;
    // A worker finishes its calls before it leaves, so the order can be revoked until the replies resume.
    let provider = simulated::provider(Duration::ZERO).await;
    provider.pause_replies_after(0);
    let (base_url, in_flight) = (provider.base_url(), IN_FLIGHT.to_string());
    let coordinate = [&EXPERIMENT[..], &["--base-url", &base_url, "--calls-in-flight", &in_flight]].concat();
    let (mut coordinator, mut worker) = (operator.start(&coordinate), operator.start(&["work"]));
    worker.wait_for("serving run");
    let are_in_flight = async || provider.stats().in_flight == IN_FLIGHT;
    until("calls in flight", are_in_flight).await;
    let folder = operator.sandbox.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();

    give_order(&operator, &["cancel", run, "--yes"], DesiredState::Cancel, "is cancelled").await;
    coordinator.wait_for("cancelled by ");
    worker.wait_for("handing its tasks back");
    // Anyone who can write to the store can choose any name.
    let order = Order::new(DesiredState::Go, "eve\u{1b}[2J@h".to_owned());
    operator.control().await.give_order(&RunId(run.to_owned()), &order).await.unwrap();
    coordinator.wait_for("resumed by eve\\u{1b}[2J@h");
    provider.pause_replies_after(IN_FLIGHT);
    worker.wait_for("left run");
    worker.wait_for("serving run");
    coordinator.terminate();
    coordinator.wait().expect_code(130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelling_a_run_without_a_coordinator_says_that_nobody_will_end_it() {
    let operator = Operator::new().await;
    operator.control().await.announce(&about()).await.unwrap();
    let stdout = operator.run(&["cancel", "r1", "--yes"]).expect_success().stdout;
    assert!(stdout.contains("no coordinator is alive to end it"), "{stdout}");
    assert!(stdout.contains("`valuesim purge r1 --yes` deletes what it has"), "{stdout}");
}

/// Gives an order, and checks what the command prints and what the store then holds.
async fn give_order(operator: &Operator, command: &[&str], desired: DesiredState, says: &str) {
    let run = command[1];
    let output = operator.run(command).expect_success();
    assert!(output.stdout.starts_with(&format!("run {run} {says}")), "{}", output.stdout);
    let order = operator.control().await.order(&RunId(run.to_owned())).await.unwrap().unwrap();
    assert!(order.desired == desired && order.by.starts_with("ada@"), "{order:?}");
}

/// Checks that no queue and no key of the run is left.
async fn check_is_gone(operator: &Operator, run: &str) {
    let text = operator.run(&["status", run]);
    // The reports of killed workers expire after some seconds.
    assert!(!text.stdout.contains("waiting  consumers\n  story"), "{}", text.stdout);
    let queue = operator.queue().await;
    for kind in [QueueKind::Results, QueueKind::Dead, STORY] {
        let name = QueueName { run: RunId(run.to_owned()), kind };
        assert_eq!(queue.depth(&name).await, Ok(None));
    }
    let mut store = redis::Client::open(operator.store.as_str()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = store.keys("*").unwrap();
    let left: Vec<&String> = keys.iter().filter(|key| key.contains(run)).collect();
    assert_eq!(left, Vec::<&String>::new());
}
