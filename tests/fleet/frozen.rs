//! A worker that stands still for longer than it may, and wakes when others have done its cells.

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, Ways};

/// Answered calls before the worker stands still.
const BEFORE: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_past_its_lease_does_no_harm_when_it_wakes() {
    let mut fleet = Fleet::new(LATENCY).await;
    // The broker takes back soon what a silent worker holds.
    fleet.ways = Ways { broker: format!("{}?heartbeat=2", fleet.ways.broker), ..fleet.ways.clone() };
    let coordinator = fleet.coordinator();
    let [frozen, others @ ..] = [(); 4].map(|()| fleet.worker());
    fleet.answered(BEFORE).await;
    frozen.freeze();
    fleet.release();
    coordinator.ended_well().await;
    frozen.wake();
    fleet.quiet().await;
    frozen.terminate();
    frozen.ended_well().await;
    drop(others);
    let (extra, most) = (fleet.compare_with_one_process().await, IN_FLIGHT);
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}
