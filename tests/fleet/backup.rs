//! A backup: the ledger is copied in a pause, the coordinator's machine is lost, and another one goes on from the copy.

use crate::fleet::{Fleet, LATENCY};
use crate::orders::{halt, order};
use crate::support::{CELLS, rows};

/// The only file of a run that must be kept.
const LEDGER: &str = "ledger.redb";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ledger_that_was_copied_in_a_pause_goes_on_for_a_machine_that_is_lost() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(2_500).await;
    halt(&fleet, &["pause", "--reason", "backup"], &workers).await;
    fleet.resume_replies();
    fleet.wait_until_idle().await;
    let (folder, backup) = (fleet.run_folder(), tempfile::tempdir().expect("a temporary folder"));
    let copy = backup.path().join(LEDGER);
    std::fs::copy(folder.join(LEDGER), &copy).expect("is copied");
    fleet.provider.pause_replies_after(fleet.provider.stats().answered);
    order(&fleet, &["resume"]).await;
    fleet.wait_for_answered(3_400).await;

    coordinator.kill();
    std::fs::remove_dir_all(&folder).expect("is lost");
    std::fs::create_dir(&folder).expect("is made");
    std::fs::copy(&copy, folder.join(LEDGER)).expect("is restored");
    let kept = rows(&copy, CELLS).len();
    assert!(kept > 0, "no cell was finished before the copy");
    fleet.resume_replies();
    fleet.coordinator().expect_success().await;
    drop(workers);
    fleet.compare_with_one_process().await;
}
