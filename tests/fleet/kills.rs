//! Processes killed at random change no row of the ledger and cost at most the calls in flight.

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY};
use crate::rng::Rng;

/// The seed of the faults. Any would do, but a fixed one makes the test repeatable.
const SEED: u64 = 4;

const KILLS: u64 = 8;

/// Calls that are answered between two kills: at least this many, and up to so many more.
const CALLS_BETWEEN: u64 = 380;
const MORE_CALLS: usize = 120;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker,
    Coordinator,
    Both,
}

async fn check(victims: &[Victim]) {
    let mut rng = Rng::new(SEED);
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let mut workers = fleet.workers();
    let (mut answered, mut killed) = (0, 0);
    for _ in 0..KILLS {
        answered += CALLS_BETWEEN + rng.below(MORE_CALLS) as u64;
        fleet.wait_for_answered(answered).await;
        let victim = victims[rng.below(victims.len())];
        if let Victim::Worker | Victim::Both = victim {
            workers.swap_remove(rng.below(workers.len())).kill();
            workers.push(fleet.worker());
            killed += 1;
        }
        if let Victim::Coordinator | Victim::Both = victim {
            coordinator.kill();
            coordinator = fleet.coordinator();
        }
    }
    fleet.resume_replies();
    coordinator.expect_success().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    let most = killed * IN_FLIGHT;
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_cost_only_the_calls_in_flight() {
    check(&[Victim::Worker]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_costs_nothing() {
    check(&[Victim::Coordinator]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_and_coordinators_cost_only_the_calls_in_flight() {
    check(&[Victim::Worker, Victim::Coordinator, Victim::Both]).await;
}
