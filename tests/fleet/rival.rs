//! Two coordinators of one run, in different folders: one is refused, and what a killed one leaves behind bars nobody.

use valuesim_shared::control::{
    CONTROL_VERSION, CellCounts, Control as _, CoordinatorReport, Process, REPORT_EXPIRY, RedisControl, UnixMillis,
};
use valuesim_shared::money::NanoUsd;
use valuesim_test_servers::eventually;

use crate::fleet::{Fleet, LATENCY, PATIENCE};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_coordinator_is_refused_and_disturbs_nothing() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(400).await;
    let (second, said) = fleet.coordinator_elsewhere();
    assert_eq!(second.ended(PATIENCE).await.code(), Some(1));
    let said = std::fs::read_to_string(said).expect("reads");
    let expected = format!("is coordinated already, by process {} on host ", coordinator.pid());
    assert!(said.contains(&expected) && said.contains("stop it and repeat this command"), "{said}");
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_coordinators_that_start_together_one_ends() {
    let fleet = Fleet::new(LATENCY).await;
    let mut one = fleet.coordinator();
    let (mut other, _) = fleet.coordinator_elsewhere();
    let an_end = async || (one.has_ended() || other.has_ended()).then_some(());
    eventually("the end of one of them", PATIENCE, an_end).await.expect("in time");
    let (ended, stays) = if one.has_ended() { (one, other) } else { (other, one) };
    assert_eq!(ended.ended(PATIENCE).await.code(), Some(1));
    // Killing it fails where it has ended.
    stays.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_that_a_killed_coordinator_of_another_machine_left_bars_nobody() {
    let fleet = Fleet::new(LATENCY).await;
    let coordinator = fleet.coordinator();
    let workers = fleet.workers();
    fleet.answered(400).await;
    coordinator.kill();
    fleet.release();
    let control = RedisControl::connect(&fleet.ways.store.parse().expect("an address")).await.expect("connects");
    control.report_coordinator(&left_by_a_killed_one(&fleet)).await.expect("writes");
    fleet.coordinator().ended_well_within(PATIENCE + REPORT_EXPIRY).await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

fn left_by_a_killed_one(fleet: &Fleet) -> CoordinatorReport {
    let [id, host, release] = ["elsewhere-7", "elsewhere", "0.1.0"].map(str::to_owned);
    CoordinatorReport {
        version: CONTROL_VERSION,
        process: Process { id, host, pid: 7, release, started_at: UnixMillis(1) },
        run: fleet.run(),
        cells: CellCounts::default(),
        cells_per_second: 0.0,
        last_finished_at: None,
        spent: NanoUsd(0),
        priced: true,
        http: None,
        last_trouble: None,
        at: UnixMillis::now(),
    }
}
