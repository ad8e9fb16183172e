//! Several runs at once on one broker and one store, served by the same workers.

use crate::fleet::{Fleet, LATENCY};

/// Respondents of each run.
const RUNS: [u32; 3] = [1, 2, 3];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_share_servers_and_workers_end_as_each_does_alone() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.release();
    let coordinators = RUNS.map(|users| fleet.coordinator_of(users));
    for coordinator in coordinators {
        coordinator.ended_well().await;
    }
    drop(workers);
    assert_eq!(fleet.compare_all(&RUNS).await, 0);
}
