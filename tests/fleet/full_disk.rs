//! A coordinator whose disk is full ends and says so; with room again the same command goes on.

use crate::fleet::{Fleet, LATENCY};

/// Limits in blocks of 512 bytes: from no room for an empty ledger to nearly enough.
const LIMITS: [u32; 4] = [40, 1_500, 2_100, 2_400];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_coordinator_and_room_lets_it_go_on() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    let mut stopped = 0;
    for blocks in LIMITS {
        let ended = fleet.coordinator_with_little_room(blocks).ended().await;
        match ended.code() {
            Some(0) => {}
            Some(1) => stopped += 1,
            _ => panic!("with {blocks} blocks it ended with {ended}"),
        }
    }
    assert!(stopped >= 2, "only {stopped} coordinators were stopped: the limits no longer fit");
    fleet.coordinator().ended_well().await;
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}
