//! RabbitMQ stops during a run, comes back with or without its data, or accepts no messages for a while.

use valuesim_shared::control::Control as _;
use valuesim_test_servers::{Broker, Database, Turn, eventually, shared_redis};

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls, TIMEOUT, WORKERS};

/// Answered calls before the fault.
const CALLS_BEFORE_FAULT: u64 = 1_500;

/// A fleet with a broker of its own.
struct FleetWithBroker {
    broker: Broker,
    fleet: Fleet,
    _store: Database,
}

impl FleetWithBroker {
    async fn new() -> Self {
        let turn = Turn::take().await;
        let (broker, store) = tokio::join!(Broker::start(), shared_redis());
        let broker = broker.expect("starts");
        let urls = ServerUrls { broker: broker.new_vhost().await.expect("is made"), store: store.url.clone() };
        Self { broker, fleet: Fleet::on(turn, urls, LATENCY).await, _store: store }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_broker_costs_at_most_the_calls_in_flight() {
    let FleetWithBroker { mut broker, fleet, _store } = FleetWithBroker::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    broker.stop().await.expect("stops");
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    broker.start_again().await.expect("starts");
    coordinator.expect_success().await;
    drop(workers);
    let (extra, most) = (fleet.compare_with_one_process().await, WORKERS * IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_loses_its_data_costs_at_most_the_calls_of_unfinished_cells() {
    let FleetWithBroker { mut broker, fleet, _store } = FleetWithBroker::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    broker.kill_and_wipe().expect("is wiped");
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    let most = fleet.calls_of_unfinished_cells().await;
    broker.start_again().await.expect("starts");
    coordinator.expect_success().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    assert!(extra <= most, "{extra} extra calls, but at most {most} had been made for unfinished cells");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_wait_for_a_broker_that_is_short_of_memory() {
    let FleetWithBroker { broker, fleet, _store } = FleetWithBroker::new().await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    broker.raise_memory_alarm().await.expect("is set");
    // Only now can the last cells finish, so a worker that publishes an outcome finds that the broker accepts none.
    fleet.resume_replies();
    let control = fleet.control().await;
    let is_reported = async || {
        let workers = control.workers().await.expect("reads").all;
        let mut troubles = workers.into_iter().filter_map(|worker| worker.last_trouble);
        troubles.any(|(_, text)| text.contains("the broker takes no messages")).then_some(())
    };
    eventually("a worker that reports the broker", TIMEOUT, is_reported).await.expect("in time");
    fleet.wait_until_idle().await;
    broker.clear_memory_alarm().await.expect("is cleared");
    coordinator.expect_success().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
