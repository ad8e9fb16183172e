//! Redis that goes away in mid-run and comes back with its data or without.

use valuesim_shared::control::{Control as _, DesiredState, RedisControl};
use valuesim_shared::store::{RedisStore, Store as _};
use valuesim_test_servers::{RedisServer, Turn, Vhost, eventually, shared_broker};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE, WORKERS, Ways};
use crate::orders::order;

/// Answered calls before the fault.
const BEFORE: u64 = 1_500;

/// A fleet whose store is its own.
struct Troubled {
    store: RedisServer,
    fleet: Fleet,
    _broker: Vhost,
}

impl Troubled {
    async fn new() -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(shared_broker(), RedisServer::start());
        let store = store.expect("starts");
        let ways = Ways { broker: broker.url.clone(), store: store.url() };
        Self { store, fleet: Fleet::on(turn, ways, LATENCY).await, _broker: broker }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_stopped_and_started_costs_the_calls_in_flight_at_most() {
    let Troubled { mut store, fleet, _broker } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    store.stop().await.expect("stops");
    fleet.release();
    fleet.quiet().await;
    store.start_again().await.expect("starts");
    fleet.answered(2 * BEFORE).await;
    store.kill();
    fleet.release();
    fleet.quiet().await;
    store.start_again().await.expect("starts");
    coordinator.ended_well().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, 2 * WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_flushed_costs_the_calls_of_unfinished_cells_at_most() {
    let Troubled { store, fleet, _broker } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered_exactly(BEFORE).await;
    let most = fleet.calls_of_unfinished_cells().await + WORKERS * IN_FLIGHT;
    store.flush().expect("is flushed");
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    assert!(extra <= most, "{extra} calls more, at most {most} were made for unfinished cells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_run_stays_paused_when_the_store_is_flushed() {
    let Troubled { store, fleet, _broker } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE / 2).await;
    // One that was told the run's name needs no list of runs to find it.
    let (run, address) = (fleet.run(), fleet.ways.store.parse().expect("an address"));
    let named = fleet.worker_with(&["--run", &run.0]);
    order(&fleet, &["pause"]).await;
    fleet.release();
    fleet.quiet().await;
    let before = fleet.provider.stats().requests;
    store.flush().expect("is flushed");
    let kept = RedisStore::connect(&address, PATIENCE).await.expect("the store answers");
    let is_back = async || kept.manifest(&run).await.expect("the store answers").map(drop);
    eventually("the manifest", PATIENCE, is_back).await.expect("in time");
    let known = RedisControl::connect(&address).await.expect("the store answers");
    let last = known.order(&run).await.expect("the store answers");
    assert_eq!(last.map(|order| order.desired), Some(DesiredState::Pause));
    // Workers look for runs every second.
    for _ in 0..3 {
        fleet.quiet().await;
    }
    assert_eq!(fleet.provider.stats().requests, before, "nobody calls while the run is paused");

    // The run folder keeps the order where store and coordinator are lost together.
    coordinator.kill();
    store.flush().expect("is flushed");
    let coordinator = fleet.coordinator();
    let order_of_run = async || known.order(&run).await.expect("the store answers");
    let last = eventually("the order", PATIENCE, order_of_run).await.expect("in time");
    assert_eq!(last.desired, DesiredState::Pause);
    for _ in 0..3 {
        fleet.quiet().await;
    }
    assert_eq!(fleet.provider.stats().requests, before, "nobody calls while the run is paused");
    order(&fleet, &["resume"]).await;
    coordinator.ended_well().await;
    drop((workers, named));
    fleet.compare_with_one_process().await;
}
