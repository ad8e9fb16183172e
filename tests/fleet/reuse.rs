//! A fleet does not make calls again whose replies an earlier run has kept, or whose cells it has finished.

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sample_that_grows_pays_for_the_new_people_alone() {
    let mut fleet = Fleet::new(LATENCY).await;
    let runs = fleet.run_folder_of_all();
    (fleet.methods, fleet.flags) = ("full-info", &["--folds", "1"]);
    let worker = fleet.worker();
    fleet.resume_replies();
    for (users, answered) in [(2, 2 * QUESTIONS), (5, 5 * QUESTIONS)] {
        fleet.coordinator_in(users, &runs).expect_success().await;
        assert_eq!(fleet.provider.stats().answered, answered);
    }
    drop(worker);
}
