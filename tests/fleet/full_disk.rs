//! A coordinator whose disk is full ends and says why; once there is space, the same command continues the run.

use valuesim_shared::control::{Control as _, RunPhase};

use crate::fleet::{Fleet, LATENCY};

/// Limits in blocks of 512 bytes, from too small for an empty ledger to nearly enough.
const LIMITS: [u32; 5] = [40, 150, 200, 250, 300];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_the_coordinator_until_there_is_space() {
    let fleet = Fleet::new(LATENCY).await;
    let workers = fleet.workers();
    fleet.resume_replies();
    let (mut stopped, mut explained) = (0, 0);
    for blocks in LIMITS {
        let status = fleet.coordinator_with_file_limit(blocks).wait().await;
        match status.code() {
            Some(0) => {}
            Some(1) => {
                stopped += 1;
                explained += u32::from(says_why(&fleet).await);
            }
            _ => panic!("with {blocks} blocks it ended with {status}"),
        }
    }
    assert!(stopped >= 2, "only {stopped} coordinators were stopped: the limits no longer fit");
    assert!(explained >= 1, "the list of runs never said why a coordinator ended");
    fleet.coordinator().expect_success().await;
    assert!(!says_why(&fleet).await, "a run that continues has no reason to have stopped");
    drop(workers);
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

/// Whether the list of runs says why the last coordinator ended. It cannot say so of one that had no space for a ledger.
async fn says_why(fleet: &Fleet) -> bool {
    let about = fleet.control().await.about(&fleet.run()).await.expect("reads");
    about.is_some_and(|about| about.phase == RunPhase::Begun && about.stopped_by.is_some())
}
