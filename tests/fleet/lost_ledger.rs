//! A ledger that is lost, or put back from an older copy: what the servers remember of the run keeps no cell from being done.

use crate::fleet::{Fleet, LATENCY};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_ledger_was_lost_is_done_again_on_the_same_servers() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.release();
    fleet.coordinator().ended_well().await;
    let calls_of_one = fleet.provider.stats().requests;
    std::fs::remove_dir_all(fleet.run_folder()).expect("is removed");
    fleet.coordinator().ended_well().await;
    drop(workers);
    // All that was paid for stood in the ledger alone.
    assert_eq!(fleet.compare_with_one_process().await, calls_of_one);
}
