//! A fleet that works: it is seen, gets its orders, and leaves nothing behind once it is purged.

#[path = "../faults/support.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod simulated;

use std::time::Duration;

use redis::Commands as _;
use valuesim_shared::control::{Control as _, DesiredState, Order};
use valuesim_shared::id::RunId;

use crate::support::{Desk, Running, about, until};

const EXPERIMENT: [&str; 9] =
    ["coordinate", "--synthetic", "60", "--users", "12", "--methods", "valuesim", "--model", "m"];

/// Calls in flight of a worker, where that matters.
const IN_FLIGHT: u64 = 4;

/// The only run that is shown.
fn only_run(desk: &Desk) -> Option<serde_json::Value> {
    let mut looks = desk.json(&["status"]);
    let status = looks.remove(0);
    let [run] = &status["runs"].as_array()?[..] else { return None };
    let is_all_there = run["coordinators"].as_array()?.len() == 1 && status["workers"].as_array()?.len() == 2;
    let serve = status["workers"].as_array()?.iter().all(|worker| worker["runs"][0] == run["run"]);
    let has_begun = run["queues"].as_array()?.iter().any(|queue| queue["lane"] == "story" && queue["messages"] != 0);
    (is_all_there && serve && has_begun).then(|| run.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_fleet_is_seen_gets_its_orders_and_is_purged() {
    let desk = Desk::new().await;
    // The run does not end before the test does.
    let provider = simulated::provider(Duration::ZERO).await;
    provider.hold_after(0);
    let base_url = provider.base_url();
    let coordinate = [&EXPERIMENT[..], &["--base-url", &base_url, "--calls-in-flight", "4"]].concat();
    let fleet: Vec<Running> =
        [&coordinate[..], &["work"], &["work"]].into_iter().map(|verb| desk.start(verb)).collect();
    until("a fleet at work", async || only_run(&desk).is_some()).await;
    let run = only_run(&desk).unwrap()["run"].as_str().unwrap().to_owned();

    let text = desk.run(&["status", &run]).well().stdout;
    for expected in
        [&format!("run {run}: begun\n"), "2 workers are alive\n", " of 60 finished", "story", "suspects", "cells/s"]
    {
        assert!(text.contains(expected), "{expected:?} is not in:\n{text}");
    }
    let listed = desk.run(&["runs"]).well().stdout;
    assert!(listed.lines().nth(1).is_some_and(|line| line.starts_with(&run) && line.contains("begun")), "{listed}");

    let mut useless = desk.start(&["work", "--model", "typo"]);
    useless.wait_for(&format!("run {run} has no model named typo; it has m"));
    useless.interrupt();
    useless.end().well();

    gives_order(&desk, &["pause", &run], DesiredState::Pause, "pauses").await;
    gives_order(&desk, &["resume", &run], DesiredState::Go, "goes on\nbefore: pause, given by ada@").await;
    let refused = desk.run(&["purge", &run, "--yes"]).with_code(1);
    assert!(
        refused.stderr.contains("at work: coordinator ") && refused.stderr.contains(", worker "),
        "{}",
        refused.stderr
    );

    gives_order(&desk, &["cancel", &run, "--yes"], DesiredState::Cancel, "is cancelled").await;
    provider.release();
    let is_cancelled = async || desk.run(&["runs"]).well().stdout.contains("cancelled");
    until("the end of the run", is_cancelled).await;

    fleet.iter().for_each(Running::kill);
    drop(fleet);
    let folder = desk.place.run_folder("runs");
    let purged = desk.run(&["purge", &run, "--yes", "--force"]).well().stdout;
    assert!(purged.contains("the run's ledger and its folder are not touched"), "{purged}");
    assert!(folder.join("ledger.redb").exists());
    is_gone(&desk, &run).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_a_worker_cannot_serve_is_shown_with_the_reason() {
    let desk = Desk::new().await;
    let key = ["--base-url", "http://127.0.0.1:9/v1", "--api-key-env", "NO_SUCH_KEY"];
    let coordinate = [&EXPERIMENT[..], &key].concat();
    let fleet = [desk.start(&coordinate), desk.start(&["work"])];
    let is_said = async || desk.run(&["status"]).well().stdout.contains("- left alone until 20");
    until("a run that is left alone", is_said).await;
    let text = desk.run(&["status"]).well().stdout;
    let said = text.lines().find(|line| line.contains("left alone until")).unwrap();
    assert!(said.contains("Z by ") && said.contains("NO_SUCH_KEY"), "{said}");
    assert!(text.contains("spent        price unknown\n"), "{text}");
    drop(fleet);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_goes_on_that_is_resumed_before_its_workers_have_left() {
    let desk = Desk::new().await;
    // Whoever leaves finishes its calls first: there is time to think again.
    let provider = simulated::provider(Duration::ZERO).await;
    provider.hold_after(0);
    let (base_url, in_flight) = (provider.base_url(), IN_FLIGHT.to_string());
    let coordinate = [&EXPERIMENT[..], &["--base-url", &base_url, "--calls-in-flight", &in_flight]].concat();
    let (mut coordinator, mut worker) = (desk.start(&coordinate), desk.start(&["work"]));
    worker.wait_for("serving run");
    let is_at_work = async || provider.stats().in_flight == IN_FLIGHT;
    until("calls under way", is_at_work).await;
    let folder = desk.place.run_folder("runs");
    let run = folder.file_name().unwrap().to_str().unwrap();

    gives_order(&desk, &["cancel", run, "--yes"], DesiredState::Cancel, "is cancelled").await;
    coordinator.wait_for("cancelled by ");
    worker.wait_for("handing its tasks back");
    // Whoever can write to the store can call himself what he likes.
    let order = Order::new(DesiredState::Go, "eve\u{1b}[2J@h".to_owned());
    desk.control().await.give_order(&RunId(run.to_owned()), &order).await.unwrap();
    coordinator.wait_for("resumed by eve\\u{1b}[2J@h");
    provider.hold_after(IN_FLIGHT);
    worker.wait_for("left run");
    worker.wait_for("serving run");
    coordinator.terminate();
    coordinator.end().with_code(130);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn to_cancel_a_run_without_a_coordinator_says_that_nobody_ends_it() {
    let desk = Desk::new().await;
    desk.control().await.announce(&about()).await.unwrap();
    let said = desk.run(&["cancel", "r1", "--yes"]).well().stdout;
    assert!(said.contains("no coordinator is alive to end it"), "{said}");
    assert!(said.contains("`valuesim purge r1 --yes` deletes what it has"), "{said}");
}

async fn gives_order(desk: &Desk, verb: &[&str], desired: DesiredState, says: &str) {
    let run = verb[1];
    let ended = desk.run(verb).well();
    assert!(ended.stdout.starts_with(&format!("run {run} {says}")), "{}", ended.stdout);
    let order = desk.control().await.order(&RunId(run.to_owned())).await.unwrap().unwrap();
    assert!(order.desired == desired && order.by.starts_with("ada@"), "{order:?}");
}

/// Neither queue nor key of the run is left, and nobody knows it.
async fn is_gone(desk: &Desk, run: &str) {
    let text = desk.run(&["status", run]);
    // The reports of killed workers stay for some seconds.
    assert!(!text.stdout.contains("waiting  consumers\n  story"), "{}", text.stdout);
    let queue = desk.queue().await;
    for lane in
        [valuesim_shared::queue::QueueKind::Results, valuesim_shared::queue::QueueKind::Dead, crate::support::STORY]
    {
        let name = valuesim_shared::queue::QueueName { run: RunId(run.to_owned()), kind: lane };
        assert_eq!(queue.depth(&name).await, Ok(None));
    }
    let mut store = redis::Client::open(desk.store.as_str()).unwrap().get_connection().unwrap();
    let keys: Vec<String> = store.keys("*").unwrap();
    let left: Vec<&String> = keys.iter().filter(|key| key.contains(run)).collect();
    assert_eq!(left, Vec::<&String>::new());
}
