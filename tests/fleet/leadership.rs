//! Two coordinators of one run, in different folders: one is refused, and what a killed one leaves behind blocks nobody.

use valuesim_shared::control::{Control as _, CoordinatorReport, REPORT_EXPIRY};
use valuesim_test_servers::eventually;

use crate::control_message::coordinator as coordinator_report;
use crate::fleet::{Fleet, LATENCY, TIMEOUT};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_coordinator_is_refused_and_disturbs_nothing() {
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(400).await;
    let second = fleet.coordinator_elsewhere();
    second.wait_for(&format!("is coordinated already, by process {} on host ", coordinator.pid())).await;
    second.wait_for("stop it and repeat this command").await;
    second.expect_code(1).await;
    assert!(!coordinator.has_ended(), "the first coordinator continues");
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_coordinators_that_start_together_ends() {
    let fleet = Fleet::new(LATENCY).await;
    let mut one = fleet.coordinator();
    let mut other = fleet.coordinator_elsewhere();
    let one_has_ended = async || (one.has_ended() || other.has_ended()).then_some(());
    eventually("the end of one of them", TIMEOUT, one_has_ended).await.expect("in time");
    let (ended, stays) = if one.has_ended() { (one, other) } else { (other, one) };
    ended.expect_code(1).await;
    // This fails if the other one has ended, too.
    stays.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_report_of_a_killed_coordinator_on_another_machine_blocks_nobody() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.wait_for_answered(400).await;
    coordinator.kill();
    fleet.resume_replies();
    let report = CoordinatorReport { run: fleet.run(), ..coordinator_report("elsewhere-7") };
    fleet.control().await.report_coordinator(&report).await.expect("writes");
    fleet.coordinator().expect_success_within(TIMEOUT + REPORT_EXPIRY).await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
