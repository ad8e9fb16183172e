//! A real Prometheus with the shipped rules scrapes a real fleet: each fault fires its alert, which clears once the fault is
//! mended, and every panel of the dashboards shows data. `make deploy-check` runs it, because it needs Prometheus.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "in a test, an unwrap is a check")]
#![expect(clippy::print_stdout, reason = "whoever waits for minutes sees how far it is")]

mod dashboards;
mod fleet;
#[path = "../manifests/http.rs"]
mod http;
#[path = "../command/support/process.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod process;
mod prometheus;
mod rules;
#[path = "../command/support/sandbox.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod sandbox;
mod scaling;

use std::time::Duration;

use valuesim_simulator::provider::{CacheRule, Latency, ProviderOptions};
use valuesim_test_servers::eventually;

use fleet::Fleet;
use prometheus::{Prometheus, TIMEOUT};

#[ignore = "needs Prometheus: make deploy-check"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_fires_its_alert_and_every_panel_shows_data() {
    let mut fleet = Fleet::start(healthy()).await;
    let prometheus = Prometheus::start(&fleet.targets()).await;
    fleet.start_coordinator();
    prometheus.wait_until_firing(&["ValuesimNoWorkers", "ValuesimNoProgress"]).await;
    fleet.start_workers();
    prometheus.wait_until_quiet().await;

    provider_faults(&mut fleet, &prometheus).await;
    server_faults(&mut fleet, &prometheus).await;
    dashboards::check(&prometheus).await;

    fleet.kill_coordinator();
    prometheus.wait_until_firing(&["ValuesimCoordinatorGone"]).await;
    fleet.restart_provider(ProviderOptions { api_key: Some("another".to_owned().into()), ..healthy() }).await;
    prometheus.wait_until_firing(&["ValuesimKeyRefused"]).await;
    prometheus.check_summaries();
}

async fn provider_faults(fleet: &mut Fleet, prometheus: &Prometheus) {
    let faults = [
        (ProviderOptions { error_rate: 0.3, ..healthy() }, &["ValuesimProviderErrors"][..]),
        // No learning helps where others use up the limit.
        (ProviderOptions { rate_limited_rate: 0.8, ..healthy() }, &["ValuesimRateLimited"]),
        (
            ProviderOptions { refusal_rate: 0.1, malformed_rate: 0.6, ..healthy() },
            &["ValuesimPredictionsUnusable", "ValuesimPredictionsRefused"],
        ),
    ];
    assert!(scaling::headroom(prometheus) > WORKERS, "the provider refuses nothing");
    for (options, alerts) in faults {
        fleet.restart_provider(options).await;
        prometheus.wait_until_firing(alerts).await;
        if alerts == ["ValuesimRateLimited"] {
            // Where minutes are seconds, a pause may be longer than the time over which refusals are counted.
            let has_no_room = async || (scaling::headroom(prometheus) <= WORKERS).then_some(());
            eventually("no room at the provider", TIMEOUT, has_no_room).await.expect("it refuses most calls");
        }
        fleet.restart_provider(healthy()).await;
        prometheus.wait_until_quiet().await;
    }
    fleet.give_up_a_cell().await;
    prometheus.wait_until_firing(&["ValuesimDeadLetters"]).await;
    fleet.replay_dead_letters();
    prometheus.wait_until_quiet().await;
    let unpriced = fleet.start_unpriced_run();
    prometheus.wait_until_firing(&["ValuesimUnpricedModel"]).await;
    // Ended early, it would leave a queue of results that nobody takes, which has an alert of its own.
    unpriced.wait().expect_success();
    prometheus.wait_until_quiet().await;
}

async fn server_faults(fleet: &mut Fleet, prometheus: &Prometheus) {
    fleet.broker.raise_memory_alarm().await.unwrap();
    prometheus.wait_until_firing(&["ValuesimBrokerBlocked"]).await;
    fleet.broker.clear_memory_alarm().await.unwrap();
    prometheus.wait_until_quiet().await;
    fleet.limit_memory_of_store("1");
    prometheus.wait_until_firing(&["ValuesimStoreUnusable"]).await;
    fleet.limit_memory_of_store("0");
    prometheus.wait_until_quiet().await;
    fleet.broker.stop().await.unwrap();
    prometheus.wait_until_firing(&["ValuesimBrokerAway"]).await;
    fleet.broker.start_again().await.unwrap();
    prometheus.wait_until_quiet().await;
}

/// As many as [`Fleet::start_workers`] starts.
const WORKERS: f64 = 2.0;

/// A provider with a cache and without faults.
fn healthy() -> ProviderOptions {
    let latency = Latency::Fixed(Duration::from_millis(50));
    ProviderOptions { latency, cache: CacheRule::Vllm { block_tokens: 16 }, ..ProviderOptions::default() }
}
