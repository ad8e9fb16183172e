//! Four undisturbed workers, of which one is asked to end during the run.

use crate::fleet::{Fleet, LATENCY};
use crate::process::FleetProcess;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_writes_the_ledger_of_one_process_and_repeats_no_call() {
    let mut fleet = Fleet::new(LATENCY).await;
    // `no-cab` is a method that exists only as a row of the table.
    fleet.methods = "valuesim,no-cab";
    let coordinator = fleet.coordinator();
    let [asked_to_end, others @ ..] = [(); 4].map(|()| fleet.worker());
    fleet.wait_for_answered(1_000).await;
    asked_to_end.terminate();
    fleet.resume_replies();
    asked_to_end.expect_success().await;
    coordinator.expect_success().await;
    others.iter().for_each(FleetProcess::terminate);
    for worker in others {
        worker.expect_success().await;
    }
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_asks_with_the_items_that_one_process_retrieves() {
    let mut fleet = Fleet::new(LATENCY).await;
    fleet.methods = "rag";
    let (coordinator, workers) = (fleet.coordinator(), [(); 2].map(|()| fleet.worker()));
    fleet.resume_replies();
    coordinator.expect_success().await;
    workers.iter().for_each(FleetProcess::terminate);
    for worker in workers {
        worker.expect_success().await;
    }
    let texts = fleet.provider.stats().embedded_texts;
    assert!(texts > 0, "the coordinator has them embedded");
    assert_eq!(fleet.compare_with_one_process().await, 0);
    assert_eq!(fleet.provider.stats().embedded_texts, 2 * texts, "each run embeds each text once, and no worker any");
}
