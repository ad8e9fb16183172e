//! A pilot of a fleet is held for a word, or goes on by itself where the user has said how much may be spent.

use crate::fleet::{Fleet, LATENCY};
use crate::money::PRICE;
use crate::process::command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pilot_of_a_fleet_is_held_until_the_same_command_goes_on() {
    let mut fleet = Fleet::new(LATENCY).await;
    (fleet.users, fleet.flags) = (2, &["--price", PRICE]);
    fleet.resume_replies();
    let workers = fleet.workers();
    let pilot = fleet.coordinator_with(&["--pilot", "2"]);
    pilot.wait_for("coordinating run").await;
    let mut budget = command("budget");
    budget.env("VALUESIM_STORE", &fleet.urls.store).args([&fleet.run().0, "5"]);
    let refused = budget.output().expect("runs");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("was started without a budget"), "{said}");
    pilot.wait_for("held after the pilot").await;
    assert!(pilot.stderr().contains("with a chance of 90 %"), "{}", pilot.stderr());
    pilot.expect_success().await;
    let of_pilot = fleet.provider.stats().requests;
    fleet.coordinator_with(&["--pilot", "2", "--yes-below", "1000"]).expect_success().await;
    assert!(fleet.provider.stats().requests > of_pilot);
    drop(workers);
    fleet.compare_with_one_process().await;
}
