//! Four workers that nobody disturbs, and one that is asked to end in mid-run.

use crate::fleet::{Fleet, LATENCY};
use crate::member::Member;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_writes_the_ledger_of_one_process_and_asks_nothing_twice() {
    let mut fleet = Fleet::new(LATENCY).await;
    // One of its methods is no more than a row of the table.
    fleet.methods = "valuesim,no-cab";
    let coordinator = fleet.coordinator();
    let [asked_to_end, others @ ..] = [(); 4].map(|()| fleet.worker());
    fleet.answered(1_000).await;
    asked_to_end.terminate();
    fleet.release();
    asked_to_end.ended_well().await;
    coordinator.ended_well().await;
    others.iter().for_each(Member::terminate);
    for worker in others {
        worker.ended_well().await;
    }
    assert_eq!(fleet.compare_with_one_process().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_asks_with_the_items_that_one_process_retrieves() {
    let mut fleet = Fleet::new(LATENCY).await;
    fleet.methods = "rag";
    let (coordinator, workers) = (fleet.coordinator(), [(); 2].map(|()| fleet.worker()));
    fleet.release();
    coordinator.ended_well().await;
    workers.iter().for_each(Member::terminate);
    for worker in workers {
        worker.ended_well().await;
    }
    let texts = fleet.provider.stats().embedded_texts;
    assert!(texts > 0, "the coordinator has them embedded");
    assert_eq!(fleet.compare_with_one_process().await, 0);
    assert_eq!(fleet.provider.stats().embedded_texts, 2 * texts, "each run embeds each text once, and no worker any");
}
