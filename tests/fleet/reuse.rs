//! A fleet does not make calls again whose replies an earlier run has kept.

use crate::fleet::{Fleet, LATENCY};

/// The questions of fold 1 that are asked.
const QUESTIONS: u64 = 54;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_that_is_added_later_pays_for_its_own_calls_alone() {
    let mut fleet = Fleet::new(LATENCY).await;
    (fleet.users, fleet.methods, fleet.flags) = (2, "full-info", &["--folds", "1", "--transcripts"]);
    let worker = fleet.worker();
    fleet.resume_replies();
    fleet.coordinator().expect_success().await;
    assert_eq!(fleet.provider.stats().answered, 2 * QUESTIONS);
    fleet.methods = "full-info,no-profile";
    fleet.coordinator().expect_success().await;
    assert_eq!(fleet.provider.stats().answered, 2 * QUESTIONS + 2 * QUESTIONS);
    drop(worker);
}
