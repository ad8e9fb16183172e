//! RabbitMQ that goes away in mid-run, comes back with its data or without, or takes nothing for a while.

use valuesim_shared::control::{Control as _, RedisControl};
use valuesim_test_servers::{Broker, Database, Turn, eventually, shared_redis};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE, WORKERS, Ways};

/// Answered calls before the fault.
const BEFORE: u64 = 1_500;

/// A fleet whose broker is its own.
struct Troubled {
    broker: Broker,
    fleet: Fleet,
    _store: Database,
}

impl Troubled {
    async fn new() -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(Broker::start(), shared_redis());
        let broker = broker.expect("starts");
        let ways = Ways { broker: broker.new_vhost().await.expect("is made"), store: store.url.clone() };
        Self { broker, fleet: Fleet::on(turn, ways, LATENCY).await, _store: store }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_stopped_and_started_costs_the_calls_in_flight_at_most() {
    let Troubled { mut broker, fleet, _store } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    broker.stop().await.expect("stops");
    fleet.release();
    fleet.quiet().await;
    broker.start_again().await.expect("starts");
    coordinator.ended_well().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_loses_its_data_costs_the_calls_of_unfinished_cells_at_most() {
    let Troubled { mut broker, fleet, _store } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    broker.kill_and_wipe().expect("is wiped");
    fleet.release();
    fleet.quiet().await;
    let most = fleet.calls_of_unfinished_cells().await;
    broker.start_again().await.expect("starts");
    coordinator.ended_well().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    assert!(extra <= most, "{extra} calls more, at most {most} were made for unfinished cells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_short_of_memory_is_waited_for() {
    let Troubled { broker, fleet, _store } = Troubled::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(BEFORE).await;
    broker.raise_memory_alarm().await.expect("is set");
    // Only now may cells finish: whoever publishes an outcome finds that the broker takes none.
    fleet.release();
    let control = RedisControl::connect(&fleet.ways.store.parse().expect("an address")).await.expect("connects");
    let is_told = async || {
        let workers = control.workers().await.expect("reads").all;
        let mut troubles = workers.into_iter().filter_map(|worker| worker.last_trouble);
        troubles.any(|(_, text)| text.contains("the broker takes no messages")).then_some(())
    };
    eventually("a worker that tells of the broker", PATIENCE, is_told).await.expect("in time");
    fleet.quiet().await;
    broker.clear_memory_alarm().await.expect("is cleared");
    coordinator.ended_well().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
