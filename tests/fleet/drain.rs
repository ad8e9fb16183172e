//! A worker that is asked to stop finishes its calls within its grace period and hands its tasks back.

use std::time::Duration;

use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, TIMEOUT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_outlast_the_grace_period_are_abandoned() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let worker = fleet.worker_with(&["--grace", "1"]);
    fleet.wait_for_in_flight(IN_FLIGHT).await;
    worker.terminate();
    worker.expect_success().await;
    let are_abandoned = async || (fleet.provider.stats().in_flight == 0).then_some(());
    eventually("the end of its calls", TIMEOUT, are_abandoned).await.expect("in time");
    // The next worker gets its tasks at once.
    let next = fleet.worker();
    fleet.wait_for_in_flight(IN_FLIGHT).await;
    drop((next, coordinator));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_held_too_long_is_handed_back_with_its_replies() {
    let fleet = Fleet::new(Duration::from_millis(40)).await;
    let coordinator = fleet.coordinator();
    // With so few calls in flight a cell takes about four seconds, so it is handed back several times.
    let workers: Vec<_> = (0..4).map(|_| fleet.worker_with(&["--hold", "1", "--grace", "30"])).collect();
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
