//! A worker that is frozen past its lease and wakes when others have done its cells.

use crate::fleet::{Fleet, IN_FLIGHT, LATENCY, ServerUrls};

/// Answered calls before the worker is frozen.
const CALLS_BEFORE_FAULT: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_frozen_past_its_lease_does_no_harm_when_it_wakes() {
    let mut fleet = Fleet::new(LATENCY).await;
    // With this heartbeat, the broker soon takes back the tasks of a silent worker.
    fleet.urls = ServerUrls { broker: format!("{}?heartbeat=2", fleet.urls.broker), ..fleet.urls.clone() };
    let coordinator = fleet.coordinator();
    let [frozen, others @ ..] = [(); 4].map(|()| fleet.worker());
    fleet.wait_for_answered(CALLS_BEFORE_FAULT).await;
    frozen.freeze();
    fleet.resume_replies();
    coordinator.expect_success().await;
    frozen.wake();
    fleet.wait_until_idle().await;
    frozen.terminate();
    frozen.expect_success().await;
    drop(others);
    let (extra, most) = (fleet.compare_with_one_process().await, IN_FLIGHT);
    assert!(extra <= most, "{extra} extra calls, but at most {most} were in flight");
}
