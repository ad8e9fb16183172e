//! Redis stops during a run and comes back with or without its data.

use valuesim_shared::control::{Control as _, DesiredState};
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_test_servers::{RedisServer, Turn, Vhost, eventually, shared_broker};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls, TIMEOUT, WORKERS};
use crate::orders::{halt, order};

/// Answered calls before the fault.
const CALLS_BEFORE_FAULT: u64 = 1_500;

/// A fleet with a store of its own.
struct FleetWithStore {
    store: RedisServer,
    fleet: Fleet,
    _broker: Vhost,
}

impl FleetWithStore {
    async fn new() -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(shared_broker(), RedisServer::start());
        let store = store.expect("starts");
        let urls = ServerUrls { broker: broker.url.clone(), store: store.url() };
        Self { store, fleet: Fleet::on(turn, urls, LATENCY).await, _broker: broker }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_store_costs_at_most_the_calls_in_flight() {
    let FleetWithStore { mut store, fleet, _broker } = FleetWithStore::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    store.stop().await.expect("stops");
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    store.start_again().await.expect("starts");
    fleet.wait_for_answered(2 * CALLS_BEFORE_FAULT).await;
    store.kill();
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    store.start_again().await.expect("starts");
    coordinator.expect_success().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, 2 * WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flushed_store_costs_at_most_the_calls_of_unfinished_cells() {
    let FleetWithStore { store, fleet, _broker } = FleetWithStore::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_exactly(CALLS_BEFORE_FAULT).await;
    let most = fleet.calls_of_unfinished_cells().await + WORKERS * IN_FLIGHT;
    store.flush().expect("is flushed");
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    assert!(extra <= most, "{extra} extra calls, but at most {most} had been made for unfinished cells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_run_stays_paused_when_the_store_is_flushed() {
    let FleetWithStore { store, fleet, _broker } = FleetWithStore::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT / 2).await;
    // A worker that is given the run's name does not need the list of runs to find it.
    let (run, address) = (fleet.run(), fleet.urls.store.parse().expect("an address"));
    let named = fleet.worker_with(&["--run", &run.0]);
    fleet.wait_for_workers(workers.len() + 1).await;
    halt(&fleet, &["pause"], &workers).await;
    named.wait_for("handing its tasks back").await;
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    let before = fleet.provider.stats().requests;
    store.flush().expect("is flushed");
    let reader = RedisStore::connect(&address, TIMEOUT).await.expect("the store answers");
    let is_back = async || reader.manifest(&run).await.expect("the store answers").map(drop);
    eventually("the manifest", TIMEOUT, is_back).await.expect("in time");
    let control = fleet.control().await;
    let last = control.order(&run).await.expect("the store answers");
    assert_eq!(last.map(|order| order.desired), Some(DesiredState::Pause));
    // Workers poll the list of runs every second.
    for _ in 0..3 {
        fleet.wait_until_idle().await;
    }
    assert_eq!(fleet.provider.stats().requests, before, "no worker makes calls while the run is paused");

    // The run folder keeps the order even if store and coordinator are lost together.
    coordinator.kill();
    store.flush().expect("is flushed");
    let coordinator = fleet.coordinator();
    let order_of_run = async || control.order(&run).await.expect("the store answers");
    let last = eventually("the order", TIMEOUT, order_of_run).await.expect("in time");
    assert_eq!(last.desired, DesiredState::Pause);
    for _ in 0..3 {
        fleet.wait_until_idle().await;
    }
    assert_eq!(fleet.provider.stats().requests, before, "no worker makes calls while the run is paused");
    order(&fleet, &["resume"]).await;
    coordinator.expect_success().await;
    drop((workers, named));
    fleet.compare_with_one_process().await;
}
