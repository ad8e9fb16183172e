//! Workers that are killed one after the other, and a coordinator that is killed once: the same ledger, and no more calls
//! again than were in flight.

use std::time::Duration;

use crate::fleet::{Fleet, IN_FLIGHT};

const KILLS: u64 = 6;

/// Calls that are answered between two kills.
const BETWEEN: u64 = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_workers_cost_the_calls_in_flight_and_nothing_else() {
    let fleet = Fleet::new(Duration::from_millis(10)).await;
    let mut coordinator = Some(fleet.coordinator());
    let mut workers: Vec<_> = [(); 4].map(|()| fleet.worker()).into();
    for kill in 1..=KILLS {
        fleet.answered(kill * BETWEEN).await;
        // Any sequence will do, a fixed one can be told again.
        let victim = usize::try_from(kill * 7919 % 4).expect("one of four");
        workers.swap_remove(victim).kill();
        workers.push(fleet.worker());
        if kill == KILLS / 2 {
            coordinator.take().expect("it runs").kill();
            coordinator = Some(fleet.coordinator());
        }
    }
    coordinator.expect("it runs").ended_well().await;
    drop(workers);
    let extra = fleet.compare_with_one_process().await;
    assert!(extra <= KILLS * IN_FLIGHT, "{extra} calls more, at most {} were in flight", KILLS * IN_FLIGHT);
}
