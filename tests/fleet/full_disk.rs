//! A coordinator whose disk is full ends and says so; with room again the same command goes on.

use valuesim_shared::control::{Control as _, RedisControl, RunPhase};

use crate::fleet::{Fleet, LATENCY, PATIENCE};

/// Limits in blocks of 512 bytes: from no room for an empty ledger to nearly enough.
const LIMITS: [u32; 5] = [40, 150, 200, 250, 300];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_coordinator_and_room_lets_it_go_on() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.release();
    let (mut stopped, mut told) = (0, 0);
    for blocks in LIMITS {
        let ended = fleet.coordinator_with_little_room(blocks).ended(PATIENCE).await;
        match ended.code() {
            Some(0) => {}
            Some(1) => {
                stopped += 1;
                told += u32::from(says_why(&fleet).await);
            }
            _ => panic!("with {blocks} blocks it ended with {ended}"),
        }
    }
    assert!(stopped >= 2, "only {stopped} coordinators were stopped: the limits no longer fit");
    assert!(told >= 1, "operators are told why a coordinator ended that had begun");
    fleet.coordinator().ended_well().await;
    assert!(!says_why(&fleet).await, "it goes on");
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

/// Whether the list of runs says why the last coordinator ended. One that found no room for a ledger was none yet.
async fn says_why(fleet: &Fleet) -> bool {
    let control = RedisControl::connect(&fleet.ways.store.parse().expect("an address")).await.expect("connects");
    let about = control.about(&fleet.run()).await.expect("reads");
    about.is_some_and(|about| about.phase == RunPhase::Begun && about.stopped_by.is_some())
}
