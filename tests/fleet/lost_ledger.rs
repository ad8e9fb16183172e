//! A lost ledger: what the servers still remember of the run does not keep cells from being done again.

use crate::fleet::{Fleet, LATENCY};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_ledger_is_lost_is_done_again_on_the_same_servers() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.resume_replies();
    fleet.coordinator().expect_success().await;
    let calls_of_one = fleet.provider.stats().requests;
    std::fs::remove_dir_all(fleet.run_folder()).expect("is removed");
    fleet.coordinator().expect_success().await;
    drop(workers);
    // Only the ledger held what had been paid for.
    assert_eq!(fleet.compare_with_one_process().await, calls_of_one);
}
