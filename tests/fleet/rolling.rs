//! A rolling upgrade: workers of this release and of the next, in which the task message has another version, side by side.

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY};

/// The next version of the task message.
const NEXT: &str = "2";

/// Calls until the coordinator is upgraded.
const BEFORE: u64 = 800;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_of_two_releases_lose_and_loop_no_message() {
    let fleet = Fleet::new(LATENCY).await;
    // A small window, so that both coordinators have cells to send.
    let coordinator = fleet.coordinator_with(&["--window", "8"]);
    let old = [fleet.worker(), fleet.worker()];
    let new = [fleet.worker_with(&["--newest-task", NEXT]), fleet.worker_with(&["--newest-task", NEXT])];
    fleet.answered(BEFORE).await;
    coordinator.kill();
    fleet.release();
    fleet.coordinator_with(&["--window", "8", "--task-version", NEXT]).ended_well().await;
    drop((old, new));
    let extra = fleet.compare_with_one_process().await;
    assert_eq!(extra, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_the_next_release_wait_for_its_workers() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator_with(&["--task-version", NEXT]);
    let old = [fleet.worker(), fleet.worker()];
    fleet.quiet().await;
    assert_eq!(fleet.provider.stats().requests, 0, "a worker of this release has done a task of the next");
    let new = fleet.worker_with(&["--newest-task", NEXT]);
    fleet.under_way(IN_FLIGHT / 2).await;
    drop(old);
    fleet.release();
    coordinator.ended_well().await;
    drop(new);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_that_is_rolled_back_costs_no_call() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator_with(&["--window", "8", "--task-version", NEXT]);
    let new = fleet.worker_with(&["--newest-task", NEXT]);
    fleet.answered(BEFORE).await;
    coordinator.kill();
    new.terminate();
    fleet.release();
    new.ended_well().await;
    // Nobody is left who reads what was sent: this one notices, and sends it anew.
    let coordinator = fleet.coordinator();
    let old = [fleet.worker(), fleet.worker()];
    coordinator.ended_well().await;
    drop(old);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
