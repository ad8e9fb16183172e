//! Several runs at once on one broker and one store, served by the same workers.

use crate::fleet::{Fleet, LATENCY};

/// Respondents of each run.
const RUNS: [u32; 3] = [1, 2, 3];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_share_servers_and_workers_end_as_they_do_alone() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.resume_replies();
    let coordinators = RUNS.map(|users| fleet.coordinator_of(users));
    for coordinator in coordinators {
        coordinator.expect_success().await;
    }
    drop(workers);
    assert_eq!(fleet.compare_runs_with_one_process(&RUNS).await, 0);
}
