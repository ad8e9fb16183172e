//! Processes that are killed at random: the same ledger, and no more calls again than were in flight.

use crate::chance::Chance;
use crate::fleet::{Fleet, IN_FLIGHT, LATENCY};

/// The sequence of faults; any will do, a fixed one can be told again.
const SEED: u64 = 4;

const KILLS: u64 = 8;

/// Calls that are answered between two kills: so many, and up to so many more.
const BETWEEN: u64 = 380;
const UP_TO: usize = 120;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    Worker,
    Coordinator,
    Both,
}

async fn check(victims: &[Victim]) {
    let mut chance = Chance::new(SEED);
    let fleet = Fleet::new(LATENCY).await;
    let mut coordinator = fleet.coordinator();
    let mut workers = fleet.workers();
    let (mut called, mut killed) = (0, 0);
    for _ in 0..KILLS {
        called += BETWEEN + chance.below(UP_TO) as u64;
        fleet.answered(called).await;
        let victim = victims[chance.below(victims.len())];
        if let Victim::Worker | Victim::Both = victim {
            workers.swap_remove(chance.below(workers.len())).kill();
            workers.push(fleet.worker());
            killed += 1;
        }
        if let Victim::Coordinator | Victim::Both = victim {
            coordinator.kill();
            coordinator = fleet.coordinator();
        }
    }
    fleet.release();
    coordinator.ended_well().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    let most = killed * IN_FLIGHT;
    assert!(extra <= most, "{extra} calls more, at most {most} were in flight");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_cost_the_calls_in_flight_and_nothing_else() {
    check(&[Victim::Worker]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_costs_nothing() {
    check(&[Victim::Coordinator]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_killed_costs_the_calls_in_flight_and_nothing_else() {
    check(&[Victim::Worker, Victim::Coordinator, Victim::Both]).await;
}
