//! However many prompts a provider does not take, and whoever cannot serve the run: it ends soon after its last useful call,
//! finished or stopped with the reason.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;
use valuesim_shared::control::{Control as _, RunPhase};
use valuesim_simulator::provider::{Latency, ProviderOptions};
use valuesim_test_servers::Proxy;

use crate::fleet::{Fleet, LATENCY};
use crate::process::FleetProcess;

/// People of the runs here: ten cells.
const USERS: u32 = 2;

/// Longer than a coordinator waits for others once all workers refuse a run.
const LONGER_THAN_QUIET: Duration = Duration::from_secs(7);

/// The share of poison that is a tail: some of about 1,900 prompts.
const TAIL: f64 = 0.004;

async fn fleet(options: ProviderOptions) -> Fleet {
    let options = ProviderOptions { latency: Latency::Fixed(LATENCY), ..options };
    let mut fleet = Fleet::with_provider(options).await;
    fleet.users = USERS;
    fleet.resume_replies();
    fleet
}

fn poison(bad_request_rate: f64) -> ProviderOptions {
    ProviderOptions { bad_request_rate, ..ProviderOptions::default() }
}

/// The run's `results.json`.
fn results(fleet: &Fleet) -> Value {
    let text = std::fs::read_to_string(fleet.run_folder().join("results.json")).expect("the results are written");
    serde_json::from_str(&text).expect("is JSON")
}

/// How many predictions of the run ended so.
fn ended(fleet: &Fleet, ending: &str) -> u64 {
    results(fleet)["arms"]
        .as_array()
        .expect("has arms")
        .iter()
        .filter_map(|arm| arm["score"]["endings"][ending].as_u64())
        .sum()
}

/// Waits until the coordinator stops the run with this code, and says these things.
async fn expect_refused(fleet: &Fleet, mut coordinator: FleetProcess, code: i32, expected: &[&str]) {
    let status = coordinator.wait_in_place().await;
    let said = coordinator.stderr();
    assert_eq!(status.code(), Some(code), "{said}");
    let always = ["no worker serves the run any more:\n", "finished work is kept", "the same command resumes"];
    for part in always.iter().chain(expected) {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let about = fleet.control().await.about(&fleet.run()).await.expect("reads").expect("is known");
    assert_eq!(about.phase, RunPhase::Failed);
    assert!(about.stopped_by.is_some_and(|why| expected.iter().all(|part| why.contains(part))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_nothing_but_poison_stops_and_goes_on_once_that_is_mended() {
    let mut fleet = fleet(poison(1.0)).await;
    // No worker hears of poison before both serve the run.
    fleet.provider.pause_replies_after(0);
    let (coordinator, workers) = (fleet.coordinator(), [fleet.worker(), fleet.worker()]);
    fleet.wait_for_workers(2).await;
    fleet.resume_replies();
    let expected = ["       2  model \"m\": ", "check base_url", "(400)"];
    expect_refused(&fleet, coordinator, 2, &expected).await;
    // The workers are as they were: they take the run up again once somebody begins it.
    fleet.restart_provider(ProviderOptions::default()).await;
    fleet.coordinator().expect_success().await;
    assert_eq!(results(&fleet)["cells_finished"].as_u64(), Some(10));
    drop(workers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_which_too_many_prompts_are_poison_stops_with_a_table_of_what_was_said() {
    let mut fleet = fleet(poison(TAIL)).await;
    fleet.flags = &["--rejected-at-most", "0"];
    let (coordinator, workers) = (fleet.coordinator(), [fleet.worker(), fleet.worker()]);
    let expected = ["--rejected-at-most is 0;", " prompts  what the provider said\n", "  400 invalid_request_error: "];
    expect_refused(&fleet, coordinator, 1, &expected).await;
    drop(workers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_of_poison_costs_predictions_and_no_time() {
    let fleet = fleet(poison(TAIL)).await;
    let (coordinator, worker) = (fleet.coordinator(), fleet.worker());
    coordinator.expect_success().await;
    assert_eq!(results(&fleet)["cells_dead"].as_u64(), None);
    assert!(ended(&fleet, "rejected") > 0 && ended(&fleet, "answered") > 400, "{}", results(&fleet));
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_before_all_became_poison_is_kept_if_that_is_allowed() {
    let mut fleet = fleet(ProviderOptions::default()).await;
    fleet.flags = &["--rejected-at-most", "1"];
    let (coordinator, worker) = (fleet.coordinator(), fleet.worker());
    fleet.wait_for_answered(300).await;
    fleet.restart_provider(poison(0.3)).await;
    coordinator.expect_success().await;
    assert!(ended(&fleet, "rejected") > 20 && ended(&fleet, "answered") > 50, "{}", results(&fleet));
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_and_an_outage_together_are_told_apart() {
    let mut fleet = fleet(poison(TAIL)).await;
    let (proxy, through) = Proxy::in_front_of(&fleet.base_url).await.expect("starts");
    fleet.base_url = through;
    let (mut coordinator, worker) = (fleet.coordinator(), fleet.worker());
    fleet.wait_for_answered(300).await;
    proxy.turn_away().await;
    fleet.resume_replies();
    sleep(LONGER_THAN_QUIET).await;
    assert!(!coordinator.has_ended(), "{}", coordinator.stderr());
    proxy.heal().await;
    coordinator.expect_success().await;
    assert!(ended(&fleet, "rejected") > 0, "{}", results(&fleet));
    drop(worker);
}

/// A fleet whose provider requires a key, and a function that gives workers this one.
async fn fleet_with_keys() -> (Fleet, impl Fn(&str) -> [(&'static str, String); 2]) {
    let options = ProviderOptions { api_key: Some("right".to_owned().into()), ..ProviderOptions::default() };
    let mut fleet = fleet(options).await;
    fleet.flags = &["--api-key-name", "ours"];
    let hosts = format!("http://{}", fleet.provider.address());
    (fleet, move |key| [("VALUESIM_KEY_OURS", key.to_owned()), ("VALUESIM_HOSTS_OURS", hosts.clone())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_worker_without_the_key_stops_nobody() {
    let (fleet, key) = fleet_with_keys().await;
    fleet.provider.pause_replies_after(100);
    let (coordinator, good) = (fleet.coordinator(), fleet.worker_in(&[], &key("right")));
    fleet.wait_for_a_busy_worker().await;
    let without = fleet.worker();
    without.wait_for("could not serve the run").await;
    sleep(LONGER_THAN_QUIET).await;
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop((without, good));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_workers_that_refuse_a_run_end_and_it_ends_with_them() {
    let (fleet, key) = fleet_with_keys().await;
    let coordinator = fleet.coordinator();
    let run = fleet.wait_for_run().await;
    fleet.worker_in(&["--run", &run.0], &key("wrong")).expect_code(2).await;
    let expected = ["       1  model \"m\": the provider refused the key", "check the key"];
    expect_refused(&fleet, coordinator, 2, &expected).await;
}
