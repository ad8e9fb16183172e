//! A rolling upgrade: workers of this release beside workers of the next, which has another version of the task message.

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY};

/// The next version of the task message.
const NEXT: &str = "2";

/// Answered calls before the coordinator is upgraded.
const CALLS_BEFORE_UPGRADE: u64 = 800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_two_releases_neither_lose_nor_loop_messages() {
    let fleet = Fleet::new(LATENCY).await;
    // With this small window, both coordinators have cells to send.
    let coordinator = fleet.coordinator_with(&["--window", "8"]);
    let old = [fleet.worker(), fleet.worker()];
    let new = [fleet.worker_with(&["--newest-task", NEXT]), fleet.worker_with(&["--newest-task", NEXT])];
    fleet.wait_for_answered(CALLS_BEFORE_UPGRADE).await;
    coordinator.kill();
    fleet.resume_replies();
    fleet.coordinator_with(&["--window", "8", "--task-version", NEXT]).expect_success().await;
    drop((old, new));
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_the_next_release_wait_for_its_workers() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator_with(&["--task-version", NEXT]);
    let old = [fleet.worker(), fleet.worker()];
    fleet.wait_for_workers(old.len()).await;
    fleet.wait_until_idle().await;
    assert_eq!(fleet.provider.stats().requests, 0, "a worker of this release did a task of the next");
    let new = fleet.worker_with(&["--newest-task", NEXT]);
    fleet.wait_for_in_flight(IN_FLIGHT / 2).await;
    drop(old);
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(new);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_is_rolled_back_costs_no_call() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator_with(&["--window", "8", "--task-version", NEXT]);
    let new = fleet.worker_with(&["--newest-task", NEXT]);
    fleet.wait_for_answered(CALLS_BEFORE_UPGRADE).await;
    coordinator.kill();
    new.terminate();
    fleet.resume_replies();
    new.expect_success().await;
    // Nobody is left to read the tasks that were sent. This coordinator notices and sends them again.
    let coordinator = fleet.coordinator();
    let old = [fleet.worker(), fleet.worker()];
    coordinator.expect_success().await;
    drop(old);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
