//! A worker that is asked to stop: it finishes its calls, hands the rest back, and stays no longer than its grace.

use std::time::Duration;

use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, PATIENCE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_do_not_end_within_the_grace_period_are_given_up() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let worker = fleet.worker_with(&["--grace", "1"]);
    fleet.under_way(IN_FLIGHT).await;
    worker.terminate();
    worker.ended_well().await;
    let given_up = async || (fleet.provider.stats().in_flight == 0).then_some(());
    eventually("the end of its calls", PATIENCE, given_up).await.expect("in time");
    // Its tasks are with the next worker at once.
    let next = fleet.worker();
    fleet.under_way(IN_FLIGHT).await;
    drop((next, coordinator));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_is_held_for_too_long_is_handed_back_with_its_replies() {
    let fleet = Fleet::new(Duration::from_millis(40)).await;
    let coordinator = fleet.coordinator();
    // A cell takes some four seconds with so few calls in flight: it is handed back before, again and again.
    let workers: Vec<_> = (0..4).map(|_| fleet.worker_with(&["--hold", "1", "--grace", "30"])).collect();
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
