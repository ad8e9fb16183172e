//! A fleet that asks people in rounds asks those whom one process asks, whenever its coordinator is killed.

use std::time::Duration;

use crate::fleet::Fleet;
use crate::support::{CELLS, rows};

/// Calls into a round: fewer than the hundreds that its ten people and more take.
const INTO_THE_ROUND: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_coordinator_killed_between_and_within_rounds_stops_at_the_same_people() {
    let mut fleet = Fleet::new(Duration::from_millis(1)).await;
    (fleet.users, fleet.synthetic, fleet.methods) = (200, 300, "full-info");
    fleet.flags = &["--folds", "1", "--precision", "0.015"];
    let workers = fleet.workers();
    fleet.resume_replies();
    let coordinator = fleet.coordinator();
    coordinator.wait_for("round 1: 50 people were asked; the next round").await;
    coordinator.kill();
    let coordinator = fleet.coordinator();
    fleet.wait_for_answered(fleet.provider.stats().answered + INTO_THE_ROUND).await;
    coordinator.kill();
    let coordinator = fleet.coordinator();
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    fleet.compare_with_one_process().await;
    let people = rows(&fleet.run_folder().join("ledger.redb"), CELLS).len();
    assert!((51..200).contains(&people), "{people} people");
}
